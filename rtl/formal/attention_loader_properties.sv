/// attention_loader: a job's tiles one after the other, each filled once, whole when it is full.
///
/// Each row, column and beat of a tile is written once, in order, with what it must hold, and nothing
/// is written while the tile waits to be put in place. Each beat of weights is written as it is
/// taken. Rows are read while they are held, and released behind the last read of their job. The
/// properties of row_ring are bound, too. Assumed: jobs of [1, Sequence] rows, all of them loaded; a
/// swap only of a full tile. For rows of two beats.
module attention_loader_properties
  import attention_pkg::*;
#(
    parameter int unsigned IndexBits = 1,
    parameter int unsigned TileBeats = 1,
    parameter int unsigned RowBeatBits = 1,
    localparam int unsigned StepBits = 6 + IndexBits + LoopBits
) (
    input logic clk_i,
    input logic rst_ni,

    input logic                job_valid_i,
    input logic                job_ready_o,
    input kind_e               job_kind_i,
    input logic  [RowBits-1:0] job_rows_i,

    input logic [RowBits-1:0] key_loaded_o,
    input logic [RowBits-1:0] value_loaded_o,

    input logic                weights_valid_i,
    input logic                weights_ready_o,
    input logic [BeatBits-1:0] weights_data_i,

    input logic write_beat_o,
    input logic write_row_o,
    input logic write_column_o,
    input logic [IndexBits-1:0] write_index_o,
    input logic [BeatBits-1:0] write_data_o,
    input logic [8*Pe-1:0] write_lanes_o,

    input logic full_o,
    input logic swap_i,

    input logic active_q,
    input logic filling_q,
    input kind_e kind_q,
    input logic [RowBits-1:0] rows_q,
    input logic [LoopBits-1:0] outer_q,
    input logic [LoopBits-1:0] inner_q,
    input logic [31:0] keys_q,
    input logic [IndexBits-1:0] index_q,
    input logic [RowBeatBits-1:0] beat_q,
    input logic [StepBits-1:0] step_q[2],  // {valid, kind, in_rows, row_last, tile_last, ...}
    // Reads and releases of the keys' ring and the values'.
    input logic [1:0] reads,
    input logic [RowBits-1:0] read_row[2],
    input logic [RowBeatBits-1:0] read_beat[2],
    input logic [1:0] releases,
    input logic [RowBits-1:0] released[2],
    input logic [BeatBits-1:0] key_beat,
    input logic [BeatBits-1:0] value_beat,
    input logic [BeatBits-1:0] last_beat  // of values, before this one
);

  // To be written when its beat has come out of the ring.
  typedef struct packed {
    logic valid;
    kind_e kind;
    logic [7:0] outer, inner, index, beat;
    logic in_rows, row_last, tile_last;
  } due_t;

  logic started, begins, busy_q, take, writes, tile_done, job_done, scores, contexts;
  kind_e given_q;
  logic [7:0] length_q, key_tiles, key_words, outers, inners, size, beats;
  // The step that comes next of the job, and writes of the tile that is filled.
  logic [7:0] outer_n_q, inner_n_q, index_n_q, beat_n_q, written_q;
  logic moves, whole_q;
  logic [1:0] ending;
  kind_e ending_kind;
  logic [7:0] key, coming;  // key of the next step; writes that are due
  due_t next, due_1q, due_2q;
  logic [  BeatBits-1:0] first_q;  // beat of a value row
  logic [2*BeatBits-1:0] values;

  assign begins = job_valid_i && job_ready_o;
  assign take = weights_valid_i && weights_ready_o;
  assign writes = write_beat_o || write_row_o || write_column_o;
  assign moves = take || next.valid;
  assign tile_done = index_n_q == size - 8'd1 && beat_n_q == beats - 8'd1;
  assign job_done = tile_done && outer_n_q == outers - 8'd1 && inner_n_q == inners - 8'd1;
  assign key = (scores ? outer_n_q * 8'(Pe) : inner_n_q * 8'(Simd)) + index_n_q;
  assign scores = given_q == JobScores;
  assign contexts = given_q == JobContext;
  assign key_tiles = (length_q + 8'(Pe - 1)) / 8'(Pe);
  assign key_words = (length_q + 8'(Simd - 1)) / 8'(Simd);
  assign outers = scores ? key_tiles : 8'(contexts ? SizeTiles : DepthTiles);
  assign inners = contexts ? key_words : 8'(scores ? DepthTiles : Tiles);
  assign size = 8'(scores ? Pe : contexts ? Simd : TileBeats);
  assign ending = {due_2q.valid && due_2q.tile_last, due_1q.valid && due_1q.tile_last};
  assign ending_kind = ending[1] ? due_2q.kind : due_1q.kind;
  assign coming = 8'(due_1q.valid && due_1q.row_last) + 8'(due_2q.valid && due_2q.row_last);
  assign beats = contexts ? 8'(RowBeats) : 8'd1;
  assign values = {value_beat, first_q};
  assign next = '{
          valid: busy_q && given_q != JobProjection && !full_o && ending == '0,
          kind: given_q,
          outer: outer_n_q,
          inner: inner_n_q,
          index: index_n_q,
          beat: beat_n_q,
          in_rows: key < length_q,
          row_last: beat_n_q == beats - 8'd1,
          tile_last: tile_done
      };

  function automatic logic [7:0] byte_of(logic [2*BeatBits-1:0] word, logic [7:0] place);
    byte_of = '0;
    for (int unsigned i = 0; i < 2 * BeatBytes; i++) if (place == 8'(i)) byte_of = word[8*i+:8];
  endfunction

  // What the module keeps of a step.
  function automatic logic [StepBits-1:0] shown(due_t due);
    shown = {due.valid, due.kind, due.in_rows, due.row_last, due.tile_last, IndexBits'(due.index)};
    shown = {shown, LoopBits'(due.kind == JobScores ? due.inner : due.outer)};
  endfunction

  function automatic logic follows(due_t due, logic [7:0] index, logic [7:0] beat);
    return due.row_last ? index == due.index + 8'd1 && beat == '0 :
        index == due.index && beat == due.beat + 8'd1;
  endfunction

  function automatic logic sane(due_t due);
    automatic logic columns = due.kind == JobContext;
    return !due.valid || (
        due.kind inside {JobScores, JobContext} &&
        due.row_last == (due.beat == (columns ? 8'(RowBeats - 1) : 8'd0)) &&
        due.beat < 8'(RowBeats) && due.index < 8'(columns ? Simd : Pe) &&
        due.tile_last == (due.row_last && due.index == (columns ? 8'(Simd - 1) : 8'(Pe - 1))) &&
        due.inner < (columns ? 8'(KeyWords) : 8'(DepthTiles)) &&
        due.outer < (columns ? 8'(SizeTiles) : 8'(KeyTiles)));
  endfunction

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  always_ff @(posedge clk_i) begin
    if (begins) begin
      given_q  <= job_kind_i;
      length_q <= 8'(job_rows_i);
    end
    if (due_2q.valid && due_2q.beat == '0) first_q <= value_beat;
    due_1q <= next;
    due_2q <= due_1q;
    if (!rst_ni) begin
      busy_q <= 1'b0;
      outer_n_q <= '0;
      inner_n_q <= '0;
      index_n_q <= '0;
      beat_n_q <= '0;
      written_q <= '0;
      whole_q <= 1'b0;
      due_1q.valid <= 1'b0;
      due_2q.valid <= 1'b0;
    end else begin
      if (begins) busy_q <= 1'b1;
      else if (moves && job_done) busy_q <= 1'b0;
      whole_q <= whole_q ? !swap_i : writes &&
          written_q == 8'((write_beat_o ? TileBeats : write_row_o ? Pe : Simd) - 1);
      if (swap_i) written_q <= '0;
      else written_q <= written_q + 8'(writes);
      if (moves) begin
        beat_n_q <= beat_n_q == beats - 8'd1 ? '0 : beat_n_q + 8'd1;
        if (beat_n_q == beats - 8'd1) index_n_q <= tile_done ? '0 : index_n_q + 8'd1;
        if (tile_done) begin
          inner_n_q <= inner_n_q == inners - 8'd1 ? '0 : inner_n_q + 8'd1;
          if (inner_n_q == inners - 8'd1) outer_n_q <= job_done ? '0 : outer_n_q + 8'd1;
        end
      end
    end
    if (job_valid_i) begin
      assume (job_rows_i != '0 && 32'(job_rows_i) <= Rows);
      assume (job_kind_i inside {JobScores, JobContext, JobProjection});
      assume (job_kind_i != JobScores || job_rows_i <= key_loaded_o);
      assume (job_kind_i != JobContext || job_rows_i <= value_loaded_o);
    end
    if (swap_i) assume (full_o);
  end

  always_ff @(posedge clk_i) begin
    if (started) begin
      assert (job_ready_o == !busy_q);
      assert (weights_ready_o == (weights_valid_i && busy_q && !scores && !contexts && !full_o &&
                                  !due_1q.valid && !due_2q.valid));
      // What is read: keys of the sequence, values of it, and what is not of it reads nothing.
      assert (reads[0] == (next.valid && scores && next.in_rows));
      assert (reads[1] == (next.valid && contexts && next.in_rows));
      for (int unsigned i = 0; i < 2; i++) if (reads[i]) assert (8'(read_row[i]) == key);
      if (reads[0]) begin
        assert (8'(read_beat[0]) == next.inner * 8'(Simd) / 8'(BeatBytes));
      end
      if (reads[1]) assert (8'(read_beat[1]) == next.beat);
      assert (releases[0] == (next.valid && scores && job_done));
      assert (releases[1] == (next.valid && contexts && job_done));
      for (int unsigned i = 0; i < 2; i++) if (releases[i]) assert (8'(released[i]) == length_q);
      // What is written, in order, once, into a tile that is not full.
      assert (write_beat_o == take);
      if (take) assert (write_data_o == weights_data_i && write_index_o == index_q);
      assert (write_row_o == (due_2q.valid && due_2q.kind == JobScores));
      assert (write_column_o == (due_2q.valid && due_2q.kind == JobContext && due_2q.row_last));
      if (writes) begin
        assert (!full_o && $countones({write_beat_o, write_row_o, write_column_o}) == 1);
        assert (8'(write_index_o) == written_q);
      end
      if (write_row_o) begin
        for (int unsigned i = 0; i < Simd; i++) begin
          assert (write_data_o[8*i+:8] ==
                  (due_2q.in_rows && due_2q.inner * 8'(Simd) + 8'(i) < 8'(HeadSize) ?
                   byte_of((2 * BeatBits)'(key_beat),
                           (due_2q.inner * 8'(Simd) + 8'(i)) % 8'(BeatBytes)) : 8'd0));
        end
      end
      if (write_column_o) begin
        for (int unsigned i = 0; i < Pe; i++) begin
          assert (write_lanes_o[8*i+:8] ==
                  (due_2q.in_rows ? byte_of(values, due_2q.outer * 8'(Pe) + 8'(i)) : 8'd0));
        end
      end
      // Full with the last one, and until it is put in place.
      assert (full_o == whole_q);
    end
  end

  // What holds inside.
  always_ff @(posedge clk_i) begin
    if (started) begin
      assert (active_q == busy_q && filling_q == (ending != '0));
      assert (8'(outer_q) == outer_n_q && 8'(inner_q) == inner_n_q);
      assert (8'(index_q) == index_n_q && 8'(beat_q) == beat_n_q);
      assert (step_q[0] == shown(due_1q) || !(due_1q.valid || step_q[0][StepBits-1]));
      assert (step_q[1] == shown(due_2q) || !(due_2q.valid || step_q[1][StepBits-1]));
      if (busy_q) begin
        assert (kind_q == given_q && 8'(rows_q) == length_q);
        assert (given_q inside {JobScores, JobContext, JobProjection});
        assert (length_q != '0 && length_q <= 8'(Rows));
        assert (outer_n_q < outers && inner_n_q < inners && index_n_q < size && beat_n_q < beats);
        if (scores) assert (8'(key_loaded_o) >= length_q);
        if (contexts) assert (8'(value_loaded_o) >= length_q);
      end else begin
        assert (outer_n_q == '0 && inner_n_q == '0 && index_n_q == '0 && beat_n_q == '0);
      end
      if (busy_q && scores)
        assert (keys_q == 32'(outer_n_q) * Pe);
        else if (busy_q && contexts)
          assert (keys_q == 32'(inner_n_q) * Simd);
          else assert (keys_q == '0);
      // Steps of a tile come one behind the other; the next tile is begun when it is in place.
      if (full_o || ending != '0) assert (index_n_q == '0 && beat_n_q == '0);
      if (full_o)
        assert (!due_1q.valid && !due_2q.valid);
        else if (ending != '0) begin
          assert (written_q + coming == (ending_kind == JobScores ? 8'(Pe) : 8'(Simd)));
        end else assert (written_q + coming == index_n_q);
      if (due_2q.valid && due_2q.tile_last) assert (!due_1q.valid);
      if (due_2q.valid && !due_2q.tile_last) begin
        assert (due_1q.valid && follows(due_2q, due_1q.index, due_1q.beat));
        assert (due_1q.kind == due_2q.kind && due_1q.outer == due_2q.outer);
        assert (due_1q.inner == due_2q.inner);
      end
      if (due_1q.valid && !due_1q.tile_last) begin
        assert (busy_q && follows(due_1q, index_n_q, beat_n_q));
        assert (due_1q.kind == given_q && due_1q.outer == outer_n_q);
        assert (due_1q.inner == inner_n_q);
      end
      if (due_1q.valid) assert (due_1q.index == written_q + 8'(due_2q.valid && due_2q.row_last));
      if (due_2q.valid) begin
        assert (due_2q.index == written_q);
        if (due_2q.kind == JobContext && due_2q.beat != '0) assert (last_beat == first_q);
      end
      if (beat_n_q != '0) assert (due_1q.valid && !due_1q.row_last);
      if (due_1q.valid && due_1q.beat != '0) assert (due_2q.valid && !due_2q.row_last);
      assert (sane(due_1q) && sane(due_2q));
    end
  end

endmodule : attention_loader_properties

bind attention_loader attention_loader_properties #(
    .IndexBits  (IndexBits),
    .TileBeats  (TileBeats),
    .RowBeatBits(RowBeatBits)
) u_properties (
    .reads({u_value.read_i, u_key.read_i}),
    .read_row({u_key.read_row_i, u_value.read_row_i}),
    .read_beat({u_key.read_beat_i, u_value.read_beat_i}),
    .releases({u_value.release_i, u_key.release_i}),
    .released({u_key.release_count_i, u_value.release_count_i}),
    .last_beat(gen_beats.value_row_q[RowBeats*BeatBits-1-:BeatBits]),
    .*
);
