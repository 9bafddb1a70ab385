/// gemm_by_depth: of each length taken Tiles words of sums a row, the last one when RowBeats beats a
/// row and block of the operand are in; stable.
module gemm_by_depth_contract #(
    parameter bit Stands = 1'b0,
    parameter int unsigned Pe = 1,
    parameter int unsigned Channels = 1,
    parameter int unsigned Block = 1,
    parameter int unsigned Blocks = 1,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned SumBits = transfab_pkg::AccumulatorBits
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid_i,
    input logic               rows_ready_o,
    input logic [RowBits-1:0] rows_data_i,

    input logic operand_valid_i,
    input logic operand_ready_o,

    input logic                      sums_valid_o,
    input logic                      sums_ready_i,
    input logic signed [SumBits-1:0] sums_data_o [Pe]
);

  localparam int unsigned RowBeats = operator_pkg::ceil_divide(Block, transfab_pkg::BeatBytes);

  sums_terms #(
      .Stands(Stands),
      .Pe(Pe),
      .Words(operator_pkg::ceil_divide(Channels, Pe)),
      .DataBeats(Blocks * RowBeats)
  ) u_sums (
      .clk_i,
      .rst_ni,
      .rows_valid_i,
      .rows_ready_o,
      .rows_data_i,
      .take_i(operand_valid_i && operand_ready_o),
      .sums_valid_o,
      .sums_ready_i,
      .sums_data_o
  );

endmodule : gemm_by_depth_contract
