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

  localparam int unsigned IndexBits = operator_pkg::index_bits(operator_pkg::larger(Pe, Simd));
  localparam int unsigned TileBits = operator_pkg::index_bits(Tiles);
  localparam int unsigned RowBeatBits = operator_pkg::index_bits(RowBeats);
  // Steps to the array, and to the cycle before the sums.
  localparam int unsigned Fed = operator_pkg::RingLatency - 1;
  localparam int unsigned Latency = operator_pkg::RingLatency + operator_pkg::ArrayLatency - 1;

  logic [RowBits-1:0] query_loaded, key_loaded, value_loaded;
  logic scores_free, exponentials_full, records_loaded, full, granted;
  logic dispatch, loader_ready, feeder_valid, feeder_ready;
  kind_e job_kind;
  logic [RowBits-1:0] job_rows, fed_rows;
  job_t feeder_job;
  feed_t feed, step_q[Latency];

  logic [BeatBits-1:0] query_beat;
  logic [Simd*ExponentialBits-1:0] exponentials;
  logic [8*Simd-1:0] context_slice, slice;
  logic write_beat, write_row, write_column;
  logic [IndexBits-1:0] write_index;
  logic [BeatBits-1:0] write_data;
  logic [8*Pe-1:0] write_lanes;
  logic signed [DotBits-1:0] dots[Pe];
  logic context_written, scale_read, projects, job_ends;
  logic [RowIndexBits-1:0] scale_row;
  scale_t scale;

  attention_scheduler u_scheduler (
      .clk_i,
      .rst_ni,
      .rows_valid_i(rows_valid_i[1:0]),
      .rows_ready_o(rows_ready_o[1:0]),
      .rows_data_i(rows_data_i[0:1]),
      .query_loaded_i(query_loaded),
      .key_loaded_i(key_loaded),
      .value_loaded_i(value_loaded),
      .scores_free_i(scores_free),
      .exponentials_full_i(exponentials_full),
      .records_loaded_i(records_loaded),
      .dispatch_o(dispatch),
      .loader_ready_i(loader_ready),
      .job_kind_o(job_kind),
      .job_rows_o(job_rows),
      .feeder_valid_o(feeder_valid),
      .feeder_ready_i(feeder_ready),
      .feeder_job_o(feeder_job)
  );

  attention_loader u_loader (
      .clk_i,
      .rst_ni,
      .job_valid_i(dispatch),
      .job_ready_o(loader_ready),
      .job_kind_i(job_kind),
      .job_rows_i(job_rows),
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

  attention_feeder u_feeder (
      .clk_i,
      .rst_ni,
      .job_valid_i(feeder_valid),
      .job_ready_o(feeder_ready),
      .job_data_i(feeder_job),
      .full_i(full),
      .context_written_i(context_written),
      .granted_i(granted),
      .rows_o(fed_rows),
      .projects_o(projects),
      .feed_o(feed),
      .job_ends_o(job_ends)
  );

  always_ff @(posedge clk_i) begin
    step_q[0] <= feed;
    for (int unsigned i = 1; i < Latency; i++) step_q[i] <= step_q[i-1];
    if (!rst_ni) for (int unsigned i = 0; i < Latency; i++) step_q[i].valid <= 1'b0;
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
      .read_i(feed.valid && feed.kind == JobScores),
      .read_row_i(RowBits'(feed.row)),
      .read_beat_i(RowBeatBits'(32'(feed.inner) / Slices)),
      .read_data_o(query_beat),
      .release_i(job_ends && feed.kind == JobScores),
      .release_count_i(fed_rows)
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
      .read_i(feed.valid && feed.kind == JobContext),
      .read_row_i(feed.row),
      .read_word_i(feed.inner),
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
      .claim_i(dispatch && job_kind == JobScores),
      .claim_rows_i(job_rows),
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
      .read_i(feed.valid && feed.kind == JobProjection),
      .read_row_i(feed.row),
      .read_tile_i(feed.outer),
      .read_data_o(context_slice)
  );

  row_sums #(
      .Pe(Pe),
      .Tiles(Tiles),
      .DotBits(DotBits)
  ) u_sums (
      .clk_i,
      .rst_ni,
      .rows_i(fed_rows),
      .request_i(projects),
      .granted_o(granted),
      .step_i(feed.valid && feed.kind == JobProjection),
      .step_row_i(RowBits'(feed.row)),
      .step_tile_i(TileBits'(feed.inner)),
      .step_first_i(feed.first),
      .step_ends_i(feed.ends),
      .dot_i(dots),
      .sums_valid_o,
      .sums_ready_i,
      .sums_data_o
  );

endmodule : attention_engine
