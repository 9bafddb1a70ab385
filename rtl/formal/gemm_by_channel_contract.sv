/// gemm_by_channel: of each length taken Tiles tiles of so many rows in order, each tile under a
/// permit, a row when the operand's rows up to it are in.
module gemm_by_channel_contract #(
    parameter bit Stands = 1'b0,
    parameter int unsigned Pe = 1,
    parameter int unsigned Depth = 1,
    parameter int unsigned Channels = 1,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned RowIndexBits = operator_pkg::index_bits(transfab_pkg::Sequence)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid_i,
    input logic               rows_ready_o,
    input logic [RowBits-1:0] rows_data_i,

    input logic operand_valid_i,
    input logic operand_ready_o,

    input logic permit_valid_i,
    input logic permit_ready_o,

    input logic                    sums_valid_o,
    input logic [RowIndexBits-1:0] sums_row_o,
    input logic                    sums_last_o
);

  localparam int unsigned Tiles = operator_pkg::ceil_divide(Channels, Pe);
  localparam int unsigned RowBeats = operator_pkg::ceil_divide(Depth, transfab_pkg::BeatBytes);

  logic granted_q, ends, in_range;
  logic [3:0] held;
  logic [1:0][RowBits-1:0] rows;
  logic [7:0]
      tile,
      needed,
      operands,
      operands_taken,
      operands_done;  // tile: of the sequence, not whole yet
  logic [RowBits-1:0] row_q;

  assign ends = tile == 8'(Tiles - 1);
  assign needed = 8'(RowBeats) * 8'(rows[0]);
  assign in_range = rows_data_i != '0 && 32'(rows_data_i) <= transfab_pkg::Sequence;

  packets u_packets (
      .clk_i,
      .rst_ni,
      .enter_i(rows_valid_i && rows_ready_o),
      .rows_i (rows_data_i),
      .beat_i (sums_valid_o && sums_last_o),
      .last_i (ends),
      .held_o (held),
      .rows_o (rows),
      .index_o(tile)
  );

  surplus u_operands (
      .clk_i,
      .rst_ni,
      .take_i(operand_valid_i && operand_ready_o),
      .done_i(sums_valid_o && sums_last_o && ends),
      .beats_i(needed),
      .taken_o(operands_taken),
      .done_o(operands_done),
      .surplus_o(operands)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      granted_q <= 1'b0;
      row_q <= '0;
    end else begin
      if (permit_valid_i && permit_ready_o) granted_q <= 1'b1;
      else if (sums_valid_o && sums_last_o) granted_q <= 1'b0;
      if (sums_valid_o) row_q <= sums_last_o ? '0 : row_q + 1'b1;
    end
  end

  contract_terms #(
      .Stands(Stands)
  ) u_terms (
      .clk_i,
      .rst_ni,
      .promised_i(held <= 4'd2 && (!permit_ready_o || permit_valid_i) &&
                  (!sums_valid_o || (held != '0 && granted_q && 32'(sums_row_o) == 32'(row_q) &&
                   sums_last_o == (row_q == rows[0] - 1'b1) &&
                   operands >= 8'(RowBeats) * (8'(row_q) + 8'd1)))),
      .demanded_i((!rows_valid_i || in_range) && (!permit_valid_i || !granted_q))
  );

endmodule : gemm_by_channel_contract
