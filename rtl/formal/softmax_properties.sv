/// softmax: a word of exponentials for each word read; the queue of row sums never overflows.
///
/// Outputs are stable; words are counted, their values are not looked at.
module softmax_properties #(
    parameter  int unsigned Latency = 1,
    localparam int unsigned Lanes   = operator_pkg::smaller(8, transfab_pkg::AttentionSimd),
    localparam int unsigned Waiting = 8
) (
    input logic clk_i,
    input logic rst_ni,

    input logic        exponentials_valid_o,
    input logic        exponentials_ready_i,
    input logic [13:0] exponentials_data_o [Lanes],

    input logic        scale_valid_o,
    input logic        scale_ready_i,
    input logic [16:0] scale_reciprocal_o,
    input logic [ 2:0] scale_pre_shift_o,
    input logic [ 4:0] scale_post_shift_o,

    input logic read,
    input logic out_row_ends,
    input logic [$clog2(Waiting + 1) - 1:0] waiting_q,
    input logic [Latency:1] valid_q,
    input logic [Latency:1] ends_q,
    input logic sum_ends,
    input logic total_valid,
    input logic totals_ready,
    input logic [$clog2(Waiting + 1) - 1:0] totals
);

  logic started;
  logic [14*Lanes-1:0] words;
  logic [7:0] owed_q;  // words read and not taken

  always_comb begin
    for (int unsigned i = 0; i < Lanes; i++) words[14*i+:14] = exponentials_data_o[i];
  end

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_output #(
      .Width(14 * Lanes)
  ) u_exponentials (
      .clk_i,
      .started_i(started),
      .valid_i(exponentials_valid_o),
      .ready_i(exponentials_ready_i),
      .data_i(words)
  );

  stable_output #(
      .Width(25)
  ) u_scale (
      .clk_i,
      .started_i(started),
      .valid_i(scale_valid_o),
      .ready_i(scale_ready_i),
      .data_i({scale_reciprocal_o, scale_pre_shift_o, scale_post_shift_o})
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) owed_q <= '0;
    else owed_q <= owed_q + 8'(read) - 8'(exponentials_valid_o && exponentials_ready_i);
    if (started) begin
      if (exponentials_valid_o) assert (owed_q != '0);
      if (total_valid) assert (totals_ready);
      if (read && out_row_ends) assert (32'(waiting_q) < Waiting);
      // What holds inside.
      assert (owed_q == 8'($countones(valid_q)));
      assert (32'(waiting_q) <= Waiting);
      assert (8'(waiting_q) == 8'($countones(
          valid_q & ends_q
      )) + 8'(sum_ends) + 8'(total_valid) + 8'(totals));
    end
  end

endmodule : softmax_properties

bind softmax softmax_properties #(
    .Latency(Latency)
) u_properties (
    .sum_ends(u_row_scale.sum_ends_q),
    .total_valid(u_row_scale.total_valid_q),
    .totals_ready(u_row_scale.unused_ready),
    .totals(u_row_scale.u_totals.count_q),
    .*
);
