/// attention_loader: of each job all tiles of its loops; a tile is all its rows, columns or beats, each
/// written once, in order; it is full then, and nothing is written until it is put in place.
///
/// Data and the rings of key and value are not looked at. Assumed: a tile is put in place when it is
/// full; rows of a job in [1, Rows].
module attention_loader_properties
  import attention_pkg::*;
#(
    localparam int unsigned IndexBits   = operator_pkg::index_bits(operator_pkg::larger(Pe, Simd)),
    localparam int unsigned RowBeatBits = operator_pkg::index_bits(RowBeats)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic job_valid_i,
    input logic job_ready_o,
    input kind_e job_kind_i,
    input logic [RowBits-1:0] job_rows_i,

    input logic weights_valid_i,
    input logic weights_ready_o,

    input logic write_beat_o,
    input logic write_row_o,
    input logic write_column_o,
    input logic [IndexBits-1:0] write_index_o,

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
    input logic tile_ends,
    // Of the two steps to the shadow, the older one last.
    input logic [1:0] valid,
    input logic [1:0] row_last,
    input logic [1:0] tile_last,
    input kind_e kind_0,
    input kind_e kind_1,
    input logic [1:0][IndexBits-1:0] index
);

  localparam int unsigned TileBeats = operator_pkg::ceil_divide(Pe * Simd, BeatBytes);

  logic writes, full_q;
  kind_e kind_w, tile_kind_q;
  logic [7:0] written_q, needed, tile_q, tiles, at, groups;  // tile: of the job

  assign writes = write_beat_o || write_row_o || write_column_o;
  assign kind_w = write_beat_o ? JobProjection : write_row_o ? JobScores : JobContext;

  // What a tile of a kind is made of.
  function automatic logic [7:0] parts(kind_e kind);
    unique case (kind)
      JobScores: return 8'(Pe);
      JobContext: return 8'(Simd);
      default: return 8'(TileBeats);
    endcase
  endfunction

  always_comb begin
    needed = parts(kind_w);
    unique case (kind_q)
      JobScores: begin
        groups = (8'(rows_q) + 8'(Pe - 1)) / 8'(Pe);
        tiles = groups * 8'(DepthTiles);
        at = 8'(outer_q) * 8'(DepthTiles) + 8'(inner_q);
      end
      JobContext: begin
        groups = (8'(rows_q) + 8'(Simd - 1)) / 8'(Simd);
        tiles = 8'(SizeTiles) * groups;
        at = 8'(outer_q) * groups + 8'(inner_q);
      end
      default: begin
        groups = '0;
        tiles = 8'(DepthTiles * Tiles);
        at = 8'(outer_q) * 8'(Tiles) + 8'(inner_q);
      end
    endcase
  end

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o()
  );

  always_ff @(posedge clk_i) begin
    if (writes) tile_kind_q <= kind_w;
    if (!rst_ni) begin
      full_q <= 1'b0;
      written_q <= '0;
      tile_q <= '0;
    end else begin
      full_q <= (full_q && !swap_i) || (writes && written_q == needed - 8'd1);
      if (writes) written_q <= written_q == needed - 8'd1 ? '0 : written_q + 1'b1;
      if (tile_ends) tile_q <= tile_q == tiles - 8'd1 ? '0 : tile_q + 1'b1;
    end
    if (rst_ni && swap_i) assume (full_o);
    if (rst_ni && job_valid_i) begin
      assume (job_rows_i != '0 && 32'(job_rows_i) <= Rows && job_kind_i <= JobProjection);
    end
    if (rst_ni) begin
      assert (full_o == full_q);
      assert (2'(write_beat_o) + 2'(write_row_o) + 2'(write_column_o) <= 2'd1);
      assert (write_beat_o == (weights_valid_i && weights_ready_o));
      if (writes) begin
        assert (!full_q && 8'(write_index_o) == written_q && written_q < needed);
        if (written_q != '0) assert (kind_w == tile_kind_q);
      end
      // A job ends with its last tile.
      if (tile_ends) assert (active_q && tile_q < tiles);
      if (job_ready_o) assert (tile_q == '0);
      // What holds inside.
      assert (job_ready_o == !active_q && (!active_q || kind_q <= JobProjection));
      assert (tile_q == at && !(filling_q && full_q));
      if (active_q) begin
        assert (rows_q != '0 && 32'(rows_q) <= Rows && tile_q < tiles);
        assert (8'(index_q) < parts(kind_q) && 32'(beat_q) < RowBeats);
        if (kind_q != JobContext) assert (beat_q == '0);
        if (kind_q == JobScores) begin
          assert (8'(outer_q) < groups && 32'(inner_q) < DepthTiles);
          assert (keys_q == 32'(outer_q) * Pe);
        end
        if (kind_q == JobContext) begin
          assert (32'(outer_q) < SizeTiles && 8'(inner_q) < groups);
          assert (keys_q == 32'(inner_q) * Simd);
        end
        if (kind_q == JobProjection) begin
          assert (32'(outer_q) < DepthTiles && 32'(inner_q) < Tiles && keys_q == '0);
        end
      end else begin
        assert (outer_q == '0 && inner_q == '0 && keys_q == '0 && index_q == '0 && beat_q == '0);
      end
      // Rows and columns on their way: those of the tile that are read and not written.
      if (filling_q || full_q) assert (index_q == '0 && beat_q == '0);
      if (full_q) assert (valid == '0 && written_q == '0);
      if (!filling_q && !full_q) begin
        assert ((valid & tile_last) == '0);
        assert (8'(index_q) == written_q + 8'(valid[0] && row_last[0]) +
                8'(valid[1] && row_last[1]));
        if (index_q != '0 || beat_q != '0) assert (active_q);
        if (valid != '0) assert (active_q && (index_q != '0 || beat_q != '0));
        if (valid != '0) assert (kind_q != JobProjection);
        if (valid[0]) assert (kind_0 == kind_q);
        if (valid[1]) assert (kind_1 == kind_q);
        if (written_q != '0) assert (tile_kind_q == kind_q);
      end
      if (filling_q) begin
        assert (valid[0] ? tile_last == {tile_last[1], 1'b1} : (valid[1] && tile_last[1]));
        if (valid == 2'b11) assert (!tile_last[1] && kind_0 == kind_1);
        assert (parts(
            valid[0] ? kind_0 : kind_1
        ) == written_q + 8'(valid[0] && row_last[0]) + 8'(valid[1] && row_last[1]));
        if (written_q != '0) assert (tile_kind_q == (valid[0] ? kind_0 : kind_1));
      end
      if (valid[1]) assert (8'(index[1]) == written_q && (!tile_last[1] || row_last[1]));
      if (valid[0]) begin
        assert (8'(index[0]) == written_q + 8'(valid[1] && row_last[1]));
        assert (kind_0 <= JobContext && (!tile_last[0] || row_last[0]));
        if (kind_0 == JobScores) assert (row_last[0]);
      end
      if (valid[1]) assert (kind_1 <= JobContext);
      if (valid[1] && kind_1 == JobScores) assert (row_last[1]);
    end
  end

endmodule : attention_loader_properties

bind attention_loader attention_loader_properties u_properties (
    .valid({step_q[1].valid, step_q[0].valid}),
    .row_last({step_q[1].row_last, step_q[0].row_last}),
    .tile_last({step_q[1].tile_last, step_q[0].tile_last}),
    .kind_0(step_q[0].kind),
    .kind_1(step_q[1].kind),
    .index({step_q[1].index, step_q[0].index}),
    .*
);
