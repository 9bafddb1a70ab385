/// Which job the matrix engine of stage 2 does next.
///
/// A projection behind its context; else a head's scores, if its query and key are whole and the last
/// scores have left; else a head's context, if its value, exponentials and records are. The choice
/// stands when it is taken: a job that waits may give way to another.
module attention_scheduler
  import attention_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // For the scores, and for context and projection.
    input  logic [        1:0] rows_valid_i,
    output logic [        1:0] rows_ready_o,
    input  logic [RowBits-1:0] rows_data_i [2],

    input logic [RowBits-1:0] query_loaded_i,
    input logic [RowBits-1:0] key_loaded_i,
    input logic [RowBits-1:0] value_loaded_i,
    input logic scores_free_i,
    input logic exponentials_full_i,
    input logic records_loaded_i,

    // To the loader, and to the feeder through a queue.
    output logic dispatch_o,
    input logic loader_ready_i,
    output kind_e job_kind_o,
    output logic [RowBits-1:0] job_rows_o,

    output logic feeder_valid_o,
    input  logic feeder_ready_i,
    output job_t feeder_job_o
);

  localparam int unsigned Heads = transfab_pkg::Heads;
  localparam int unsigned HeadBits = operator_pkg::index_bits(Heads);

  job_t job;
  logic scores_active_q, context_active_q, projects_q;
  logic [RowBits-1:0] scores_rows_q, context_rows_q;
  logic [HeadBits-1:0] scores_head_q, context_head_q;
  logic exponentials_used_q, records_used_q;
  logic scores_possible, context_possible, queue_ready;

  assign scores_possible = scores_active_q && scores_free_i &&
      query_loaded_i >= scores_rows_q && key_loaded_i >= scores_rows_q;
  assign context_possible = context_active_q && exponentials_full_i && !exponentials_used_q &&
      value_loaded_i >= context_rows_q && records_loaded_i && !records_used_q;
  assign dispatch_o = loader_ready_i && queue_ready &&
      (projects_q || scores_possible || context_possible);

  always_comb begin
    job = '{
        kind: JobContext,
        rows: context_rows_q,
        first_head: context_head_q == '0,
        last_head: context_head_q == HeadBits'(Heads - 1)
    };
    // A projection follows its context; scores go before the next head's context.
    if (projects_q) job.kind = JobProjection;
    else if (scores_possible) begin
      job.kind = JobScores;
      job.rows = scores_rows_q;
    end
  end

  assign job_kind_o = job.kind;
  assign job_rows_o = job.rows;
  assign rows_ready_o[0] = !scores_active_q;
  assign rows_ready_o[1] = !context_active_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      scores_active_q <= 1'b0;
      context_active_q <= 1'b0;
      projects_q <= 1'b0;
      scores_head_q <= '0;
      context_head_q <= '0;
      exponentials_used_q <= 1'b0;
      records_used_q <= 1'b0;
    end else begin
      if (rows_valid_i[0] && rows_ready_o[0]) begin
        scores_active_q <= 1'b1;
        scores_rows_q   <= rows_data_i[0];
      end
      if (rows_valid_i[1] && rows_ready_o[1]) begin
        context_active_q <= 1'b1;
        context_rows_q   <= rows_data_i[1];
      end
      if (!exponentials_full_i) exponentials_used_q <= 1'b0;
      if (!records_loaded_i) records_used_q <= 1'b0;
      if (dispatch_o) begin
        unique case (job.kind)
          JobScores: begin
            scores_head_q <= scores_head_q == HeadBits'(Heads - 1) ? '0 : scores_head_q + 1'b1;
            if (scores_head_q == HeadBits'(Heads - 1)) scores_active_q <= 1'b0;
          end
          JobContext: begin
            projects_q <= 1'b1;
            exponentials_used_q <= 1'b1;
            records_used_q <= 1'b1;
          end
          default: begin
            projects_q <= 1'b0;
            context_head_q <= job.last_head ? '0 : context_head_q + 1'b1;
            if (job.last_head) context_active_q <= 1'b0;
          end
        endcase
      end
    end
  end

  stream_fifo #(
      .Width($bits(job_t)),
      .Depth(2)
  ) u_jobs (
      .clk_i,
      .rst_ni,
      .in_valid_i (dispatch_o),
      .in_ready_o (queue_ready),
      .in_data_i  (job),
      .out_valid_o(feeder_valid_o),
      .out_ready_i(feeder_ready_i),
      .out_data_o (feeder_job_o)
  );

endmodule : attention_scheduler
