/// The matrix engine of stage 2: scores, context and projection of one head after the other.
///
/// int8 query, key and value rows by head -> 22-bit scores to the softmax; 14-bit exponentials and
/// scales from it -> int8 context -> 27-bit sums of the projection, row by row after the last head.
/// One array of Pe x Simd does all products: a head's scores are made as soon as its query and key
/// are whole and the last scores have left, its context and projection when its exponentials are.
module attention_engine
  import attention_pkg::*;
#(
    parameter bit Packed = 1'b1
) (
    input logic clk_i,
    input logic rst_ni,

    // For the scores, the context and the exponentials.
    input  logic [        2:0] rows_valid_i,
    output logic [        2:0] rows_ready_o,
    input  logic [RowBits-1:0] rows_data_i [3],

    input  logic                query_valid_i,
    output logic                query_ready_o,
    input  logic [BeatBits-1:0] query_data_i,

    input  logic                key_valid_i,
    output logic                key_ready_o,
    input  logic [BeatBits-1:0] key_data_i,

    input  logic                value_valid_i,
    output logic                value_ready_o,
    input  logic [BeatBits-1:0] value_data_i,

    input  logic                records_valid_i,
    output logic                records_ready_o,
    input  logic [BeatBits-1:0] records_data_i,

    input  logic                weights_valid_i,
    output logic                weights_ready_o,
    input  logic [BeatBits-1:0] weights_data_i,

    output logic                        scores_valid_o,
    input  logic                        scores_ready_i,
    output logic signed [ScoreBits-1:0] scores_data_o [SoftmaxLanes],

    input  logic                       exponentials_valid_i,
    output logic                       exponentials_ready_o,
    input  logic [ExponentialBits-1:0] exponentials_data_i [SoftmaxLanes],

    input  logic   scale_valid_i,
    output logic   scale_ready_o,
    input  scale_t scale_data_i,

    output logic                      sums_valid_o,
    input  logic                      sums_ready_i,
    output logic signed [SumBits-1:0] sums_data_o [Pe],

    output logic [2:0] busy_o  // {projection, context, scores}: a row enters the array
);

  localparam int unsigned Heads = transfab_pkg::Heads;
  localparam int unsigned HeadBits = operator_pkg::index_bits(Heads);
  localparam int unsigned IndexBits = operator_pkg::index_bits(operator_pkg::larger(Pe, Simd));
  localparam int unsigned TileBits = operator_pkg::index_bits(Tiles);
  localparam int unsigned RowBeatBits = operator_pkg::index_bits(RowBeats);
  localparam int unsigned AddressBits = operator_pkg::index_bits(
      Tiles * operator_pkg::ceil_divide(Rows, 2)
  );
  localparam int unsigned Turnaround = operator_pkg::Turnaround;
  localparam int unsigned GapBits = $clog2(Turnaround);
  // Steps from a row's issue to the array, and to the cycle before its sums.
  localparam int unsigned Fed = operator_pkg::RingLatency - 1;
  localparam int unsigned Latency = operator_pkg::RingLatency + operator_pkg::ArrayLatency - 1;

  typedef struct packed {
    logic valid;
    kind_e kind;
    logic swap;
    logic first;
    logic last;  // the row's sum is whole
    logic ends;  // the last row of a job, of a projection only in the last head
    logic upper;  // plane
    logic [LoopBits-1:0] outer;
    logic [LoopBits-1:0] inner;
    logic [RowIndexBits-1:0] row;
    logic bank;
    logic [AddressBits-1:0] address;
  } step_t;

  // Scheduler.
  logic scores_active_q, context_active_q, projects_q;
  logic [RowBits-1:0] scores_rows_q, context_rows_q;
  logic [HeadBits-1:0] scores_head_q, context_head_q;
  logic [RowBits-1:0] query_loaded, key_loaded, value_loaded;
  logic scores_free, exponentials_full, exponentials_used_q, records_loaded, records_used_q;
  logic scores_possible, context_possible, dispatch;
  job_t job;
  logic loader_ready, feeder_ready, feeder_valid;
  job_t feeder_job;

  // Feeder.
  logic active_q, context_written_q;
  job_t job_q;
  logic [LoopBits-1:0] outer_q, inner_q;
  logic [31:0] keys_q;
  logic upper_q;
  logic [RowBits-1:0] row_q;
  logic [GapBits-1:0] gap_q;
  logic starts, issue, full, granted, needs_tile, plane_last;
  logic last_outer, last_inner, pass_ends, job_ends, sequence_ends;
  step_t step, step_q[Latency+2];

  logic [BeatBits-1:0] query_beat;
  logic [Simd*ExponentialBits-1:0] exponentials;
  logic [8*Simd-1:0] context_slice, slice;
  logic write_beat, write_row, write_column;
  logic [IndexBits-1:0] write_index;
  logic [BeatBits-1:0] write_data;
  logic [8*Pe-1:0] write_lanes;
  logic signed [DotBits-1:0] dots[Pe];
  logic context_written, scale_read, total_valid, bank, read, read_bank;
  logic [RowIndexBits-1:0] scale_row;
  scale_t scale;
  logic [AddressBits-1:0] address, read_address;
  logic [Pe*SumBits-1:0] read_word;

  // A job is given out when the loader has filled the last tile of the one before.
  assign scores_possible = scores_active_q && scores_free &&
      query_loaded >= scores_rows_q && key_loaded >= scores_rows_q;
  assign context_possible = context_active_q && exponentials_full && !exponentials_used_q &&
      value_loaded >= context_rows_q && records_loaded && !records_used_q;
  assign dispatch = loader_ready && feeder_ready &&
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
      if (!exponentials_full) exponentials_used_q <= 1'b0;
      if (!records_loaded) records_used_q <= 1'b0;
      if (dispatch) begin
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
      .in_valid_i (dispatch),
      .in_ready_o (feeder_ready),
      .in_data_i  (job),
      .out_valid_o(feeder_valid),
      .out_ready_i(!active_q),
      .out_data_o (feeder_job)
  );

  attention_loader u_loader (
      .clk_i,
      .rst_ni,
      .job_valid_i(dispatch),
      .job_ready_o(loader_ready),
      .job_kind_i(job.kind),
      .job_rows_i(job.rows),
      .key_valid_i,
      .key_ready_o,
      .key_data_i,
      .key_loaded_o(key_loaded),
      .value_valid_i,
      .value_ready_o,
      .value_data_i,
      .value_loaded_o(value_loaded),
      .weights_valid_i,
      .weights_ready_o,
      .weights_data_i,
      .write_beat_o(write_beat),
      .write_row_o(write_row),
      .write_column_o(write_column),
      .write_index_o(write_index),
      .write_data_o(write_data),
      .write_lanes_o(write_lanes),
      .full_o(full),
      .swap_i(step_q[Fed].valid && step_q[Fed].swap)
  );

  assign last_inner = inner_last(job_q.kind, inner_q, keys_q, job_q.rows);
  assign last_outer = outer_last(job_q.kind, outer_q, keys_q, job_q.rows);
  assign plane_last = job_q.kind != JobContext || !upper_q;
  assign starts = row_q == '0;
  // Both planes of an exponential meet one tile of values.
  assign needs_tile = starts && (job_q.kind != JobContext || upper_q);
  assign issue = active_q && (!starts || gap_q == '0) && (!needs_tile || full) &&
      (job_q.kind != JobProjection || (context_written_q && granted));
  assign pass_ends = issue && row_q == job_q.rows - 1'b1;
  assign job_ends = pass_ends && plane_last && last_inner && last_outer;
  assign sequence_ends = job_ends && job_q.kind == JobProjection && job_q.last_head;

  always_comb begin
    step = '{
        valid: issue,
        kind: job_q.kind,
        swap: needs_tile,
        first: inner_q == '0,
        last: last_inner,
        ends: job_ends,
        upper: job_q.kind == JobContext && upper_q,
        outer: outer_q,
        inner: inner_q,
        row: RowIndexBits'(row_q),
        bank: bank,
        address: address
    };
    unique case (job_q.kind)
      JobScores: ;
      JobContext: begin
        step.first = inner_q == '0 && upper_q;
        step.last  = last_inner && !upper_q;
      end
      default: begin
        step.first = job_q.first_head && outer_q == '0;
        step.ends  = sequence_ends;
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
      if (feeder_valid && !active_q) begin
        active_q <= 1'b1;
        job_q <= feeder_job;
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
      if (job_ends) active_q <= 1'b0;
      if (context_written) context_written_q <= 1'b1;
      else if (job_ends && job_q.kind == JobProjection) context_written_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    step_q[0] <= step;
    for (int unsigned i = 1; i < Latency + 2; i++) step_q[i] <= step_q[i-1];
    if (!rst_ni) for (int unsigned i = 0; i < Latency + 2; i++) step_q[i].valid <= 1'b0;
  end

  always_comb begin
    busy_o = '0;
    busy_o[step_q[Fed].kind] = step_q[Fed].valid;
  end

  row_ring #(
      .Rows(Rows),
      .RowBeats(RowBeats)
  ) u_query (
      .clk_i,
      .rst_ni,
      .in_valid_i(query_valid_i),
      .in_ready_o(query_ready_o),
      .in_data_i(query_data_i),
      .loaded_o(query_loaded),
      .read_i(issue && job_q.kind == JobScores),
      .read_row_i(row_q),
      .read_beat_i(RowBeatBits'(32'(inner_q) / Slices)),
      .read_data_o(query_beat),
      .release_i(job_ends && job_q.kind == JobScores),
      .release_count_i(job_q.rows)
  );

  exponential_rows u_exponentials (
      .clk_i,
      .rst_ni,
      .rows_valid_i(rows_valid_i[2]),
      .rows_ready_o(rows_ready_o[2]),
      .rows_data_i(rows_data_i[2]),
      .exponentials_valid_i,
      .exponentials_ready_o,
      .exponentials_data_i,
      .scale_valid_i,
      .scale_ready_o,
      .scale_data_i,
      .full_o(exponentials_full),
      // The scales are read until the last context is made.
      .release_i(context_written),
      .read_i(issue && job_q.kind == JobContext),
      .read_row_i(RowIndexBits'(row_q)),
      .read_word_i(inner_q),
      .read_data_o(exponentials),
      .scale_read_i(scale_read),
      .scale_row_i(scale_row),
      .scale_o(scale)
  );

  always_comb begin
    unique case (step_q[Fed].kind)
      JobScores: slice = query_beat[8*Simd*(32'(step_q[Fed].inner)%Slices)+:8*Simd];
      JobContext: begin
        for (int unsigned i = 0; i < Simd; i++) begin
          slice[8*i+:8] = {
            1'b0, exponentials[ExponentialBits*i+(step_q[Fed].upper?PlaneBits : 0)+:PlaneBits]
          };
        end
      end
      default:   slice = context_slice;
    endcase
  end

  gemm_array #(
      .Pe(Pe),
      .Simd(Simd),
      .Packed(Packed)
  ) u_array (
      .clk_i,
      .rst_ni,
      .write_beat_i(write_beat),
      .write_row_i(write_row),
      .write_column_i(write_column),
      .write_index_i(write_index),
      .write_data_i(write_data),
      .write_lanes_i(write_lanes),
      .row_valid_i(step_q[Fed].valid),
      .row_swap_i(step_q[Fed].swap),
      .row_i(slice),
      .sum_valid_o(),
      .sum_o(dots)
  );

  score_rows u_scores (
      .clk_i,
      .rst_ni,
      .claim_i(dispatch && job.kind == JobScores),
      .claim_rows_i(job.rows),
      .free_o(scores_free),
      .next_valid_i(step_q[Latency-1].valid && step_q[Latency-1].kind == JobScores),
      .next_first_i(step_q[Latency-1].first),
      .next_tile_i(step_q[Latency-1].outer),
      .next_row_i(step_q[Latency-1].row),
      .next_ends_i(step_q[Latency-1].ends),
      .sum_i(dots),
      .scores_valid_o,
      .scores_ready_i,
      .scores_data_o
  );

  context_rows u_context (
      .clk_i,
      .rst_ni,
      .records_valid_i,
      .records_ready_o,
      .records_data_i,
      .loaded_o(records_loaded),
      .written_o(context_written),
      .next_valid_i(step_q[Latency-1].valid && step_q[Latency-1].kind == JobContext),
      .next_first_i(step_q[Latency-1].first),
      .next_plane_i(step_q[Latency-1].upper),
      .next_last_i(step_q[Latency-1].last),
      .next_ends_i(step_q[Latency-1].ends),
      .next_tile_i(step_q[Latency-1].outer),
      .next_row_i(step_q[Latency-1].row),
      .sum_i(dots),
      .scale_read_o(scale_read),
      .scale_row_o(scale_row),
      .scale_i(scale),
      .read_i(issue && job_q.kind == JobProjection),
      .read_row_i(RowIndexBits'(row_q)),
      .read_tile_i(outer_q),
      .read_data_o(context_slice)
  );

  accumulator #(
      .Pe(Pe),
      .SumBits(DotBits),
      .Bits(SumBits),
      .Words(Tiles * operator_pkg::ceil_divide(Rows, 2)),
      .Banks(2)
  ) u_sums (
      .clk_i,
      .rst_ni,
      .next_valid_i(step_q[Latency-1].valid && step_q[Latency-1].kind == JobProjection),
      .next_bank_i(step_q[Latency-1].bank),
      .next_address_i(step_q[Latency-1].address),
      .next_first_i(step_q[Latency-1].first),
      .next_shift_i(1'b0),
      .sum_i(dots),
      .total_valid_o(total_valid),
      .total_o(),
      .read_i(read),
      .read_bank_i(read_bank),
      .read_address_i(read_address),
      .read_word_o(read_word)
  );

  sum_banks #(
      .Pe(Pe),
      .Tiles(Tiles),
      .SumBits(SumBits)
  ) u_banks (
      .clk_i,
      .rst_ni,
      .rows_i(job_q.rows),
      .request_i(active_q && job_q.kind == JobProjection),
      .granted_o(granted),
      .row_i(row_q),
      .tile_i(TileBits'(inner_q)),
      .bank_o(bank),
      .address_o(address),
      .sequence_ends_i(sequence_ends),
      .written_i(total_valid && step_q[Latency+1].ends),
      .read_o(read),
      .read_bank_o(read_bank),
      .read_address_o(read_address),
      .read_word_i(read_word),
      .sums_valid_o,
      .sums_ready_i,
      .sums_data_o
  );

endmodule : attention_engine
