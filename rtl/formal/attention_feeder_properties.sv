/// attention_feeder: of each job all passes of its loops, each with all rows in order; it ends with
/// the last row of the last pass, and the next job is taken after that.
///
/// A tile is put in place with the first row of a pass, only when it is full; both planes of an
/// exponential meet one. A projection feeds only behind its context, with room for its sums.
/// Assumed: rows of a job in [1, Rows].
module attention_feeder_properties
  import attention_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    input logic job_valid_i,
    input logic job_ready_o,
    input job_t job_data_i,

    input logic full_i,
    input logic context_written_i,
    input logic granted_i,

    input feed_t feed_o,
    input logic  job_ends_o,

    input logic active_q,
    input logic context_written_q,
    input job_t job_q,
    input logic [LoopBits-1:0] outer_q,
    input logic [LoopBits-1:0] inner_q,
    input logic [31:0] keys_q,
    input logic upper_q,
    input logic [RowBits-1:0] row_q
);

  logic enter, busy_q, written_q, last_row;
  job_t current_q;
  logic [7:0] pass_q, passes, at, tiles;  // of the job; tiles: of keys, or words of keys
  logic [RowBits-1:0] rows_fed_q;

  assign enter = job_valid_i && job_ready_o;
  assign last_row = rows_fed_q == current_q.rows - 1'b1;

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o()
  );

  // Passes of the job, and where its loops stand among them.
  always_comb begin
    unique case (current_q.kind)
      JobScores: begin
        tiles = (8'(current_q.rows) + 8'(Pe - 1)) / 8'(Pe);
        passes = tiles * 8'(DepthTiles);
        at = 8'(outer_q) * 8'(DepthTiles) + 8'(inner_q);
      end
      JobContext: begin
        tiles = (8'(current_q.rows) + 8'(Simd - 1)) / 8'(Simd);
        passes = 8'(2 * SizeTiles) * tiles;
        at = (8'(outer_q) * tiles + 8'(inner_q)) * 8'd2 + 8'(!upper_q);
      end
      default: begin
        tiles = '0;
        passes = 8'(DepthTiles * Tiles);
        at = 8'(outer_q) * 8'(Tiles) + 8'(inner_q);
      end
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (enter) current_q <= job_data_i;
    if (!rst_ni) begin
      busy_q <= 1'b0;
      written_q <= 1'b0;
      pass_q <= '0;
      rows_fed_q <= '0;
    end else begin
      busy_q <= enter || (busy_q && !job_ends_o);
      // Of a context that no projection has used.
      written_q <= context_written_i ||
          (written_q && !(job_ends_o && current_q.kind == JobProjection));
      if (feed_o.valid) begin
        rows_fed_q <= last_row ? '0 : rows_fed_q + 1'b1;
        if (last_row) pass_q <= job_ends_o ? '0 : pass_q + 1'b1;
      end
    end
    if (rst_ni && job_valid_i) begin
      assume (job_data_i.rows != '0 && 32'(job_data_i.rows) <= Rows);
      assume (job_data_i.kind <= JobProjection);
    end
    if (rst_ni) begin
      assert (job_ready_o == !busy_q);
      if (feed_o.valid) begin
        assert (busy_q && feed_o.kind == current_q.kind);
        assert (32'(feed_o.row) == 32'(rows_fed_q) && pass_q < passes);
        assert (feed_o.swap == (rows_fed_q == '0 && (current_q.kind != JobContext || !pass_q[0])));
        if (feed_o.swap) assert (full_i);
        if (current_q.kind == JobProjection) assert (written_q && granted_i);
      end
      assert (job_ends_o == (feed_o.valid && last_row && pass_q == passes - 8'd1));
      // What holds inside.
      assert (busy_q == active_q && written_q == context_written_q && row_q == rows_fed_q);
      if (busy_q) begin
        assert (current_q == job_q && current_q.kind <= JobProjection);
        assert (current_q.rows != '0 && 32'(current_q.rows) <= Rows);
        assert (pass_q == at && pass_q < passes && rows_fed_q < current_q.rows);
        if (current_q.kind == JobScores) begin
          assert (8'(outer_q) < tiles && 32'(inner_q) < DepthTiles);
          assert (keys_q == 32'(outer_q) * Pe);
        end
        if (current_q.kind == JobContext) begin
          assert (32'(outer_q) < SizeTiles && 8'(inner_q) < tiles);
          assert (keys_q == 32'(inner_q) * Simd);
        end
        if (current_q.kind == JobProjection) begin
          assert (32'(outer_q) < DepthTiles && 32'(inner_q) < Tiles && keys_q == '0);
        end
        if (current_q.kind != JobContext) assert (upper_q);
      end else begin
        assert (pass_q == '0 && rows_fed_q == '0);
        assert (outer_q == '0 && inner_q == '0 && keys_q == '0 && upper_q);
      end
    end
  end

endmodule : attention_feeder_properties

bind attention_feeder attention_feeder_properties u_properties (.*);
