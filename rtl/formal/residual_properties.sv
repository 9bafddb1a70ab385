/// residual: mask beats pass, then each word of sums meets one beat of skip and gives one of totals.
///
/// Totals are counted; their values are not looked at. Assumed: the skip packet is stable, rows in
/// [1, Sequence].
module residual_properties #(
    localparam int unsigned Lanes = 8 * transfab_pkg::BeatBytes / transfab_pkg::ResidualBits,
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes,
    localparam int unsigned RowsBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned RowBeats = operator_pkg::ceil_divide(transfab_pkg::Hidden, Lanes),
    localparam int unsigned WordBits = operator_pkg::index_bits(RowBeats)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic                rows_valid_i,
    input logic                rows_ready_o,
    input logic [RowsBits-1:0] rows_data_i,

    input logic sums_valid_i,
    input logic sums_ready_o,

    input logic                skip_valid_i,
    input logic                skip_ready_o,
    input logic [BeatBits-1:0] skip_data_i,

    input logic                mask_valid_o,
    input logic                mask_ready_i,
    input logic [BeatBits-1:0] mask_data_o,

    input logic               totals_valid_o,
    input logic               totals_ready_i,
    input logic signed [15:0] totals_data_o [Lanes],

    input logic [2:0] state_q,
    input logic [RowsBits-1:0] last_row_q,
    input logic [RowsBits-1:0] row_q,
    input logic [WordBits-1:0] word_q,
    input logic [7:1] valid_q
);

  localparam int unsigned BeatBytes = transfab_pkg::BeatBytes;

  logic started, skips, passes, adds;
  logic [15:0] rows_q, index_q, mask_beats, total;  // of the skip packet
  logic [15:0] owed_q;  // words of totals for what was taken
  logic [16*Lanes-1:0] totals;

  assign skips = skip_valid_i && skip_ready_o;
  assign passes = mask_valid_o && mask_ready_i;
  assign adds = sums_valid_i && sums_ready_o;
  assign mask_beats = (rows_q + 16'(BeatBytes - 1)) / 16'(BeatBytes);
  assign total = mask_beats + rows_q * 16'(RowBeats);

  always_comb for (int unsigned i = 0; i < Lanes; i++) totals[16*i+:16] = totals_data_o[i];

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_input #(
      .Width(BeatBits)
  ) u_skip (
      .clk_i,
      .started_i(started),
      .valid_i(skip_valid_i),
      .ready_i(skip_ready_o),
      .data_i(skip_data_i)
  );

  stable_output #(
      .Width(BeatBits)
  ) u_mask (
      .clk_i,
      .started_i(started),
      .valid_i(mask_valid_o),
      .ready_i(mask_ready_i),
      .data_i(mask_data_o)
  );

  stable_output #(
      .Width(16 * Lanes)
  ) u_totals (
      .clk_i,
      .started_i(started),
      .valid_i(totals_valid_o),
      .ready_i(totals_ready_i),
      .data_i(totals)
  );

  always_ff @(posedge clk_i) begin
    if (rows_valid_i && rows_ready_o) begin
      rows_q  <= 16'(rows_data_i);
      index_q <= '0;
    end else if (skips) begin
      index_q <= index_q + 1'b1;
    end
    if (!rst_ni) owed_q <= '0;
    else owed_q <= owed_q + 16'(adds) - 16'(totals_valid_o && totals_ready_i);
    if (rows_valid_i) assume (rows_data_i != '0 && 32'(rows_data_i) <= transfab_pkg::Sequence);
    if (started) begin
      // Beat n of the packet goes to the mask, or with a word of sums.
      assert (skips == (passes || adds) && !(passes && adds));
      if (passes) assert (index_q < mask_beats);
      if (adds) assert (index_q >= mask_beats && index_q < total);
      if (totals_valid_o) assert (owed_q != '0);
      // The next length when all of the packet has passed and all totals have left.
      if (rows_ready_o) assert (owed_q == '0);
      // What holds inside.
      assert (owed_q == 16'($countones(valid_q)));
      if (state_q != 3'd0) begin
        assert (rows_q == 16'(last_row_q) + 16'd1 && rows_q <= 16'(transfab_pkg::Sequence));
      end
      if (state_q == 3'd1) assert (index_q == '0);
      if (state_q == 3'd2) assert (index_q == 16'(row_q) && index_q < mask_beats && word_q == '0);
      if (state_q == 3'd3) begin
        assert (row_q <= last_row_q && 32'(word_q) < RowBeats);
        assert (index_q == mask_beats + 16'(row_q) * 16'(RowBeats) + 16'(word_q));
      end
      if (state_q == 3'd4) assert (index_q == total);
      if (state_q < 3'd3) assert (owed_q == '0);
      assert (state_q <= 3'd4);
    end
  end

endmodule : residual_properties

bind residual residual_properties u_properties (
    .state_q(state_q),
    .*
);
