/// Stage 4: second feed-forward projection by depth, residual sum and LayerNorm.
///
/// Blocks of a beat's channels and the skip packet -> residual packet. A whole skip packet waits
/// inside for the projection.
module output_core #(
    parameter bit Packed = 1'b1,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic               rows_valid_i,
    output logic               rows_ready_o,
    input  logic [RowBits-1:0] rows_data_i,

    input  logic                intermediate_valid_i,
    output logic                intermediate_ready_o,
    input  logic [BeatBits-1:0] intermediate_data_i,

    input  logic                skip_valid_i,
    output logic                skip_ready_o,
    input  logic [BeatBits-1:0] skip_data_i,

    input  logic                parameters_valid_i,
    output logic                parameters_ready_o,
    input  logic [BeatBits-1:0] parameters_data_i,

    output logic                out_valid_o,
    input  logic                out_ready_i,
    output logic [BeatBits-1:0] out_data_o,
    output logic                out_last_o,

    output logic [1:0] activity_o  // {norm, product}
);

  import operator_pkg::ceil_divide;

  localparam int unsigned Pe = transfab_pkg::OutputPe;
  localparam int unsigned Simd = transfab_pkg::OutputSimd;
  localparam int unsigned Hidden = transfab_pkg::Hidden;
  localparam int unsigned Inner = transfab_pkg::Inner;
  localparam int unsigned BeatBytes = transfab_pkg::BeatBytes;
  localparam int unsigned SumBits = transfab_pkg::AccumulatorBits;
  localparam int unsigned Blocks = ceil_divide(Inner, BeatBytes);
  localparam int unsigned TileBeats = ceil_divide(Pe * Simd, BeatBytes);
  localparam int unsigned WeightBeats = ceil_divide(
      Inner, Simd
  ) * ceil_divide(
      Hidden, Pe
  ) * TileBeats;
  localparam int unsigned ScalarBeats = ceil_divide(4 * 5, BeatBytes);
  localparam int unsigned RecordBeats = ceil_divide(16 * Hidden, BeatBytes);
  localparam int unsigned PacketBeats = ceil_divide(
      transfab_pkg::Sequence, BeatBytes
  ) + transfab_pkg::Sequence * ceil_divide(
      Hidden * transfab_pkg::ResidualBits / 8, BeatBytes
  );
  // The records that end a packet pass while this many beats of weights are in use.
  localparam int unsigned WeightDepth = 2 * RecordBeats + 4 * TileBeats;

  // Outputs of distribute.
  localparam int unsigned Residual = 0, Norm = 1, Weights = 2;
  localparam bit [7:0] ToBoth = 1 << Residual | 1 << Norm;

  logic [2:0] rows_valid, rows_ready, section_valid, section_ready;
  logic [RowBits-1:0] rows[3], end_rows[2];
  logic weights_valid, weights_ready, skip_valid, skip_ready, sums_valid, sums_ready;
  logic [BeatBits-1:0] weights_data, skip_data;
  logic signed [SumBits-1:0] sums_data[Pe];

  rows_fork #(
      .Outputs(3)
  ) u_rows (
      .clk_i,
      .rst_ni,
      .rows_valid_i,
      .rows_ready_o,
      .rows_data_i,
      .rows_valid_o(rows_valid),
      .rows_ready_i(rows_ready),
      .rows_data_o (rows)
  );

  distribute #(
      .Outputs(3),
      .Steps  (4),
      .Counts ('{ScalarBeats, WeightBeats, RecordBeats, RecordBeats, 0, 0}),
      .Targets('{ToBoth, 1 << Weights, 1 << Residual, ToBoth, 0, 0})
  ) u_distribute (
      .clk_i,
      .rst_ni,
      .in_valid_i (parameters_valid_i),
      .in_ready_o (parameters_ready_o),
      .out_valid_o(section_valid),
      .out_ready_i(section_ready)
  );

  stream_buffer #(
      .Width(BeatBits),
      .Depth(WeightDepth)
  ) u_weights (
      .clk_i,
      .rst_ni,
      .in_valid_i (section_valid[Weights]),
      .in_ready_o (section_ready[Weights]),
      .in_data_i  (parameters_data_i),
      .out_valid_o(weights_valid),
      .out_ready_i(weights_ready),
      .out_data_o (weights_data)
  );

  stream_buffer #(
      .Width(BeatBits),
      .Depth(PacketBeats)
  ) u_skip (
      .clk_i,
      .rst_ni,
      .in_valid_i (skip_valid_i),
      .in_ready_o (skip_ready_o),
      .in_data_i  (skip_data_i),
      .out_valid_o(skip_valid),
      .out_ready_i(skip_ready),
      .out_data_o (skip_data)
  );

  gemm_by_depth #(
      .Pe(Pe),
      .Simd(Simd),
      .Channels(Hidden),
      .Block(BeatBytes),
      .Blocks(Blocks),
      .LastBlock(Inner - (Blocks - 1) * BeatBytes),
      .Packed(Packed)
  ) u_gemm (
      .clk_i,
      .rst_ni,
      .rows_valid_i(rows_valid[0]),
      .rows_ready_o(rows_ready[0]),
      .rows_data_i(rows[0]),
      .operand_valid_i(intermediate_valid_i),
      .operand_ready_o(intermediate_ready_o),
      .operand_data_i(intermediate_data_i),
      .weights_valid_i(weights_valid),
      .weights_ready_o(weights_ready),
      .weights_data_i(weights_data),
      .sums_valid_o(sums_valid),
      .sums_ready_i(sums_ready),
      .sums_data_o(sums_data),
      .busy_o(activity_o[0])
  );

  assign end_rows = '{rows[1], rows[2]};

  norm_end #(
      .Pe(Pe),
      .Scalars(5),
      .ResidualScalars(0)
  ) u_end (
      .clk_i,
      .rst_ni,
      .rows_valid_i(rows_valid[2:1]),
      .rows_ready_o(rows_ready[2:1]),
      .rows_data_i(end_rows),
      .parameters_valid_i({section_valid[Norm], section_valid[Residual]}),
      .parameters_ready_o({section_ready[Norm], section_ready[Residual]}),
      .parameters_data_i,
      .sums_valid_i(sums_valid),
      .sums_ready_o(sums_ready),
      .sums_data_i(sums_data),
      .skip_valid_i(skip_valid),
      .skip_ready_o(skip_ready),
      .skip_data_i(skip_data),
      .out_valid_o,
      .out_ready_i,
      .out_data_o,
      .out_last_o,
      .busy_o(activity_o[1])
  );

endmodule : output_core
