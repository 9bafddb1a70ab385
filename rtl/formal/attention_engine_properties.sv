/// attention_engine: each full tile is put in place once, whole, and none is written over before.
///
/// Of the whole only how loader, feeder and array share the tile in the shadow, that a projection's
/// rows are granted and a job is dispatched to a free loader; scores and sums are stable. What the
/// parts' own proofs assume of each other is not proved here. Nothing is assumed but the reset.
module attention_engine_properties
  import attention_pkg::*;
#(
    parameter int unsigned Fed = 1,
    parameter int unsigned Latency = 1
) (
    input logic clk_i,
    input logic rst_ni,

    input logic                        scores_valid_o,
    input logic                        scores_ready_i,
    input logic signed [ScoreBits-1:0] scores_data_o [SoftmaxLanes],

    input logic                      sums_valid_o,
    input logic                      sums_ready_i,
    input logic signed [SumBits-1:0] sums_data_o [Pe],

    input logic weights_valid_i,
    input logic weights_ready_o,

    input logic dispatch,
    input logic loader_ready,
    input logic full,
    input logic granted,
    input logic write_beat,
    input logic write_row,
    input logic write_column,
    input feed_t feed,
    input feed_t step_q[Latency],

    // Of the array, the loader and the feeder.
    input logic row_valid,
    input logic row_swap,
    input logic filling,
    input logic [1:0] loading,  // steps of the loader, the last one first
    input logic [1:0] lasting,  // those that end a tile
    input logic [RowBits-1:0] row,
    input logic [$clog2(operator_pkg::Turnaround)-1:0] gap
);

  logic started, written, swapped, was_full_q, was_swapped_q;
  logic [Fed:0] swaps;
  logic [SoftmaxLanes*ScoreBits-1:0] scores;
  logic [Pe*SumBits-1:0] sums;

  assign written = write_beat || write_row || write_column;
  assign swapped = row_valid && row_swap;

  always_comb begin
    for (int unsigned i = 0; i <= Fed; i++) swaps[i] = step_q[i].valid && step_q[i].swap;
    for (int unsigned i = 0; i < SoftmaxLanes; i++) begin
      scores[ScoreBits*i+:ScoreBits] = scores_data_o[i];
    end
    for (int unsigned p = 0; p < Pe; p++) sums[SumBits*p+:SumBits] = sums_data_o[p];
  end

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_output #(
      .Width(SoftmaxLanes * ScoreBits)
  ) u_scores_stable (
      .clk_i,
      .started_i(started),
      .valid_i(scores_valid_o),
      .ready_i(scores_ready_i),
      .data_i(scores)
  );

  stable_output #(
      .Width(Pe * SumBits)
  ) u_sums_stable (
      .clk_i,
      .started_i(started),
      .valid_i(sums_valid_o),
      .ready_i(sums_ready_i),
      .data_i(sums)
  );

  always_ff @(posedge clk_i) begin
    was_full_q <= full;
    was_swapped_q <= swapped;
    if (started) begin
      // What is put in place is full; until then nothing is written into it.
      if (swapped) assert (full);
      if (full) assert (!written);
      // Full is left by the swap alone, which the array and the loader see in one cycle.
      assert (full || !was_full_q || was_swapped_q);
      if (was_swapped_q) assert (!full);
      assert ($countones(swaps) <= 1);
      if (feed.valid && feed.swap) assert (full && swaps == '0);
      assert ($countones({write_beat, write_row, write_column}) <= 1);
      assert (write_beat == (weights_valid_i && weights_ready_o));
      if (feed.valid && feed.kind == JobProjection) assert (granted);
      if (dispatch) assert (loader_ready);
      // What holds inside.
      if (swaps != '0) assert (full);
      if (swaps[0]) assert (row != '0 || gap >= 2);
      if (swaps[Fed]) assert (row != '0 || gap != '0);
      assert (filling == (lasting != '0));
      if (full || lasting[1]) assert (!loading[0]);
      if (full) assert (!loading[1]);
    end
  end

endmodule : attention_engine_properties

bind attention_engine attention_engine_properties #(
    .Fed(Fed),
    .Latency(Latency)
) u_properties (
    .row_valid(u_array.row_valid_i),
    .row_swap(u_array.row_swap_i),
    .filling(u_loader.filling_q),
    .loading({u_loader.step_q[1].valid, u_loader.step_q[0].valid}),
    .lasting({
      u_loader.step_q[1].valid && u_loader.step_q[1].tile_last,
      u_loader.step_q[0].valid && u_loader.step_q[0].tile_last
    }),
    .row(u_feeder.row_q),
    .gap(u_feeder.gap_q),
    .*
);
