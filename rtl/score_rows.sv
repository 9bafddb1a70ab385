/// Scores of one head: added tile by tile of keys, read row by row for the softmax.
///
/// 22 bits a score. free_o until the head's first score is claimed, and again when its last row has
/// left; rows of S scores leave as words of SoftmaxLanes.
module score_rows
  import attention_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    input  logic               claim_i,
    input  logic [RowBits-1:0] claim_rows_i,
    output logic               free_o,

    input logic next_valid_i,
    input logic next_first_i,
    input logic [LoopBits-1:0] next_tile_i,
    input logic [RowIndexBits-1:0] next_row_i,
    input logic next_ends_i,  // the head's last sum
    input logic signed [DotBits-1:0] sum_i[Pe],

    output logic                        scores_valid_o,
    input  logic                        scores_ready_i,
    output logic signed [ScoreBits-1:0] scores_data_o [SoftmaxLanes]
);

  localparam int unsigned AddressBits = operator_pkg::index_bits(KeyTiles * Rows);

  logic [RowBits-1:0] rows_q;
  logic [AddressBits-1:0] address;
  logic total_valid;
  logic [1:0] ends_q;
  logic reading_q, read, word_valid_q, row_valid_q, row_ready, move, tile_last, row_last;
  logic out_row_ends, out_row_last;
  logic [RowIndexBits-1:0] row_q, out_row_q;
  logic [LoopBits-1:0] tile_q;
  logic [31:0] keys_q, out_keys_q;
  logic [Pe*ScoreBits-1:0] word;
  logic [ScoreBits-1:0] row_lanes_q[Pe], lanes[SoftmaxLanes];

  assign address = AddressBits'(32'(next_tile_i) * Rows + 32'(next_row_i));

  accumulator #(
      .Pe(Pe),
      .SumBits(DotBits),
      .Bits(ScoreBits),
      .Words(KeyTiles * Rows)
  ) u_accumulator (
      .clk_i,
      .rst_ni,
      .next_valid_i,
      .next_bank_i('0),
      .next_address_i(address),
      .next_first_i,
      .next_shift_i(1'b0),
      .sum_i,
      .total_valid_o(total_valid),
      .total_o(),
      .read_i(read),
      .read_bank_i('0),
      .read_address_i(AddressBits'(32'(tile_q) * Rows + 32'(row_q))),
      .read_word_o(word)
  );

  assign move = !row_valid_q || row_ready;
  assign read = reading_q && (!word_valid_q || move);
  assign tile_last = keys_q + Pe >= 32'(rows_q);
  assign row_last = 32'(row_q) + 1 == 32'(rows_q);
  assign out_row_ends = out_keys_q + SoftmaxLanes >= 32'(rows_q);
  assign out_row_last = 32'(out_row_q) + 1 == 32'(rows_q);

  always_ff @(posedge clk_i) begin
    if (word_valid_q && move) begin
      for (int unsigned p = 0; p < Pe; p++) row_lanes_q[p] <= word[ScoreBits*p+:ScoreBits];
    end
    if (claim_i) rows_q <= claim_rows_i;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      free_o <= 1'b1;
      ends_q <= '0;
      reading_q <= 1'b0;
      row_q <= '0;
      tile_q <= '0;
      keys_q <= '0;
      out_row_q <= '0;
      out_keys_q <= '0;
      word_valid_q <= 1'b0;
      row_valid_q <= 1'b0;
    end else begin
      if (claim_i) free_o <= 1'b0;
      ends_q <= {ends_q[0], next_valid_i && next_ends_i};
      if (total_valid && ends_q[1]) reading_q <= 1'b1;
      if (read) begin
        tile_q <= tile_last ? '0 : tile_q + 1'b1;
        keys_q <= tile_last ? '0 : keys_q + Pe;
        if (tile_last) row_q <= row_last ? '0 : row_q + 1'b1;
        if (tile_last && row_last) reading_q <= 1'b0;
      end
      // The gearbox needs S until its last word has left.
      if (scores_valid_o && scores_ready_i) begin
        out_keys_q <= out_row_ends ? '0 : out_keys_q + SoftmaxLanes;
        if (out_row_ends) out_row_q <= out_row_last ? '0 : out_row_q + 1'b1;
        if (out_row_ends && out_row_last) free_o <= 1'b1;
      end
      word_valid_q <= read || (word_valid_q && !move);
      row_valid_q  <= word_valid_q || (row_valid_q && !row_ready);
    end
  end

  gearbox #(
      .InLanes(Pe),
      .OutLanes(SoftmaxLanes),
      .Width(ScoreBits),
      .Total(Rows)
  ) u_gearbox (
      .clk_i,
      .rst_ni,
      .total_i(rows_q),
      .in_valid_i(row_valid_q),
      .in_ready_o(row_ready),
      .in_data_i(row_lanes_q),
      .out_valid_o(scores_valid_o),
      .out_ready_i(scores_ready_i),
      .out_data_o(lanes)
  );

  always_comb for (int unsigned i = 0; i < SoftmaxLanes; i++) scores_data_o[i] = signed'(lanes[i]);

endmodule : score_rows
