/// Holds all rows of an operand and finishes one tile of output channels after the other.
///
/// int8 rows of Depth in whole beats, int8 weights in the order (n, 0), (n, 1) ... of tiles, 27-bit
/// sums without their bias: the rows of tile 0, then those of tile 1 ... A row of sums leaves when it
/// is ready; the consumer grants room for a whole tile, one permit a tile, before its last pass.
/// A tile costs max(S, its beats + 3) cycles a pass. The next sequence's rows enter as the ring of
/// Sequence rows has room.
module gemm_by_channel #(
    parameter int unsigned Pe = 1,
    parameter int unsigned Simd = 1,
    parameter int unsigned Depth = 1,
    parameter int unsigned Channels = 1,
    parameter bit Packed = 1'b1,
    localparam int unsigned Rows = transfab_pkg::Sequence,
    localparam int unsigned RowBits = $clog2(Rows + 1),
    localparam int unsigned RowIndexBits = operator_pkg::index_bits(Rows),
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

    input  logic permit_valid_i,
    output logic permit_ready_o,

    output logic                           sums_valid_o,
    output logic        [RowIndexBits-1:0] sums_row_o,
    output logic                           sums_last_o,      // last row of a tile
    output logic signed [     SumBits-1:0] sums_data_o [Pe],

    output logic busy_o  // a row enters the array in this cycle
);

  localparam int unsigned Tiles = operator_pkg::ceil_divide(Channels, Pe);
  localparam int unsigned DepthTiles = operator_pkg::ceil_divide(Depth, Simd);
  localparam int unsigned RowBeats = operator_pkg::ceil_divide(Depth, transfab_pkg::BeatBytes);
  localparam int unsigned Slices = transfab_pkg::BeatBytes / Simd;
  localparam int unsigned TileBits = operator_pkg::index_bits(Tiles);
  localparam int unsigned DepthBits = operator_pkg::index_bits(DepthTiles);
  localparam int unsigned SliceBits = operator_pkg::index_bits(Slices);
  localparam int unsigned RowBeatBits = operator_pkg::index_bits(RowBeats);
  localparam int unsigned DotBits = 16 + $clog2(Simd);
  localparam int unsigned ArrayIndexBits = operator_pkg::index_bits(operator_pkg::larger(Pe, Simd));
  localparam int unsigned IndexBits = operator_pkg::index_bits(
      operator_pkg::ceil_divide(Pe * Simd, transfab_pkg::BeatBytes)
  );
  localparam int unsigned Turnaround = operator_pkg::Turnaround;
  localparam int unsigned GapBits = $clog2(Turnaround);
  // Steps from a row's issue to the array, and to the cycle before its sums.
  localparam int unsigned Fed = operator_pkg::RingLatency - 1;
  localparam int unsigned Latency = operator_pkg::RingLatency + operator_pkg::ArrayLatency - 1;

  typedef struct packed {
    logic valid;
    logic swap;
    logic first;
    logic last;
    logic row_last;
    logic [RowIndexBits-1:0] row;
    logic [SliceBits-1:0] slice;
  } step_t;

  logic active_q;
  logic [RowBits-1:0] rows_q, row_q, loaded;
  logic [ TileBits-1:0] tile_q;
  logic [DepthBits-1:0] depth_q;
  logic [  GapBits-1:0] gap_q;
  logic starts, issue, pass_ends, depth_last, sequence_ends, full;
  step_t step, step_q[Latency+2];
  logic [BeatBits-1:0] beat;
  logic [  8*Simd-1:0] slice;
  logic write, total_valid;
  logic [IndexBits-1:0] write_index;
  logic signed [DotBits-1:0] dots[Pe];

  assign rows_ready_o = !active_q;
  assign starts = row_q == '0;
  assign depth_last = depth_q == DepthBits'(DepthTiles - 1);
  assign issue = active_q && row_q < loaded &&
      (!starts || (full && gap_q == '0 && (!depth_last || permit_valid_i)));
  assign permit_ready_o = issue && starts && depth_last;
  assign pass_ends = issue && row_q == rows_q - 1'b1;
  assign sequence_ends = pass_ends && depth_last && tile_q == TileBits'(Tiles - 1);
  assign busy_o = step_q[Fed].valid;

  assign step = '{
          valid: issue,
          swap: starts,
          first: depth_q == '0,
          last: depth_last,
          row_last: pass_ends,
          row: RowIndexBits'(row_q),
          slice: SliceBits'(32'(depth_q) % Slices)
      };

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      row_q <= '0;
      tile_q <= '0;
      depth_q <= '0;
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
        depth_q <= depth_last ? '0 : depth_q + 1'b1;
        if (depth_last) tile_q <= sequence_ends ? '0 : tile_q + 1'b1;
        if (sequence_ends) active_q <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    step_q[0] <= step;
    for (int unsigned i = 1; i < Latency + 2; i++) step_q[i] <= step_q[i-1];
    if (!rst_ni) for (int unsigned i = 0; i < Latency + 2; i++) step_q[i].valid <= 1'b0;
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
      .release_i(sequence_ends),
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

  assign slice = beat[8*Simd*32'(step_q[Fed].slice)+:8*Simd];

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

  accumulator #(
      .Pe(Pe),
      .SumBits(DotBits),
      .Bits(SumBits),
      .Words(Rows)
  ) u_accumulator (
      .clk_i,
      .rst_ni,
      .next_valid_i(step_q[Latency-1].valid),
      .next_bank_i('0),
      .next_address_i(step_q[Latency-1].row),
      .next_first_i(step_q[Latency-1].first),
      .next_shift_i(1'b0),
      .sum_i(dots),
      .total_valid_o(total_valid),
      .total_o(sums_data_o),
      .read_i(1'b0),
      .read_bank_i('0),
      .read_address_i('0),
      .read_word_o()
  );

  assign sums_valid_o = total_valid && step_q[Latency+1].last;
  assign sums_row_o   = step_q[Latency+1].row;
  assign sums_last_o  = step_q[Latency+1].row_last;

endmodule : gemm_by_channel
