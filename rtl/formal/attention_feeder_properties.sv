/// attention_feeder: the n-th row of a job is row n of its passes, no more, no fewer, under its kind.
///
/// A tile is put in place once a pass, when it is there and the last swap has been seen; a row comes
/// again only when its sum is written; a projection after its context. A job never waits for
/// anything else. Assumed: jobs of [1, Sequence] rows, one context written for each projection.
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

    input logic [RowBits-1:0] rows_o,
    input logic projects_o,
    input feed_t feed_o,
    input logic job_ends_o,

    input logic active_q,
    input logic context_written_q,
    input job_t job_q,
    input logic [LoopBits-1:0] outer_q,
    input logic [LoopBits-1:0] inner_q,
    input logic [31:0] keys_q,
    input logic upper_q,
    input logic [RowBits-1:0] row_q,
    input logic [$clog2(operator_pkg::Turnaround)-1:0] gap_q
);

  localparam int unsigned Turnaround = operator_pkg::Turnaround;

  logic started, begins, busy_q, written_q, context_job, projection;
  job_t given_q;
  logic [7:0] length, outers, inners, planes;
  logic [7:0] row_n_q, pass_q, passes;  // rows of the pass and passes of the job that were issued
  logic [7:0] plane, ended_q;  // of the next row; rows of the pass that ended last
  logic [1:0] since_start_q, since_end_q;  // cycles since a pass began and ended, up to Turnaround
  // What was issued in the cycles before, the last one first.
  logic [  Turnaround-2:0] valid_q;
  logic [RowIndexBits-1:0] rows_q  [Turnaround-1];

  assign begins = job_valid_i && job_ready_o;
  assign context_job = given_q.kind == JobContext;
  assign projection = given_q.kind == JobProjection;
  assign length = 8'(given_q.rows);
  assign planes = context_job ? 8'd2 : 8'd1;
  assign plane = context_job && !upper_q ? 8'd1 : 8'd0;
  assign passes = outers * inners * planes;

  always_comb begin
    unique case (given_q.kind)
      JobScores: begin
        outers = (length + 8'(Pe - 1)) / 8'(Pe);
        inners = 8'(DepthTiles);
      end
      JobContext: begin
        outers = 8'(SizeTiles);
        inners = (length + 8'(Simd - 1)) / 8'(Simd);
      end
      default: begin
        outers = 8'(DepthTiles);
        inners = 8'(Tiles);
      end
    endcase
  end

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  always_ff @(posedge clk_i) begin
    if (begins) given_q <= job_data_i;
    rows_q[0] <= feed_o.row;
    for (int unsigned i = 1; i < Turnaround - 1; i++) rows_q[i] <= rows_q[i-1];
    if (!rst_ni) begin
      busy_q <= 1'b0;
      written_q <= 1'b0;
      row_n_q <= '0;
      pass_q <= '0;
      valid_q <= '0;
      since_start_q <= 2'(Turnaround);
      since_end_q <= 2'(Turnaround);
      ended_q <= 8'd1;
    end else begin
      valid_q <= {valid_q[Turnaround-3:0], feed_o.valid};
      if (begins) busy_q <= 1'b1;
      else if (job_ends_o) busy_q <= 1'b0;
      if (context_written_i) written_q <= 1'b1;
      else if (job_ends_o && projection) written_q <= 1'b0;
      if (feed_o.valid && row_n_q == '0) since_start_q <= 2'd1;
      else if (since_start_q != 2'(Turnaround)) since_start_q <= since_start_q + 2'd1;
      if (feed_o.valid && row_n_q == length - 8'd1) begin
        since_end_q <= 2'd1;
        ended_q <= length;
      end else if (since_end_q != 2'(Turnaround)) since_end_q <= since_end_q + 2'd1;
      if (begins) begin
        row_n_q <= '0;
        pass_q  <= '0;
      end else if (feed_o.valid) begin
        row_n_q <= row_n_q == length - 8'd1 ? '0 : row_n_q + 8'd1;
        pass_q  <= pass_q + 8'(row_n_q == length - 8'd1);
      end
    end
    if (job_valid_i) begin
      assume (job_data_i.rows != '0 && 32'(job_data_i.rows) <= Rows);
      assume (job_data_i.kind inside {JobScores, JobContext, JobProjection});
    end
    if (context_written_i) assume (!written_q);
    if (started) begin
      // A job is taken when the one before has given all of its rows.
      assert (job_ready_o == !busy_q);
      if (!busy_q) assert (!feed_o.valid && !job_ends_o && !projects_o);
      if (busy_q) begin
        assert (pass_q < passes && row_n_q < length);
        assert (job_ends_o == (feed_o.valid && pass_q == passes - 8'd1 &&
                               row_n_q == length - 8'd1));
        assert (rows_o == given_q.rows && projects_o == projection);
      end
      if (feed_o.valid) begin
        assert (feed_o.kind == given_q.kind && 8'(feed_o.row) == row_n_q);
        assert (pass_q == (8'(feed_o.outer) * inners + 8'(feed_o.inner)) * planes + plane);
        assert (8'(feed_o.outer) < outers && 8'(feed_o.inner) < inners);
        assert (feed_o.upper == (context_job && pass_q % 8'd2 == '0));
        // Both planes of an exponential meet one tile.
        assert (feed_o.swap == (row_n_q == '0 && pass_q % planes == '0));
        // A sum begins and ends once; a projection's reaches over depths and heads.
        if (projection) begin
          assert (feed_o.first == (given_q.first_head && feed_o.outer == '0));
          assert (feed_o.ends == (job_ends_o && given_q.last_head));
          assert (granted_i && written_q);
        end else begin
          assert (feed_o.first == (feed_o.inner == '0 && plane == '0));
          assert (feed_o.last == (8'(feed_o.inner) == inners - 8'd1 && plane == planes - 8'd1));
          assert (feed_o.ends == job_ends_o);
        end
      end
      // A tile that is there is put in place once: full_i falls within Turnaround cycles.
      if (feed_o.valid && feed_o.swap) assert (full_i && since_start_q == 2'(Turnaround));
      // A row's sum is written before it is read again.
      for (int unsigned i = 0; i < Turnaround - 1; i++) begin
        if (feed_o.valid && valid_q[i]) assert (rows_q[i] != feed_o.row);
      end
      // Nothing else holds a row back.
      if (busy_q && full_i && (!projection || (granted_i && written_q)) &&
          (row_n_q != '0 || since_end_q == 2'(Turnaround))) begin
        assert (feed_o.valid);
      end
    end
  end

  // What holds inside.
  always_ff @(posedge clk_i) begin
    if (started) begin
      assert (active_q == busy_q && context_written_q == written_q);
      if (busy_q) begin
        assert (job_q == given_q && length != '0 && length <= 8'(Rows));
        assert (given_q.kind inside {JobScores, JobContext, JobProjection});
        assert (8'(row_q) == row_n_q && 8'(outer_q) < outers && 8'(inner_q) < inners);
        assert (pass_q == (8'(outer_q) * inners + 8'(inner_q)) * planes + plane);
        assert (upper_q || context_job);
        unique case (given_q.kind)
          JobScores:  assert (keys_q == 32'(outer_q) * Pe);
          JobContext: assert (keys_q == 32'(inner_q) * Simd);
          default:    assert (keys_q == '0);
        endcase
      end else begin
        assert (row_n_q == '0 && row_q == '0);
        assert (outer_q == '0 && inner_q == '0 && keys_q == '0 && upper_q);
      end
      assert (since_start_q != '0 && since_end_q != '0);
      assert (ended_q != '0 && ended_q <= 8'(Rows));
      assert (8'(gap_q) == (ended_q + 8'(since_end_q) > 8'(Turnaround) ? '0 :
                            8'(Turnaround) + 8'd1 - ended_q - 8'(since_end_q)));
      if (row_n_q == '0)
        assert (8'(gap_q) + 8'(since_start_q) >= 8'(Turnaround));
        else assert (since_start_q == 2'(Turnaround) || 8'(since_start_q) >= row_n_q);
      // Rows of this pass are below the next one; before them came the last ones of another pass.
      if (since_end_q == 2'd1) begin
        assert (valid_q[0] && 8'(rows_q[0]) == ended_q - 8'd1 && row_n_q == '0);
        if (valid_q[1]) assert (ended_q != 8'd1 && 8'(rows_q[1]) == ended_q - 8'd2);
      end
      if (since_end_q == 2'd2) begin
        assert (valid_q[1] && 8'(rows_q[1]) == ended_q - 8'd1);
        if (valid_q[0]) assert (ended_q >= 8'(Turnaround));
      end
      for (int unsigned i = 0; i < Turnaround - 1; i++) begin
        if (valid_q[i] && 32'(since_end_q) > i + 1) begin
          assert (busy_q && 8'(rows_q[i]) < row_n_q);
        end
      end
    end
  end

endmodule : attention_feeder_properties

bind attention_feeder attention_feeder_properties u_properties (.*);
