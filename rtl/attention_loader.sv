/// Fills the shadow of the attention engine, tile by tile of its jobs: rows of key, columns of value,
/// beats of projection weights.
///
/// Keys beyond the sequence and depth beyond the head are zero. Key and value rows are held until
/// the last tile of their job is filled. One row, column or beat a cycle.
module attention_loader
  import attention_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    input logic job_valid_i,
    output logic job_ready_o,
    input kind_e job_kind_i,
    input logic [RowBits-1:0] job_rows_i,

    input  logic                key_valid_i,
    output logic                key_ready_o,
    input  logic [BeatBits-1:0] key_data_i,
    output logic [ RowBits-1:0] key_loaded_o,

    input  logic                value_valid_i,
    output logic                value_ready_o,
    input  logic [BeatBits-1:0] value_data_i,
    output logic [ RowBits-1:0] value_loaded_o,

    input  logic                weights_valid_i,
    output logic                weights_ready_o,
    input  logic [BeatBits-1:0] weights_data_i,

    output logic write_beat_o,
    output logic write_row_o,
    output logic write_column_o,
    output logic [operator_pkg::index_bits(operator_pkg::larger(Pe, Simd))-1:0] write_index_o,
    output logic [BeatBits-1:0] write_data_o,
    output logic [8*Pe-1:0] write_lanes_o,

    output logic full_o,
    input  logic swap_i
);

  localparam int unsigned IndexBits = operator_pkg::index_bits(operator_pkg::larger(Pe, Simd));
  localparam int unsigned TileBeats = operator_pkg::ceil_divide(Pe * Simd, BeatBytes);
  localparam int unsigned RowBeatBits = operator_pkg::index_bits(RowBeats);
  localparam int unsigned Latency = operator_pkg::RingLatency;

  typedef struct packed {
    logic                 valid;
    kind_e                kind;
    logic                 in_rows;    // of the sequence
    logic                 row_last;   // the last beat of a row
    logic                 tile_last;  // what ends the tile
    logic [IndexBits-1:0] index;
    logic [LoopBits-1:0]  tile;       // of channels, or of depth
  } step_t;

  logic active_q, filling_q;
  kind_e kind_q;
  logic [RowBits-1:0] rows_q;
  logic [LoopBits-1:0] outer_q, inner_q;
  logic [31:0] keys_q;  // first key of the tile
  logic [IndexBits-1:0] index_q;
  logic [RowBeatBits-1:0] beat_q;
  logic issue, index_last, row_last, tile_ends, job_ends, in_rows, last_inner, last_outer;
  logic [31:0] row;
  step_t step, step_q[Latency];
  logic [BeatBits-1:0] key_beat, value_beat, key_slice;
  logic [RowBeats*BeatBits-1:0] value_row;

  assign job_ready_o = !active_q;
  assign last_inner  = inner_last(kind_q, inner_q, keys_q, rows_q);
  assign last_outer  = outer_last(kind_q, outer_q, keys_q, rows_q);

  always_comb begin
    unique case (kind_q)
      JobScores: index_last = index_q == IndexBits'(Pe - 1);
      JobContext: index_last = index_q == IndexBits'(Simd - 1);
      default: index_last = index_q == IndexBits'(TileBeats - 1);
    endcase
  end
  // One tile at a time: the next is begun when the shadow has been put in place.
  assign issue = active_q && !filling_q && !full_o && (kind_q != JobProjection || weights_valid_i);
  assign weights_ready_o = issue && kind_q == JobProjection;
  assign row = keys_q + 32'(index_q);
  assign in_rows = row < 32'(rows_q);
  assign row_last = kind_q != JobContext || beat_q == RowBeatBits'(RowBeats - 1);
  assign tile_ends = issue && index_last && row_last;
  assign job_ends = tile_ends && last_inner && last_outer;

  assign step = '{
          valid: issue && kind_q != JobProjection,
          kind: kind_q,
          in_rows: in_rows,
          row_last: row_last,
          tile_last: tile_ends,
          index: index_q,
          tile: kind_q == JobScores ? inner_q : outer_q
      };

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      active_q  <= 1'b0;
      filling_q <= 1'b0;
      full_o    <= 1'b0;
      outer_q   <= '0;
      inner_q   <= '0;
      keys_q    <= '0;
      index_q   <= '0;
      beat_q    <= '0;
    end else begin
      if (job_valid_i && job_ready_o) begin
        active_q <= 1'b1;
        kind_q   <= job_kind_i;
        rows_q   <= job_rows_i;
      end
      if (issue) begin
        beat_q <= row_last ? '0 : beat_q + 1'b1;
        if (row_last) index_q <= index_last ? '0 : index_q + 1'b1;
      end
      if (tile_ends) begin
        inner_q <= last_inner ? '0 : inner_q + 1'b1;
        if (last_inner) outer_q <= last_outer ? '0 : outer_q + 1'b1;
        if (kind_q == JobScores && last_inner) keys_q <= last_outer ? '0 : keys_q + Pe;
        if (kind_q == JobContext) keys_q <= last_inner ? '0 : keys_q + Simd;
        if (job_ends) active_q <= 1'b0;
      end
      // A tile out of the rings is whole when its last read has arrived.
      if (tile_ends && kind_q != JobProjection) filling_q <= 1'b1;
      if (step_q[Latency-1].valid && step_q[Latency-1].tile_last) filling_q <= 1'b0;
      if ((tile_ends && kind_q == JobProjection) ||
          (step_q[Latency-1].valid && step_q[Latency-1].tile_last)) begin
        full_o <= 1'b1;
      end else if (swap_i) full_o <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    step_q[0] <= step;
    for (int unsigned i = 1; i < Latency; i++) step_q[i] <= step_q[i-1];
    if (!rst_ni) for (int unsigned i = 0; i < Latency; i++) step_q[i].valid <= 1'b0;
  end

  row_ring #(
      .Rows(Rows),
      .RowBeats(RowBeats)
  ) u_key (
      .clk_i,
      .rst_ni,
      .in_valid_i(key_valid_i),
      .in_ready_o(key_ready_o),
      .in_data_i(key_data_i),
      .loaded_o(key_loaded_o),
      .read_i(issue && kind_q == JobScores && in_rows),
      .read_row_i(RowBits'(row)),
      .read_beat_i(RowBeatBits'(32'(inner_q) / Slices)),
      .read_data_o(key_beat),
      .release_i(job_ends && kind_q == JobScores),
      .release_count_i(rows_q)
  );

  row_ring #(
      .Rows(Rows),
      .RowBeats(RowBeats)
  ) u_value (
      .clk_i,
      .rst_ni,
      .in_valid_i(value_valid_i),
      .in_ready_o(value_ready_o),
      .in_data_i(value_data_i),
      .loaded_o(value_loaded_o),
      .read_i(issue && kind_q == JobContext && in_rows),
      .read_row_i(RowBits'(row)),
      .read_beat_i(beat_q),
      .read_data_o(value_beat),
      .release_i(job_ends && kind_q == JobContext),
      .release_count_i(rows_q)
  );

  // Beats of a row come lowest first: shifted down, the last one stands on top.
  if (RowBeats == 1) begin : gen_one_beat
    assign value_row = value_beat;
  end else begin : gen_beats
    logic [RowBeats*BeatBits-1:0] value_row_q;

    always_ff @(posedge clk_i) begin
      if (step_q[Latency-1].valid && step_q[Latency-1].kind == JobContext) value_row_q <= value_row;
    end
    assign value_row = {value_beat, value_row_q[RowBeats*BeatBits-1:BeatBits]};
  end

  assign write_row_o = step_q[Latency-1].valid && step_q[Latency-1].kind == JobScores;
  assign write_column_o = step_q[Latency-1].valid && step_q[Latency-1].kind == JobContext &&
      step_q[Latency-1].row_last;
  assign write_beat_o = weights_valid_i && weights_ready_o;
  assign write_index_o = write_beat_o ? index_q : step_q[Latency-1].index;

  always_comb begin
    key_slice = BeatBits'(key_beat[8*Simd*(32'(step_q[Latency-1].tile)%Slices)+:8*Simd]);
    if (step_q[Latency-1].tile == LoopBits'(DepthTiles - 1)) begin
      key_slice &= BeatBits'({8 * (HeadSize - (DepthTiles - 1) * Simd) {1'b1}});
    end
    if (write_beat_o) write_data_o = weights_data_i;
    else write_data_o = step_q[Latency-1].in_rows ? key_slice : '0;
    write_lanes_o = '0;
    if (step_q[Latency-1].in_rows) begin
      write_lanes_o = (8 * Pe)'(value_row >> 8 * Pe * 32'(step_q[Latency-1].tile));
    end
  end

endmodule : attention_loader
