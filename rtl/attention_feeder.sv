/// Feeds the rows of a job to the array, pass by pass, one row a cycle.
///
/// A pass waits for its tile; a projection for its head's context and for room for its sums. An
/// exponential passes as two planes, the upper one first, which meet one tile of values.
module attention_feeder
  import attention_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    input  logic job_valid_i,
    output logic job_ready_o,
    input  job_t job_data_i,

    input logic full_i,             // the next tile is in the shadow
    input logic context_written_i,
    input logic granted_i,          // room for the projection's sums

    output logic [RowBits-1:0] rows_o,
    output logic projects_o,
    output feed_t feed_o,
    output logic job_ends_o
);

  localparam int unsigned Turnaround = operator_pkg::Turnaround;
  localparam int unsigned GapBits = $clog2(Turnaround);

  logic active_q, context_written_q;
  job_t job_q;
  logic [LoopBits-1:0] outer_q, inner_q;
  logic [31:0] keys_q;
  logic upper_q;
  logic [RowBits-1:0] row_q;
  logic [GapBits-1:0] gap_q;
  logic starts, issue, needs_tile, plane_last, last_outer, last_inner, pass_ends;

  assign job_ready_o = !active_q;
  assign rows_o = job_q.rows;
  assign projects_o = active_q && job_q.kind == JobProjection;
  assign last_inner = inner_last(job_q.kind, inner_q, keys_q, job_q.rows);
  assign last_outer = outer_last(job_q.kind, outer_q, keys_q, job_q.rows);
  assign plane_last = job_q.kind != JobContext || !upper_q;
  assign starts = row_q == '0;
  // Both planes of an exponential meet one tile of values.
  assign needs_tile = starts && (job_q.kind != JobContext || upper_q);
  assign issue = active_q && (!starts || gap_q == '0) && (!needs_tile || full_i) &&
      (job_q.kind != JobProjection || (context_written_q && granted_i));
  assign pass_ends = issue && row_q == job_q.rows - 1'b1;
  assign job_ends_o = pass_ends && plane_last && last_inner && last_outer;

  always_comb begin
    feed_o = '{
        valid: issue,
        kind: job_q.kind,
        swap: needs_tile,
        first: inner_q == '0,
        last: last_inner,
        ends: job_ends_o,
        upper: job_q.kind == JobContext && upper_q,
        outer: outer_q,
        inner: inner_q,
        row: RowIndexBits'(row_q)
    };
    unique case (job_q.kind)
      JobScores: ;
      JobContext: begin
        feed_o.first = inner_q == '0 && upper_q;
        feed_o.last  = last_inner && !upper_q;
      end
      default: begin
        feed_o.first = job_q.first_head && outer_q == '0;
        feed_o.ends  = job_ends_o && job_q.last_head;
      end
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      outer_q <= '0;
      inner_q <= '0;
      keys_q <= '0;
      upper_q <= 1'b1;
      row_q <= '0;
      gap_q <= '0;
      context_written_q <= 1'b0;
    end else begin
      if (job_valid_i && job_ready_o) begin
        active_q <= 1'b1;
        job_q <= job_data_i;
      end
      if (issue) row_q <= pass_ends ? '0 : row_q + 1'b1;
      // Rows may pause within a pass, so the distance counts from its last one.
      if (pass_ends)
        gap_q <= GapBits'(32'(job_q.rows) < Turnaround ? Turnaround - 32'(job_q.rows) : 0);
      else if (gap_q != '0) gap_q <= gap_q - 1'b1;
      if (pass_ends && job_q.kind == JobContext) upper_q <= !upper_q;
      if (pass_ends && plane_last) begin
        inner_q <= last_inner ? '0 : inner_q + 1'b1;
        if (last_inner) outer_q <= last_outer ? '0 : outer_q + 1'b1;
        if (job_q.kind == JobScores && last_inner) keys_q <= last_outer ? '0 : keys_q + Pe;
        if (job_q.kind == JobContext) keys_q <= last_inner ? '0 : keys_q + Simd;
      end
      if (job_ends_o) active_q <= 1'b0;
      if (context_written_i) context_written_q <= 1'b1;
      else if (job_ends_o && job_q.kind == JobProjection) context_written_q <= 1'b0;
    end
  end


endmodule : attention_feeder
