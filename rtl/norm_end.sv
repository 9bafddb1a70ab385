/// The end of stages 2 and 4: sums of the projection and a skip packet -> residual packet.
///
/// Row by row: Tiles words of Pe sums into words of a beat's elements, residual sum, LayerNorm.
module norm_end #(
    parameter int unsigned Pe = 1,
    parameter int unsigned Scalars = 7,
    parameter int unsigned ResidualScalars = 2,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes,
    localparam int unsigned SumBits = transfab_pkg::AccumulatorBits
) (
    input logic clk_i,
    input logic rst_ni,

    // Of the residual sum and of LayerNorm.
    input  logic [        1:0] rows_valid_i,
    output logic [        1:0] rows_ready_o,
    input  logic [RowBits-1:0] rows_data_i [2],

    input  logic [         1:0] parameters_valid_i,
    output logic [         1:0] parameters_ready_o,
    input  logic [BeatBits-1:0] parameters_data_i,

    input  logic                      sums_valid_i,
    output logic                      sums_ready_o,
    input  logic signed [SumBits-1:0] sums_data_i [Pe],

    input  logic                skip_valid_i,
    output logic                skip_ready_o,
    input  logic [BeatBits-1:0] skip_data_i,

    output logic                out_valid_o,
    input  logic                out_ready_i,
    output logic [BeatBits-1:0] out_data_o,
    output logic                out_last_o,

    output logic busy_o
);

  localparam int unsigned Hidden = transfab_pkg::Hidden;
  localparam int unsigned Lanes = BeatBits / transfab_pkg::ResidualBits;
  localparam int unsigned TotalBits = $clog2(Hidden + 1);
  // The next sequence's scalars wait here and hold up no weights behind them.
  localparam int unsigned ParameterDepth = operator_pkg::ceil_divide(
      4 * Scalars, transfab_pkg::BeatBytes
  ) + 1;

  logic [1:0] parameters_valid, parameters_ready;
  logic [BeatBits-1:0] parameters_data[2];
  logic lanes_valid, lanes_ready, mask_valid, mask_ready, totals_valid, totals_ready;
  logic [SumBits-1:0] sums[Pe], lanes[Lanes];
  logic signed [SumBits-1:0] row_sums[Lanes];
  logic [BeatBits-1:0] mask_data;
  logic signed [15:0] totals_data[Lanes];

  always_comb begin
    for (int unsigned p = 0; p < Pe; p++) sums[p] = sums_data_i[p];
    for (int unsigned i = 0; i < Lanes; i++) row_sums[i] = signed'(lanes[i]);
  end
  assign busy_o = totals_valid && totals_ready;

  for (genvar i = 0; i < 2; i++) begin : gen_parameters
    stream_fifo #(
        .Width(BeatBits),
        .Depth(ParameterDepth)
    ) u_fifo (
        .clk_i,
        .rst_ni,
        .in_valid_i (parameters_valid_i[i]),
        .in_ready_o (parameters_ready_o[i]),
        .in_data_i  (parameters_data_i),
        .out_valid_o(parameters_valid[i]),
        .out_ready_i(parameters_ready[i]),
        .out_data_o (parameters_data[i])
    );
  end

  gearbox #(
      .InLanes(Pe),
      .OutLanes(Lanes),
      .Width(SumBits),
      .Total(Hidden)
  ) u_gearbox (
      .clk_i,
      .rst_ni,
      .total_i(TotalBits'(Hidden)),
      .in_valid_i(sums_valid_i),
      .in_ready_o(sums_ready_o),
      .in_data_i(sums),
      .out_valid_o(lanes_valid),
      .out_ready_i(lanes_ready),
      .out_data_o(lanes)
  );

  residual #(
      .Scalars(Scalars),
      .ResidualScalars(ResidualScalars)
  ) u_residual (
      .clk_i,
      .rst_ni,
      .rows_valid_i(rows_valid_i[0]),
      .rows_ready_o(rows_ready_o[0]),
      .rows_data_i(rows_data_i[0]),
      .parameters_valid_i(parameters_valid[0]),
      .parameters_ready_o(parameters_ready[0]),
      .parameters_data_i(parameters_data[0]),
      .sums_valid_i(lanes_valid),
      .sums_ready_o(lanes_ready),
      .sums_data_i(row_sums),
      .skip_valid_i,
      .skip_ready_o,
      .skip_data_i,
      .mask_valid_o(mask_valid),
      .mask_ready_i(mask_ready),
      .mask_data_o(mask_data),
      .totals_valid_o(totals_valid),
      .totals_ready_i(totals_ready),
      .totals_data_o(totals_data)
  );

  layernorm #(
      .Scalars(Scalars),
      .FirstScalar(ResidualScalars + 2)
  ) u_layernorm (
      .clk_i,
      .rst_ni,
      .rows_valid_i(rows_valid_i[1]),
      .rows_ready_o(rows_ready_o[1]),
      .rows_data_i(rows_data_i[1]),
      .parameters_valid_i(parameters_valid[1]),
      .parameters_ready_o(parameters_ready[1]),
      .parameters_data_i(parameters_data[1]),
      .mask_valid_i(mask_valid),
      .mask_ready_o(mask_ready),
      .mask_data_i(mask_data),
      .totals_valid_i(totals_valid),
      .totals_ready_o(totals_ready),
      .totals_data_i(totals_data),
      .out_valid_o,
      .out_ready_i,
      .out_data_o,
      .out_last_o
  );

endmodule : norm_end
