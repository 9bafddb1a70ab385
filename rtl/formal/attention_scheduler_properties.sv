/// attention_scheduler: of each length Heads jobs of scores, and Heads of context with a projection
/// right behind each; every job given out reaches the feeder once, in order; its output is stable.
///
/// A job has its sequence's length and its inputs are whole; first and last heads are marked.
module attention_scheduler_properties
  import attention_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    input logic [        1:0] rows_valid_i,
    input logic [        1:0] rows_ready_o,
    input logic [RowBits-1:0] rows_data_i [2],

    input logic [RowBits-1:0] query_loaded_i,
    input logic [RowBits-1:0] key_loaded_i,
    input logic [RowBits-1:0] value_loaded_i,
    input logic scores_free_i,
    input logic exponentials_full_i,
    input logic records_loaded_i,

    input logic dispatch_o,
    input logic loader_ready_i,
    input kind_e job_kind_o,
    input logic [RowBits-1:0] job_rows_o,

    input logic feeder_valid_o,
    input logic feeder_ready_i,
    input job_t feeder_job_o,

    input job_t job,
    input logic scores_active_q,
    input logic context_active_q,
    input logic projects_q,
    input logic [RowBits-1:0] scores_rows_q,
    input logic [RowBits-1:0] context_rows_q,
    input logic [operator_pkg::index_bits(transfab_pkg::Heads)-1:0] scores_head_q,
    input logic [operator_pkg::index_bits(transfab_pkg::Heads)-1:0] context_head_q,
    input logic exponentials_used_q,
    input logic records_used_q,
    input job_t jobs[2],  // the queue
    input logic first_job,
    input logic [1:0] count
);

  localparam int unsigned Heads = transfab_pkg::Heads;

  logic started, watched;
  logic [7:0] held, ahead;
  logic [$bits(job_t)-1:0] data;
  logic [7:0] scores_left_q, context_left_q;  // heads without their job
  logic owes_q;  // the last context has no projection yet
  logic exponentials_spent_q, records_spent_q;  // by the context since they were last missing

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_output #(
      .Width($bits(job_t))
  ) u_stable (
      .clk_i,
      .started_i(started),
      .valid_i(feeder_valid_o),
      .ready_i(feeder_ready_i),
      .data_i(feeder_job_o)
  );

  watched_queue #(
      .Width($bits(job_t))
  ) u_queue (
      .clk_i,
      .rst_ni,
      .started_i(started),
      .enter_i(dispatch_o),
      .enter_data_i({job_kind_o, job_rows_o, job.first_head, job.last_head}),
      .leave_i(feeder_valid_o && feeder_ready_i),
      .leave_data_i(feeder_job_o),
      .held_o(held),
      .watched_o(watched),
      .ahead_o(ahead),
      .data_o(data)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      scores_left_q <= '0;
      context_left_q <= '0;
      owes_q <= 1'b0;
      exponentials_spent_q <= 1'b0;
      records_spent_q <= 1'b0;
    end else begin
      if (rows_valid_i[0] && rows_ready_o[0]) scores_left_q <= 8'(Heads);
      else if (dispatch_o && job_kind_o == JobScores) scores_left_q <= scores_left_q - 1'b1;
      if (rows_valid_i[1] && rows_ready_o[1]) context_left_q <= 8'(Heads);
      else if (dispatch_o && job_kind_o == JobProjection) context_left_q <= context_left_q - 1'b1;
      if (dispatch_o && job_kind_o != JobScores) owes_q <= job_kind_o == JobContext;
      exponentials_spent_q <= exponentials_full_i && exponentials_spent_q;
      records_spent_q <= records_loaded_i && records_spent_q;
      if (dispatch_o && job_kind_o == JobContext) begin
        exponentials_spent_q <= 1'b1;
        records_spent_q <= 1'b1;
      end
    end
    if (rst_ni) begin
      // The next length when all jobs of the one before are given out.
      assert (rows_ready_o == {context_left_q == '0, scores_left_q == '0});
      if (dispatch_o) begin
        assert (loader_ready_i && held < 8'd2);
        // Nothing comes between a context and its projection.
        assert ((job_kind_o == JobProjection) == owes_q);
        if (job_kind_o == JobScores) begin
          assert (scores_left_q != '0 && job_rows_o == scores_rows_q && scores_free_i);
          assert (query_loaded_i >= job_rows_o && key_loaded_i >= job_rows_o);
        end else begin
          assert (context_left_q != '0 && job_rows_o == context_rows_q);
          assert (job.first_head == (context_left_q == 8'(Heads)));
          assert (job.last_head == (context_left_q == 8'd1));
        end
        if (job_kind_o == JobContext) begin
          assert (value_loaded_i >= job_rows_o && exponentials_full_i && records_loaded_i);
          // No head's exponentials or records serve twice.
          assert (!exponentials_spent_q && !records_spent_q);
        end
      end
      // What holds inside.
      assert (exponentials_spent_q == exponentials_used_q && records_spent_q == records_used_q);
      assert (scores_active_q == (scores_left_q != '0) && scores_left_q <= 8'(Heads));
      assert (context_active_q == (context_left_q != '0) && context_left_q <= 8'(Heads));
      assert (owes_q == projects_q && (!owes_q || context_active_q));
      assert (32'(scores_head_q) == (scores_active_q ? Heads - 32'(scores_left_q) : 0));
      assert (32'(context_head_q) == (context_active_q ? Heads - 32'(context_left_q) : 0));
      assert (8'(count) == held && held <= 8'd2);
      if (watched) assert (jobs[first_job^ahead[0]] == data);
    end
  end

endmodule : attention_scheduler_properties

bind attention_scheduler attention_scheduler_properties u_properties (
    .jobs(u_jobs.memory),
    .first_job(u_jobs.read_q),
    .count(u_jobs.count_q),
    .*
);
