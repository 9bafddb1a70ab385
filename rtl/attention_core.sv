/// Stage 2: scores, softmax and context of one head after the other, output projection, residual sum
/// and LayerNorm.
///
/// qkv packet and skip packet -> residual packet. A whole skip packet waits inside for the
/// projection; its mask goes to the softmax as it comes.
module attention_core
  import attention_pkg::*;
#(
    parameter bit Packed = 1'b1
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic               rows_valid_i,
    output logic               rows_ready_o,
    input  logic [RowBits-1:0] rows_data_i,

    input  logic                qkv_valid_i,
    output logic                qkv_ready_o,
    input  logic [BeatBits-1:0] qkv_data_i,

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

    output logic [4:0] activity_o  // {norm, softmax, projection, context, scores}
);

  import operator_pkg::ceil_divide;

  localparam int unsigned Hidden = transfab_pkg::Hidden;
  localparam int unsigned Heads = transfab_pkg::Heads;
  localparam int unsigned TileBeats = ceil_divide(Pe * Simd, BeatBytes);
  localparam int unsigned HeadWeightBeats = DepthTiles * Tiles * TileBeats;
  localparam int unsigned ScalarBeats = ceil_divide(4 * 7, BeatBytes);
  localparam int unsigned SoftmaxBeats = ceil_divide(
      4 * Heads, BeatBytes
  ) + ceil_divide(
      2 * transfab_pkg::ExponentialEntries, BeatBytes
  );
  localparam int unsigned HeadRecordBeats = ceil_divide(16 * HeadSize, BeatBytes);
  localparam int unsigned RecordBeats = ceil_divide(16 * Hidden, BeatBytes);
  localparam int unsigned MaskBeats = ceil_divide(Rows, BeatBytes);
  localparam int unsigned PacketBeats = MaskBeats + Rows * ceil_divide(
      Hidden * transfab_pkg::ResidualBits / 8, BeatBytes
  );
  // The records that end a packet, and a head's, pass while the weights before them are in use.
  localparam int unsigned WeightDepth = 2 * RecordBeats + 4 * TileBeats;
  localparam int unsigned RecordDepth = ScalarBeats + 2 * HeadRecordBeats;

  // Outputs of distribute, and of the sequence lengths.
  localparam int unsigned Softmax = 0, Records = 1, Weights = 2, Residual = 3, Norm = 4;
  localparam bit [7:0] ToAll = 1 << Softmax | 1 << Records | 1 << Residual | 1 << Norm;
  localparam int unsigned RowsEngine = 0, RowsSplit = 3, RowsSkip = 4, RowsSoftmax = 5, RowsEnd = 6;

  logic [7:0] rows_valid, rows_ready;
  logic [RowBits-1:0] rows[8], engine_rows[3], end_rows[2];
  logic [4:0] section_valid, section_ready;
  logic records_valid, records_ready, weights_valid, weights_ready;
  logic [BeatBits-1:0] records_data, weights_data;
  logic [2:0] part_valid, part_ready;
  logic queue_valid, queue_ready, mask_valid, mask_ready, waits_valid, waits_ready;
  logic skip_valid, skip_ready;
  logic [BeatBits-1:0] mask_data, skip_data;
  logic
      scores_valid, scores_ready, exponentials_valid, exponentials_ready, scale_valid, scale_ready;
  logic signed [ScoreBits-1:0] scores_data[SoftmaxLanes];
  logic [ExponentialBits-1:0] exponentials_data[SoftmaxLanes];
  scale_t scale_data;
  logic sums_valid, sums_ready;
  logic signed [SumBits-1:0] sums_data[Pe];

  rows_fork #(
      .Outputs(8)
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
      .Outputs(5),
      .Steps(6),
      .First(2),
      .Body(2),
      .Repeat(Heads),
      .Counts(
      '{ScalarBeats, SoftmaxBeats, HeadRecordBeats, HeadWeightBeats, RecordBeats, RecordBeats}
      ),
      .Targets(
      '{ToAll, 1 << Softmax, 1 << Records, 1 << Weights, 1 << Residual, 1 << Residual | 1 << Norm}
      )
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
      .Depth(RecordDepth)
  ) u_records (
      .clk_i,
      .rst_ni,
      .in_valid_i (section_valid[Records]),
      .in_ready_o (section_ready[Records]),
      .in_data_i  (parameters_data_i),
      .out_valid_o(records_valid),
      .out_ready_i(records_ready),
      .out_data_o (records_data)
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

  head_split u_split (
      .clk_i,
      .rst_ni,
      .rows_valid_i(rows_valid[RowsSplit]),
      .rows_ready_o(rows_ready[RowsSplit]),
      .rows_data_i (rows[RowsSplit]),
      .in_valid_i  (qkv_valid_i),
      .in_ready_o  (qkv_ready_o),
      .part_valid_o(part_valid),
      .part_ready_i(part_ready)
  );

  mask_fork u_mask (
      .clk_i,
      .rst_ni,
      .rows_valid_i(rows_valid[RowsSkip]),
      .rows_ready_o(rows_ready[RowsSkip]),
      .rows_data_i(rows[RowsSkip]),
      .in_valid_i(skip_valid_i),
      .in_ready_o(skip_ready_o),
      .packet_valid_o(queue_valid),
      .packet_ready_i(queue_ready),
      .mask_valid_o(waits_valid),
      .mask_ready_i(waits_ready)
  );

  stream_buffer #(
      .Width(BeatBits),
      .Depth(PacketBeats)
  ) u_skip (
      .clk_i,
      .rst_ni,
      .in_valid_i (queue_valid),
      .in_ready_o (queue_ready),
      .in_data_i  (skip_data_i),
      .out_valid_o(skip_valid),
      .out_ready_i(skip_ready),
      .out_data_o (skip_data)
  );

  // The next mask may come while the softmax is at the last heads of this one.
  stream_fifo #(
      .Width(BeatBits),
      .Depth(MaskBeats)
  ) u_masks (
      .clk_i,
      .rst_ni,
      .in_valid_i (waits_valid),
      .in_ready_o (waits_ready),
      .in_data_i  (skip_data_i),
      .out_valid_o(mask_valid),
      .out_ready_i(mask_ready),
      .out_data_o (mask_data)
  );

  assign engine_rows = '{rows[RowsEngine], rows[RowsEngine+1], rows[RowsEngine+2]};
  assign end_rows = '{rows[RowsEnd], rows[RowsEnd+1]};

  attention_engine #(
      .Packed(Packed)
  ) u_engine (
      .clk_i,
      .rst_ni,
      .rows_valid_i(rows_valid[RowsEngine+:3]),
      .rows_ready_o(rows_ready[RowsEngine+:3]),
      .rows_data_i(engine_rows),
      .query_valid_i(part_valid[0]),
      .query_ready_o(part_ready[0]),
      .query_data_i(qkv_data_i),
      .key_valid_i(part_valid[1]),
      .key_ready_o(part_ready[1]),
      .key_data_i(qkv_data_i),
      .value_valid_i(part_valid[2]),
      .value_ready_o(part_ready[2]),
      .value_data_i(qkv_data_i),
      .records_valid_i(records_valid),
      .records_ready_o(records_ready),
      .records_data_i(records_data),
      .weights_valid_i(weights_valid),
      .weights_ready_o(weights_ready),
      .weights_data_i(weights_data),
      .scores_valid_o(scores_valid),
      .scores_ready_i(scores_ready),
      .scores_data_o(scores_data),
      .exponentials_valid_i(exponentials_valid),
      .exponentials_ready_o(exponentials_ready),
      .exponentials_data_i(exponentials_data),
      .scale_valid_i(scale_valid),
      .scale_ready_o(scale_ready),
      .scale_data_i(scale_data),
      .sums_valid_o(sums_valid),
      .sums_ready_i(sums_ready),
      .sums_data_o(sums_data),
      .busy_o(activity_o[2:0])
  );

  softmax u_softmax (
      .clk_i,
      .rst_ni,
      .rows_valid_i(rows_valid[RowsSoftmax]),
      .rows_ready_o(rows_ready[RowsSoftmax]),
      .rows_data_i(rows[RowsSoftmax]),
      .parameters_valid_i(section_valid[Softmax]),
      .parameters_ready_o(section_ready[Softmax]),
      .parameters_data_i,
      .mask_valid_i(mask_valid),
      .mask_ready_o(mask_ready),
      .mask_data_i(mask_data),
      .scores_valid_i(scores_valid),
      .scores_ready_o(scores_ready),
      .scores_data_i(scores_data),
      .exponentials_valid_o(exponentials_valid),
      .exponentials_ready_i(exponentials_ready),
      .exponentials_data_o(exponentials_data),
      .scale_valid_o(scale_valid),
      .scale_ready_i(scale_ready),
      .scale_reciprocal_o(scale_data.reciprocal),
      .scale_pre_shift_o(scale_data.pre_shift),
      .scale_post_shift_o(scale_data.post_shift)
  );
  assign activity_o[3] = exponentials_valid && exponentials_ready;

  norm_end #(
      .Pe(Pe),
      .Scalars(7),
      .ResidualScalars(2)
  ) u_end (
      .clk_i,
      .rst_ni,
      .rows_valid_i(rows_valid[RowsEnd+:2]),
      .rows_ready_o(rows_ready[RowsEnd+:2]),
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
      .busy_o(activity_o[4])
  );

endmodule : attention_core
