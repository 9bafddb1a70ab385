/// Holds the sums of all rows and channels, and adds one depth tile after the other as operands come.
///
/// The operand arrives in Blocks blocks of Block int8 channels (the last of LastBlock), S rows each in
/// whole beats; weights in the order (0, k), (1, k) ... of tiles. 27-bit sums without their bias leave
/// row by row, Tiles words of Pe lanes, once all is added. Two banks of Sequence / 2 rows hold them:
/// while a sequence of at most so many leaves, the next one is added; a longer one takes both.
module gemm_by_depth #(
    parameter int unsigned Pe = 1,
    parameter int unsigned Simd = 1,
    parameter int unsigned Channels = 1,
    parameter int unsigned Block = 1,
    parameter int unsigned Blocks = 1,
    parameter int unsigned LastBlock = 1,
    parameter bit Packed = 1'b1,
    localparam int unsigned Rows = transfab_pkg::Sequence,
    localparam int unsigned RowBits = $clog2(Rows + 1),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes,
    localparam int unsigned SumBits = transfab_pkg::AccumulatorBits
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic               rows_valid_i,
    output logic               rows_ready_o,
    input  logic [RowBits-1:0] rows_data_i,

    input  logic                operand_valid_i,
    output logic                operand_ready_o,
    input  logic [BeatBits-1:0] operand_data_i,

    input  logic                weights_valid_i,
    output logic                weights_ready_o,
    input  logic [BeatBits-1:0] weights_data_i,

    output logic                      sums_valid_o,
    input  logic                      sums_ready_i,
    output logic signed [SumBits-1:0] sums_data_o [Pe],

    output logic busy_o
);

  localparam int unsigned Tiles = operator_pkg::ceil_divide(Channels, Pe);
  localparam int unsigned DepthTiles = operator_pkg::ceil_divide(Block, Simd);
  localparam int unsigned LastDepthTiles = operator_pkg::ceil_divide(LastBlock, Simd);
  localparam int unsigned RowBeats = operator_pkg::ceil_divide(Block, transfab_pkg::BeatBytes);
  localparam int unsigned Slices = transfab_pkg::BeatBytes / Simd;
  localparam int unsigned TileBits = operator_pkg::index_bits(Tiles);
  localparam int unsigned DepthBits = operator_pkg::index_bits(DepthTiles);
  localparam int unsigned BlockBits = operator_pkg::index_bits(Blocks);
  localparam int unsigned RowBeatBits = operator_pkg::index_bits(RowBeats);
  localparam int unsigned DotBits = 16 + $clog2(Simd);
  localparam int unsigned ArrayIndexBits = operator_pkg::index_bits(operator_pkg::larger(Pe, Simd));
  localparam int unsigned IndexBits = operator_pkg::index_bits(
      operator_pkg::ceil_divide(Pe * Simd, transfab_pkg::BeatBytes)
  );
  localparam int unsigned Turnaround = operator_pkg::Turnaround;
  localparam int unsigned GapBits = $clog2(Turnaround);
  // Steps from a row's issue to the array.
  localparam int unsigned RingLatency = operator_pkg::RingLatency;
  localparam int unsigned Fed = RingLatency - 1;

  typedef struct packed {
    logic valid;
    logic swap;
    logic [DepthBits-1:0] depth;
    logic last_block;
  } step_t;

  logic active_q, granted;
  logic [RowBits-1:0] rows_q, row_q, loaded;
  logic [ TileBits-1:0] tile_q;
  logic [DepthBits-1:0] depth_q;
  logic [BlockBits-1:0] block_q;
  logic [  GapBits-1:0] gap_q;
  logic
      starts, issue, pass_ends, tile_last, depth_last, block_last, block_ends, sequence_ends, full;
  step_t step, step_q[RingLatency];
  logic [BeatBits-1:0] beat;
  logic [8*Simd-1:0] slice;
  logic write;
  logic [IndexBits-1:0] write_index;
  logic signed [DotBits-1:0] dots[Pe];

  assign starts = row_q == '0;
  assign tile_last = tile_q == TileBits'(Tiles - 1);
  assign block_last = block_q == BlockBits'(Blocks - 1);
  assign depth_last = depth_q == DepthBits'(block_last ? LastDepthTiles - 1 : DepthTiles - 1);
  assign issue = active_q && granted && row_q < loaded && (!starts || (full && gap_q == '0));
  assign pass_ends = issue && row_q == rows_q - 1'b1;
  assign block_ends = pass_ends && tile_last && depth_last;
  assign sequence_ends = block_ends && block_last;
  assign rows_ready_o = !active_q;

  assign step = '{valid: issue, swap: starts, depth: depth_q, last_block: block_last};

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      row_q <= '0;
      tile_q <= '0;
      depth_q <= '0;
      block_q <= '0;
      gap_q <= '0;
    end else begin
      if (rows_valid_i && rows_ready_o) begin
        active_q <= 1'b1;
        rows_q   <= rows_data_i;
      end
      if (issue) row_q <= pass_ends ? '0 : row_q + 1'b1;
      // Rows may pause within a pass, so the distance counts from its last one.
      if (pass_ends) gap_q <= GapBits'(32'(rows_q) < Turnaround ? Turnaround - 32'(rows_q) : 0);
      else if (gap_q != '0) gap_q <= gap_q - 1'b1;
      if (pass_ends) begin
        tile_q <= tile_last ? '0 : tile_q + 1'b1;
        if (tile_last) depth_q <= depth_last ? '0 : depth_q + 1'b1;
        if (block_ends) block_q <= block_last ? '0 : block_q + 1'b1;
        if (sequence_ends) active_q <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    step_q[0] <= step;
    for (int unsigned i = 1; i < RingLatency; i++) step_q[i] <= step_q[i-1];
    if (!rst_ni) for (int unsigned i = 0; i < RingLatency; i++) step_q[i].valid <= 1'b0;
  end

  row_ring #(
      .Rows(Rows),
      .RowBeats(RowBeats)
  ) u_operand (
      .clk_i,
      .rst_ni,
      .in_valid_i(operand_valid_i),
      .in_ready_o(operand_ready_o),
      .in_data_i(operand_data_i),
      .loaded_o(loaded),
      .read_i(issue),
      .read_row_i(row_q),
      .read_beat_i(RowBeatBits'(32'(depth_q) / Slices)),
      .read_data_o(beat),
      .release_i(block_ends),
      .release_count_i(rows_q)
  );

  tile_loader #(
      .Pe  (Pe),
      .Simd(Simd)
  ) u_loader (
      .clk_i,
      .rst_ni,
      .weights_valid_i,
      .weights_ready_o,
      .write_o(write),
      .write_index_o(write_index),
      .full_o(full),
      .swap_i(step_q[Fed].valid && step_q[Fed].swap)
  );

  assign busy_o = step_q[Fed].valid;
  // What pads a block is not read, whatever the weights beside it.
  always_comb begin
    slice = beat[8*Simd*(32'(step_q[Fed].depth)%Slices)+:8*Simd];
    if (step_q[Fed].depth == DepthBits'(DepthTiles - 1)) begin
      slice &= (8 * Simd)'({8 * (Block - (DepthTiles - 1) * Simd) {1'b1}});
    end
    if (step_q[Fed].last_block && step_q[Fed].depth == DepthBits'(LastDepthTiles - 1)) begin
      slice &= (8 * Simd)'({8 * (LastBlock - (LastDepthTiles - 1) * Simd) {1'b1}});
    end
  end

  gemm_array #(
      .Pe(Pe),
      .Simd(Simd),
      .Packed(Packed)
  ) u_array (
      .clk_i,
      .rst_ni,
      .write_beat_i(write),
      .write_row_i(1'b0),
      .write_column_i(1'b0),
      .write_index_i(ArrayIndexBits'(write_index)),
      .write_data_i(weights_data_i),
      .write_lanes_i('0),
      .row_valid_i(step_q[Fed].valid),
      .row_swap_i(step_q[Fed].swap),
      .row_i(slice),
      .sum_valid_o(),
      .sum_o(dots)
  );

  row_sums #(
      .Pe(Pe),
      .Tiles(Tiles),
      .DotBits(DotBits)
  ) u_sums (
      .clk_i,
      .rst_ni,
      .rows_i(rows_q),
      .request_i(active_q),
      .granted_o(granted),
      .step_i(issue),
      .step_row_i(row_q),
      .step_tile_i(tile_q),
      .step_first_i(block_q == '0 && depth_q == '0),
      .step_ends_i(sequence_ends),
      .dot_i(dots),
      .sums_valid_o,
      .sums_ready_i,
      .sums_data_o
  );

endmodule : gemm_by_depth
