/// row_scale: of each row one scale, in order, of the sum of its words; the queue of sums has room.
///
/// Assumed: rows that have ended and whose division has not begun are fewer than Waiting when a row
/// ends. That a scale is the sum's reciprocal is proved of reciprocal.
module row_scale_properties #(
    parameter int unsigned Lanes = 1,
    parameter int unsigned Waiting = 2,
    localparam int unsigned Entry = transfab_pkg::ExponentialTableBits,
    localparam int unsigned Total = transfab_pkg::ExponentialSumBits,
    localparam int unsigned IndexBits = operator_pkg::index_bits(Waiting),
    localparam int unsigned CountBits = $clog2(Waiting + 1)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic taken_i,
    input logic row_ends_i,
    input logic [Entry-1:0] exponential_i[Lanes],
    input logic begun_o,

    input logic        scale_valid_o,
    input logic        scale_ready_i,
    input logic [16:0] scale_reciprocal_o,
    input logic [ 2:0] scale_pre_shift_o,
    input logic [ 4:0] scale_post_shift_o,

    input logic sum_valid_q,
    input logic sum_ends_q,
    input logic sum_begins_q,
    input logic total_valid_q,
    input logic [Total-1:0] sum_q,
    input logic [Total-1:0] total_q,
    input logic [Total-1:0] total,
    input logic unused_ready,
    input logic busy,
    input logic [Total-1:0] memory[Waiting],
    input logic [IndexBits-1:0] first,
    input logic [CountBits-1:0] count
);

  logic started, ends, watched;
  logic [7:0] held, ahead;
  logic [7:0] owed_q;  // rows that ended and whose scale has not left
  logic [Total-1:0] sum, row_q, added, data;  // row_q: of the words of the row that comes

  assign ends  = taken_i && row_ends_i;
  assign sum   = row_q + words_sum(exponential_i);
  assign added = sum_begins_q ? sum_q : total_q + sum_q;

  function automatic logic [Total-1:0] words_sum(logic [Entry-1:0] entry[Lanes]);
    words_sum = '0;
    for (int unsigned i = 0; i < Lanes; i++) words_sum += Total'(entry[i]);
  endfunction

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_output #(
      .Width(25)
  ) u_stable (
      .clk_i,
      .started_i(started),
      .valid_i(scale_valid_o),
      .ready_i(scale_ready_i),
      .data_i({scale_reciprocal_o, scale_pre_shift_o, scale_post_shift_o})
  );

  watched_queue #(
      .Width(Total)
  ) u_sums (
      .clk_i,
      .rst_ni,
      .started_i(started),
      .enter_i(ends),
      .enter_data_i(sum),
      .leave_i(begun_o),
      .leave_data_i(total),
      .held_o(held),
      .watched_o(watched),
      .ahead_o(ahead),
      .data_o(data)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      owed_q <= '0;
      row_q  <= '0;
    end else begin
      owed_q <= owed_q + 8'(ends) - 8'(scale_valid_o && scale_ready_i);
      if (taken_i) row_q <= row_ends_i ? '0 : sum;
    end
    if (ends) assume (held < 8'(Waiting));
    if (started) begin
      if (total_valid_q) assert (unused_ready);
      if (scale_valid_o) assert (owed_q != '0);
      // What holds inside.
      assert (held == 8'(count) + 8'(total_valid_q) + 8'(sum_ends_q) && held <= 8'(Waiting));
      assert (owed_q == held + 8'(busy) + 8'(scale_valid_o));
      assert (!sum_ends_q || sum_valid_q);
      if (sum_valid_q)
        assert (row_q == (sum_ends_q ? '0 : added));
        else assert (row_q == (sum_begins_q ? '0 : total_q));
      if (watched) begin
        if (ahead < 8'(count))
          assert (memory[(32'(first)+32'(ahead))%Waiting] == data);
          else if (ahead == 8'(count) && total_valid_q)
            assert (total_q == data);
            else assert (added == data);
      end
    end
  end

endmodule : row_scale_properties

bind row_scale row_scale_properties #(
    .Lanes  (Lanes),
    .Waiting(Waiting)
) u_properties (
    .busy  (u_reciprocal.busy_q),
    .memory(u_totals.memory),
    .first (u_totals.read_q),
    .count (u_totals.count_q),
    .*
);
