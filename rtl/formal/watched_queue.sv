/// Asserts that the n-th element that leaves is the n-th that entered, unchanged, for all n.
///
/// Any one element is watched, chosen as it enters: ahead_o elements are to leave before it.
/// held_o counts the elements between. What a module must keep for this to hold is asserted by
/// its properties, in terms of these outputs. Fewer than 128 elements are inside.
module watched_queue #(
    parameter int unsigned Width = 1
) (
    input logic clk_i,
    input logic rst_ni,
    input logic started_i,

    input logic enter_i,
    input logic [Width-1:0] enter_data_i,
    input logic leave_i,
    input logic [Width-1:0] leave_data_i,

    output logic [7:0] held_o,
    output logic watched_o,
    output logic [7:0] ahead_o,
    output logic [Width-1:0] data_o
);

  logic picks;

  any_value u_picks (.value_o(picks));

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      held_o <= '0;
      watched_o <= 1'b0;
    end else begin
      held_o <= held_o + 8'(enter_i) - 8'(leave_i);
      if (watched_o && leave_i) begin
        watched_o <= ahead_o != '0;
        ahead_o   <= ahead_o - 1'b1;
      end
      if (!watched_o && enter_i && picks) begin
        watched_o <= 1'b1;
        ahead_o <= held_o - 8'(leave_i);
        data_o <= enter_data_i;
      end
    end
    if (started_i) begin
      // Nothing leaves that has not entered.
      if (leave_i) assert (held_o != '0);
      if (watched_o) assert (ahead_o < held_o);
      if (watched_o && leave_i && ahead_o == '0) assert (leave_data_i == data_o);
    end
  end

endmodule : watched_queue
