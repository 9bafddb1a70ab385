/// score_rows: of a head its rows of words leave once, in order; then it is free; scores stable.
///
/// The properties of gearbox are bound, too. Assumed: a claim while free, of rows in [1, Sequence];
/// sums of a head from its claim to the one that ends it.
module score_rows_properties
  import attention_pkg::*;
#(
    parameter  int unsigned AddressBits = 1,
    localparam int unsigned Width       = Pe * ScoreBits
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               claim_i,
    input logic [RowBits-1:0] claim_rows_i,
    input logic               free_o,

    input logic next_valid_i,
    input logic next_ends_i,

    input logic scores_valid_o,
    input logic scores_ready_i,

    input logic [RowBits-1:0] rows_q,
    input logic total_valid,
    input logic sum_valid,
    input logic read_bank,
    input logic [1:0] ends_q,
    input logic reading_q,
    input logic read,
    input logic [AddressBits-1:0] read_address,
    input logic word_valid_q,
    input logic row_valid_q,
    input logic row_ready,
    input logic [RowIndexBits-1:0] row_q,
    input logic [RowIndexBits-1:0] out_row_q,
    input logic [LoopBits-1:0] tile_q,
    input logic [31:0] keys_q,
    input logic [31:0] out_keys_q,
    input logic [Width-1:0] word,
    input logic [ScoreBits-1:0] row_lanes_q[Pe],

    // In units of the gearbox's queue.
    input logic [7:0] queued,
    input logic [7:0] unit_size,
    input logic [7:0] seen
);

  logic started, read_q, enters, leaves, summing_q, watched;
  logic [7:0] length_q, in_words, out_words;  // rows, words of a row
  logic [7:0] read_rows_q, in_rows_q, in_words_q, out_rows_q, out_words_q;
  logic [7:0] stored;  // words of whole rows in the gearbox, less those of a part that left
  logic [7:0] held, ahead;
  logic [Width-1:0] lanes, data;

  assign enters = row_valid_q && row_ready;
  assign leaves = scores_valid_o && scores_ready_i;
  assign in_words = (length_q + 8'(Pe - 1)) / 8'(Pe);
  assign out_words = (length_q + 8'(SoftmaxLanes - 1)) / 8'(SoftmaxLanes);
  assign stored = (in_rows_q - out_rows_q) * out_words - out_words_q;

  always_comb for (int unsigned p = 0; p < Pe; p++) lanes[ScoreBits*p+:ScoreBits] = row_lanes_q[p];

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  // Words from the memory to the gearbox, in order.
  watched_queue #(
      .Width(Width)
  ) u_words (
      .clk_i,
      .rst_ni,
      .started_i(started),
      .enter_i(read_q),
      .enter_data_i(word),
      .leave_i(enters),
      .leave_data_i(lanes),
      .held_o(held),
      .watched_o(watched),
      .ahead_o(ahead),
      .data_o(data)
  );

  always_ff @(posedge clk_i) begin
    if (claim_i) length_q <= 8'(claim_rows_i);
    if (!rst_ni) begin
      read_q <= 1'b0;
      summing_q <= 1'b0;
    end else begin
      read_q <= read;
      if (claim_i) summing_q <= 1'b1;
      else if (next_valid_i && next_ends_i) summing_q <= 1'b0;
    end
    if (!rst_ni || free_o) begin
      read_rows_q <= '0;
      in_rows_q   <= '0;
      in_words_q  <= '0;
      out_rows_q  <= '0;
      out_words_q <= '0;
    end else begin
      if (read && 8'(tile_q) == in_words - 8'd1) read_rows_q <= read_rows_q + 8'd1;
      if (enters) begin
        in_words_q <= in_words_q == in_words - 8'd1 ? '0 : in_words_q + 8'd1;
        in_rows_q  <= in_rows_q + 8'(in_words_q == in_words - 8'd1);
      end
      if (leaves) begin
        out_words_q <= out_words_q == out_words - 8'd1 ? '0 : out_words_q + 8'd1;
        out_rows_q  <= out_rows_q + 8'(out_words_q == out_words - 8'd1);
      end
    end
    if (claim_i) assume (free_o && claim_rows_i != '0 && 32'(claim_rows_i) <= Rows);
    if (next_valid_i) assume (summing_q);
    if (started) begin
      // Read when all is added, row by row, each word once.
      if (read) begin
        assert (!summing_q && !sum_valid && !total_valid && read_rows_q < length_q);
        assert (32'(read_address) == 32'(tile_q) * Rows + 32'(read_rows_q));
      end
      if (leaves) assert (out_rows_q < length_q);
      // Free when all words have left and nothing is under way.
      if (free_o) begin
        assert (!scores_valid_o && !word_valid_q && !row_valid_q && !reading_q && !summing_q);
        assert (queued == '0 && !sum_valid && !total_valid);
        assert (out_rows_q == in_rows_q && in_rows_q == read_rows_q);
        assert (out_rows_q == '0 || out_rows_q == length_q);
      end
    end
  end

  // What holds inside.
  always_ff @(posedge clk_i) begin
    if (started) begin
      assert (8'(free_o) + 8'(summing_q) + 8'(ends_q[0]) + 8'(ends_q[1]) <= 8'd1);
      assert (!ends_q[0] || sum_valid);
      assert (!ends_q[1] || (total_valid && !sum_valid));
      if ((sum_valid || total_valid) && !summing_q) assert (ends_q != '0);
      if (summing_q || ends_q != '0) begin
        assert (!reading_q && read_rows_q == '0 && queued == '0 && !scores_valid_o);
      end
      if (reading_q) assert (!free_o && !summing_q && ends_q == '0);
      if (!free_o) begin
        assert (length_q == 8'(rows_q) && length_q != '0 && length_q <= 8'(Rows));
        if (!reading_q && !summing_q && ends_q == '0) assert (read_rows_q == length_q);
        assert (read_rows_q <= length_q && in_rows_q <= length_q && out_rows_q < length_q);
        assert (in_words_q < in_words && out_words_q < out_words && 8'(tile_q) < in_words);
        assert (out_row_q == RowIndexBits'(out_rows_q));
        assert (out_keys_q == 32'(out_words_q) * SoftmaxLanes);
        assert (read_rows_q * in_words + 8'(tile_q) ==
                in_rows_q * in_words + in_words_q + 8'(word_valid_q) + 8'(row_valid_q));
        assert (queued * unit_size + 8'(scores_valid_o) * 8'(SoftmaxLanes) ==
                stored * 8'(SoftmaxLanes) + in_words_q * 8'(Pe));
        assert (seen == in_words_q * 8'(Pe));
      end else begin
        assert (out_row_q == '0 && out_keys_q == '0 && seen == '0);
      end
      assert (keys_q == 32'(tile_q) * Pe);
      if (reading_q)
        assert (8'(row_q) == read_rows_q && read_rows_q < length_q);
        else assert (row_q == '0 && tile_q == '0);
      assert (!read_q || word_valid_q);
      assert (!word_valid_q || !read_bank);
      assert (held == 8'(word_valid_q && !read_q) + 8'(row_valid_q));
      if (watched && row_valid_q && ahead == '0) assert (lanes == data);
      if (watched && !(row_valid_q && ahead == '0)) assert (word == data);
    end
  end

endmodule : score_rows_properties

bind score_rows score_rows_properties #(
    .AddressBits(AddressBits)
) u_properties (
    .sum_valid(u_accumulator.sum_valid_q),
    .read_bank(u_accumulator.read_bank_q),
    .read_address(u_accumulator.read_address_i),
    .queued(8'(u_gearbox.count_q)),
    .unit_size(8'(u_gearbox.Unit)),
    .seen(8'(u_gearbox.seen_q)),
    .*
);
