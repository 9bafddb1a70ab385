/// A stage that finishes its output by channel: narrow, product, lanes, order by block.
///
/// Residual packet and the stage's parameters -> blocks of Block int8 channels, S rows each. Stage 1
/// (Activation 0): 3 E channels in blocks of a head's part. Stage 3: feed-forward channels in
/// blocks of a beat. The weights are fetched so far ahead that the next sequence is narrowed while
/// the current one is finished.
module channel_stage #(
    parameter int unsigned Pe = 1,
    parameter int unsigned Simd = 1,
    parameter int unsigned Channels = 1,
    parameter int unsigned Block = 1,
    parameter bit Activation = 1'b0,
    parameter bit Packed = 1'b1,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic               rows_valid_i,
    output logic               rows_ready_o,
    input  logic [RowBits-1:0] rows_data_i,

    input  logic                hidden_valid_i,
    output logic                hidden_ready_o,
    input  logic [BeatBits-1:0] hidden_data_i,

    input  logic                parameters_valid_i,
    output logic                parameters_ready_o,
    input  logic [BeatBits-1:0] parameters_data_i,

    output logic                blocks_valid_o,
    input  logic                blocks_ready_i,
    output logic [BeatBits-1:0] blocks_data_o,
    output logic                blocks_last_o,

    output logic [1:0] activity_o  // {product, narrow}
);

  import operator_pkg::ceil_divide;

  localparam int unsigned Hidden = transfab_pkg::Hidden;
  localparam int unsigned BeatBytes = transfab_pkg::BeatBytes;
  localparam int unsigned RowIndexBits = operator_pkg::index_bits(transfab_pkg::Sequence);
  localparam int unsigned Tiles = ceil_divide(Channels, Pe);
  localparam int unsigned DepthTiles = ceil_divide(Hidden, Simd);
  localparam int unsigned TileBeats = ceil_divide(Pe * Simd, BeatBytes);
  localparam int unsigned ScalarBeats = ceil_divide(16, BeatBytes);
  localparam int unsigned TableBeats = Activation ? ceil_divide(
      2 * transfab_pkg::GeluEntries, BeatBytes
  ) : 0;
  localparam int unsigned HiddenBeats = transfab_pkg::ResidualBits == 16 ? ceil_divide(
      16 * Hidden, BeatBytes
  ) : 0;
  localparam int unsigned RecordBeats = (Activation ? 2 : 1) * ceil_divide(16 * Pe, BeatBytes);
  // Beats of a residual row: so many cycles are a row's narrowing, S of them one pass of a tile.
  localparam int unsigned ResidualBeats = ceil_divide(
      Hidden * transfab_pkg::ResidualBits / 8, BeatBytes
  );
  localparam int unsigned AheadTiles = ResidualBeats + 4;
  localparam int unsigned WeightDepth = AheadTiles * TileBeats;
  localparam int unsigned RecordDepth = ScalarBeats + TableBeats + (ceil_divide(
      AheadTiles, DepthTiles
  ) + 1) * RecordBeats;

  // Outputs of distribute.
  localparam int unsigned Narrow = 0, Records = 1, Weights = 2;
  localparam bit [7:0] ToBoth = 1 << Narrow | 1 << Records;

  logic [2:0] rows_valid, rows_ready, section_valid, section_ready;
  logic [RowBits-1:0] rows[3];
  logic records_valid, records_ready, weights_valid, weights_ready;
  logic [BeatBits-1:0] records_data, weights_data;
  logic operand_valid, operand_ready, queued_valid, queued_ready;
  logic [BeatBits-1:0] operand_data, queued_data;
  logic permit_ready, lanes_permit, order_permit;
  logic sums_valid, sums_last, lanes_valid, lanes_last;
  logic [RowIndexBits-1:0] sums_row, lanes_row;
  logic signed [26:0] sums_data [Pe];
  logic signed [ 7:0] lanes_data[Pe];

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
      .Steps(5),
      .First(3),
      .Body(2),
      .Repeat(Tiles),
      .Counts('{ScalarBeats, TableBeats, HiddenBeats, RecordBeats, DepthTiles * TileBeats, 0}),
      .Targets('{ToBoth, 1 << Records, 1 << Narrow, 1 << Records, 1 << Weights, 0})
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

  narrow u_narrow (
      .clk_i,
      .rst_ni,
      .rows_valid_i(rows_valid[0]),
      .rows_ready_o(rows_ready[0]),
      .rows_data_i(rows[0]),
      .hidden_valid_i,
      .hidden_ready_o,
      .hidden_data_i,
      .parameters_valid_i(section_valid[Narrow]),
      .parameters_ready_o(section_ready[Narrow]),
      .parameters_data_i,
      .operand_valid_o(operand_valid),
      .operand_ready_i(operand_ready),
      .operand_data_o(operand_data)
  );

  stream_fifo #(
      .Width(BeatBits)
  ) u_operand (
      .clk_i,
      .rst_ni,
      .in_valid_i (operand_valid),
      .in_ready_o (operand_ready),
      .in_data_i  (operand_data),
      .out_valid_o(queued_valid),
      .out_ready_i(queued_ready),
      .out_data_o (queued_data)
  );

  gemm_by_channel #(
      .Pe(Pe),
      .Simd(Simd),
      .Depth(Hidden),
      .Channels(Channels),
      .Packed(Packed)
  ) u_gemm (
      .clk_i,
      .rst_ni,
      .rows_valid_i(rows_valid[1]),
      .rows_ready_o(rows_ready[1]),
      .rows_data_i(rows[1]),
      .operand_valid_i(queued_valid),
      .operand_ready_o(queued_ready),
      .operand_data_i(queued_data),
      .weights_valid_i(weights_valid),
      .weights_ready_o(weights_ready),
      .weights_data_i(weights_data),
      .permit_valid_i(lanes_permit && order_permit),
      .permit_ready_o(permit_ready),
      .sums_valid_o(sums_valid),
      .sums_row_o(sums_row),
      .sums_last_o(sums_last),
      .sums_data_o(sums_data),
      .busy_o(activity_o[1])
  );
  assign activity_o[0] = operand_valid && operand_ready;

  channel_lanes #(
      .Pe(Pe),
      .Channels(Channels),
      .Block(Block),
      .Activation(Activation)
  ) u_lanes (
      .clk_i,
      .rst_ni,
      .records_valid_i(records_valid),
      .records_ready_o(records_ready),
      .records_data_i(records_data),
      .permit_valid_o(lanes_permit),
      .permit_ready_i(permit_ready),
      .sums_valid_i(sums_valid),
      .sums_row_i(sums_row),
      .sums_last_i(sums_last),
      .sums_data_i(sums_data),
      .lanes_valid_o(lanes_valid),
      .lanes_row_o(lanes_row),
      .lanes_last_o(lanes_last),
      .lanes_data_o(lanes_data)
  );

  block_order #(
      .Pe(Pe),
      .Block(Block),
      .Channels(Channels)
  ) u_order (
      .clk_i,
      .rst_ni,
      .rows_valid_i(rows_valid[2]),
      .rows_ready_o(rows_ready[2]),
      .rows_data_i(rows[2]),
      .permit_valid_o(order_permit),
      .permit_ready_i(permit_ready),
      .lanes_valid_i(lanes_valid),
      .lanes_row_i(lanes_row),
      .lanes_last_i(lanes_last),
      .lanes_data_i(lanes_data),
      .blocks_valid_o,
      .blocks_ready_i,
      .blocks_data_o,
      .blocks_last_o
  );

endmodule : channel_stage
