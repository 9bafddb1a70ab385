/// gearbox: element r of a row leaves in lane r % OutLanes of the row's word r / OutLanes.
///
/// Any one element is watched: `ahead_q` words are to leave before its own. The lanes of a row's
/// last word beyond its elements are zero: the watched lane may be one of them. Assumed: total_i
/// stays from a row's first word to its last, in [1, Total].
module gearbox_properties #(
    parameter int unsigned InLanes = 1,
    parameter int unsigned OutLanes = 1,
    parameter int unsigned Width = 8,
    parameter int unsigned Total = 1,
    parameter int unsigned Unit = 1,
    parameter int unsigned Units = 1,
    localparam int unsigned TotalBits = $clog2(Total + 1),
    localparam int unsigned CountBits = $clog2(Units + 1),
    localparam int unsigned SeenBits = $clog2(Total + InLanes + 1)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic [TotalBits-1:0] total_i,

    input logic             in_valid_i,
    input logic             in_ready_o,
    input logic [Width-1:0] in_data_i [InLanes],

    input logic             out_valid_o,
    input logic             out_ready_i,
    input logic [Width-1:0] out_data_o [OutLanes],

    input logic [Units*Unit*Width-1:0] queue_q,
    input logic [CountBits-1:0] count_q,
    input logic [SeenBits-1:0] seen_q
);

  logic picks;
  logic [7:0] lane;  // of the word that comes; what it has beyond the row is padding
  logic started, enter, leave, watched_q, ends;
  logic [7:0] seen;  // elements of this row that entered
  logic [7:0] words_q;  // whole words inside of the rows before this one
  logic [7:0] ahead_q, lane_q, index, words;
  logic [Width-1:0] data_q;
  logic [7:0] total_q;
  logic [7:0] front;  // words that stand at the output
  logic [OutLanes*Width-1:0] out;

  assign enter = in_valid_i && in_ready_o;
  assign leave = out_valid_o && out_ready_i;
  assign index = seen + lane;
  assign ends  = 8'(total_i) - seen <= 8'(InLanes);
  assign words = (8'(total_i) + 8'(OutLanes - 1)) / 8'(OutLanes);
  assign front = 8'(out_valid_o);

  always_comb for (int unsigned i = 0; i < OutLanes; i++) out[Width*i+:Width] = out_data_o[i];

  any_value u_picks (.value_o(picks));

  any_value #(
      .Width(8),
      .Count(InLanes + OutLanes)
  ) u_lane (
      .value_o(lane)
  );

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_output #(
      .Width(OutLanes * Width)
  ) u_stable (
      .clk_i,
      .started_i(started),
      .valid_i(out_valid_o),
      .ready_i(out_ready_i),
      .data_i(out)
  );

  // words_q counts words of this row, too, that have left: it may be negative.
  always_ff @(posedge clk_i) begin
    total_q <= 8'(total_i);
    if (!rst_ni) begin
      words_q <= '0;
      seen <= '0;
      watched_q <= 1'b0;
    end else begin
      words_q <= words_q - 8'(leave) + (enter && ends ? words : '0);
      if (enter) seen <= ends ? '0 : seen + 8'(InLanes);
      if (watched_q && leave) begin
        watched_q <= ahead_q != '0;
        ahead_q   <= ahead_q - 1'b1;
      end
      // An element, or a lane that fills the last word of a row.
      if (!watched_q && enter && picks &&
          (ends ? index < words * 8'(OutLanes) : lane < 8'(InLanes))) begin
        watched_q <= 1'b1;
        ahead_q <= words_q + index / 8'(OutLanes) - 8'(leave);
        lane_q <= index % 8'(OutLanes);
        data_q <= index < 8'(total_i) ? in_data_i[lane] : '0;
      end
    end
    if (in_valid_i) assume (total_i != '0 && 32'(total_i) <= Total);
    if (started && seen != '0) assume (8'(total_i) == total_q);
    if (started) begin
      if (watched_q && leave && ahead_q == '0) assert (out_data_o[lane_q] == data_q);
      // A word leaves only if all of it has entered, and does when nothing holds it.
      if (out_valid_o) begin
        assert ($signed(words_q) > 0 || seen >= 8'(OutLanes) * (8'd1 - words_q));
      end
    end
  end

  // What holds inside.
  always_ff @(posedge clk_i) begin
    if (started) begin
      assert (8'(seen_q) == seen && (seen == '0 || seen < 8'(total_i)));
      assert (32'(count_q) <= Units);
      assert ($signed(words_q) >= -8'sd16 && $signed(words_q) <= 8'sd16);
      assert (8'(count_q) * 8'(Unit) + front * 8'(OutLanes) == words_q * 8'(OutLanes) + seen);
      for (int unsigned i = 0; i < Units; i++) begin
        if (i >= 32'(count_q)) assert (queue_q[Unit*Width*i+:Unit*Width] == '0);
      end
      if (watched_q) begin
        assert (lane_q < 8'(OutLanes) && ahead_q < 8'd32);
        if (front != '0 && ahead_q == '0)
          assert (out_data_o[lane_q] == data_q);
          else begin
            assert ((ahead_q - front) * 8'(OutLanes) + lane_q < 8'(count_q) * 8'(Unit));
            assert (queue_q[((ahead_q-front)*8'(OutLanes)+lane_q)*Width+:Width] == data_q);
          end
      end
    end
  end

endmodule : gearbox_properties

bind gearbox gearbox_properties #(
    .InLanes(InLanes),
    .OutLanes(OutLanes),
    .Width(Width),
    .Total(Total),
    .Unit(Unit),
    .Units(Units)
) u_properties (.*);
