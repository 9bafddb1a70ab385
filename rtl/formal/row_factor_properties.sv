/// row_factor: a factor for each row that is begun, with its own shift; the shifts' queue has room.
module row_factor_properties #(
    parameter int unsigned RowsBits = 1
) (
    input logic clk_i,
    input logic rst_ni,

    input logic begin_i,
    input logic squares_valid_i,
    input logic squares_ready_o,
    input logic factor_valid_o,
    input logic factor_ready_i,
    input logic [16:0] factor_o,
    input logic [4:0] shift_o,

    input logic [RowsBits-1:0] left_q,
    input logic [3:1] valid_q,
    input logic take,
    input logic root_ready,
    input logic root_valid,
    input logic root_busy,
    input logic reciprocal_busy,
    input logic unused_shift_valid,
    input logic unused_shift_ready,
    input logic [2:0] shifts
);

  logic started, give;
  logic [7:0] held_q;  // rows whose squares are taken and whose factor is not

  assign give = factor_valid_o && factor_ready_i;

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_output #(
      .Width(22)
  ) u_stable (
      .clk_i,
      .started_i(started),
      .valid_i(factor_valid_o),
      .ready_i(factor_ready_i),
      .data_i({factor_o, shift_o})
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) held_q <= '0;
    else held_q <= held_q + 8'(squares_valid_i && squares_ready_o) - 8'(give);
    if (factor_ready_i) assume (factor_valid_o);
    if (started) begin
      if (valid_q[3] && root_ready) assert (unused_shift_ready);
      if (factor_valid_o) assert (unused_shift_valid);
      if (give) assert (held_q != '0);
      if (left_q == '0) assert (!squares_ready_o);
      // What holds inside: a row in the root, up to two in the reciprocal.
      assert (held_q == 8'($countones(valid_q)) + 8'(shifts));
      assert (shifts == 3'(root_busy) + 3'(reciprocal_busy) + 3'(factor_valid_o));
    end
  end

endmodule : row_factor_properties

bind row_factor row_factor_properties #(
    .RowsBits(RowsBits)
) u_properties (
    .root_busy(u_root.busy_q),
    .reciprocal_busy(u_reciprocal.busy_q),
    .shifts(u_shifts.count_q),
    .*
);
