/// What a row's deviations are multiplied by: floor((2**33 - 1) / root), and the shift after it.
///
/// Squares and epsilon, 44 bits, are shifted left by an even amount to the top and cut to
/// [2**32, 2**34); root is the integer root of that. `shift_o` = 16 - half the shift from the
/// squares to 34 bits, in [0, 21], brings deviation * factor * 2**8 to 25 fraction bits.
/// rows_i rows are taken after each begin_i, with the epsilon that holds then. A factor comes 38
/// cycles after its squares; a row costs 17 cycles.
module row_factor #(
    parameter int unsigned RowsBits = 1
) (
    input logic clk_i,
    input logic rst_ni,

    input logic                begin_i,
    input logic [RowsBits-1:0] rows_i,
    input logic [        39:0] epsilon_i,

    input  logic        squares_valid_i,
    output logic        squares_ready_o,
    input  logic [42:0] squares_data_i,

    output logic        factor_valid_o,
    input  logic        factor_ready_i,
    output logic [16:0] factor_o,
    output logic [ 4:0] shift_o
);

  localparam int unsigned Pairs = 22;

  logic [RowsBits-1:0] left_q;
  logic advance, take, root_ready, root_valid, reciprocal_ready;
  logic [3:1] valid_q;
  logic [43:0] sum_1q, sum_2q;
  logic [4:0] top_2q, top_3q;  // the highest pair of bits that is not zero
  logic [33:0] shifted_q;
  logic unused_shift_valid, unused_shift_ready;
  logic [16:0] root_data;
  logic [ 4:0] unused_bits;

  function automatic logic [4:0] top_of(logic [43:0] sum);
    top_of = '0;
    for (int unsigned pair = 0; pair < Pairs; pair++) begin
      if (sum[2*pair+:2] != '0) top_of = 5'(pair);
    end
  endfunction

  function automatic logic [33:0] shifted_of(logic [43:0] sum, logic [4:0] top);
    return 34'((sum << (6'(2 * (Pairs - 1)) - {top, 1'b0})) >> 10);
  endfunction

  assign advance = !valid_q[3] || root_ready;
  assign squares_ready_o = advance && left_q != '0;
  assign take = squares_valid_i && squares_ready_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      left_q  <= '0;
      valid_q <= '0;
    end else begin
      if (begin_i) left_q <= rows_i;
      else if (take) left_q <= left_q - 1'b1;
      if (advance) valid_q <= {valid_q[2:1], take};
    end
  end

  always_ff @(posedge clk_i) begin
    if (advance) begin
      sum_1q <= 44'(squares_data_i) + 44'(epsilon_i);
      sum_2q <= sum_1q;
      top_2q <= top_of(sum_1q);
      shifted_q <= shifted_of(sum_2q, top_2q);
      top_3q <= top_2q;
    end
  end

  root u_root (
      .clk_i,
      .rst_ni,
      .in_valid_i(valid_q[3]),
      .in_ready_o(root_ready),
      .value_i(shifted_q),
      .out_valid_o(root_valid),
      .out_ready_i(reciprocal_ready),
      .root_o(root_data)
  );

  reciprocal u_reciprocal (
      .clk_i,
      .rst_ni,
      .in_valid_i(root_valid),
      .in_ready_o(reciprocal_ready),
      .value_i({7'd0, root_data}),
      .out_valid_o(factor_valid_o),
      .out_ready_i(factor_ready_i),
      .reciprocal_o(factor_o),
      .bits_o(unused_bits)
  );

  // A row is in the root, two are in the reciprocal: there is always room.
  stream_fifo #(
      .Width(5),
      .Depth(4)
  ) u_shifts (
      .clk_i,
      .rst_ni,
      .in_valid_i (valid_q[3] && root_ready),
      .in_ready_o (unused_shift_ready),
      .in_data_i  (top_3q),
      .out_valid_o(unused_shift_valid),
      .out_ready_i(factor_ready_i),
      .out_data_o (shift_o)
  );

endmodule : row_factor
