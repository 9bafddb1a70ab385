/// softmax_parameters: scalars, multipliers, table and mask of a sequence, each beat once, in order.
///
/// Any one head and any one key are watched: its multiplier, its mask bit are what was read last.
/// Assumed: last_row_i below Sequence, constant while a sequence is read.
module softmax_parameters_properties #(
    localparam int unsigned BeatBytes = transfab_pkg::BeatBytes,
    localparam int unsigned BeatBits = 8 * BeatBytes,
    localparam int unsigned RowsBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned MaskBeats = operator_pkg::ceil_divide(
        transfab_pkg::Sequence, BeatBytes
    ),
    localparam int unsigned MaskKeys = MaskBeats * BeatBytes,
    localparam int unsigned Entry = transfab_pkg::ExponentialTableBits,
    localparam int unsigned TableWords = transfab_pkg::ExponentialEntries / 4,
    localparam int unsigned WordBits = $clog2(TableWords),
    localparam int unsigned PerBeat = BeatBytes / 4,
    localparam int unsigned ScalarBeats = operator_pkg::ceil_divide(7, PerBeat),
    localparam int unsigned MultiplierBeats = operator_pkg::ceil_divide(
        transfab_pkg::Heads, PerBeat
    ),
    localparam int unsigned CountBits = $clog2(
        operator_pkg::larger(TableWords, MultiplierBeats) + 1
    )
) (
    input logic clk_i,
    input logic rst_ni,

    input logic load_i,
    input logic loaded_o,
    input logic [RowsBits-1:0] last_row_i,

    input logic                parameters_valid_i,
    input logic                parameters_ready_o,
    input logic [BeatBits-1:0] parameters_data_i,

    input logic                mask_valid_i,
    input logic                mask_ready_o,
    input logic [BeatBits-1:0] mask_data_i,

    input logic [5:0] shift_o,
    input logic signed [17:0] multiplier_o[transfab_pkg::Heads],
    input logic [MaskKeys-1:0] mask_o,

    input logic write_o,
    input logic [WordBits-1:0] write_word_o,
    input logic [4*Entry-1:0] write_entries_o,

    input logic [1:0] section_q,
    input logic [CountBits-1:0] count_q
);

  localparam int unsigned WordsPerBeat = BeatBytes / 8;
  localparam int unsigned First = ScalarBeats + MultiplierBeats;  // of the table
  localparam int unsigned Beats = First + TableWords / WordsPerBeat;

  logic started, take, mask_take;
  logic [7:0] head, key;
  logic [15:0] beats_q, masks_q;  // taken of this sequence, parameters' and mask's
  logic [15:0] words_q;  // of the table, that were seen
  logic writes, writes_q, shift_read_q, multiplier_read_q, mask_read_q, mask_bit_q;
  logic [WordBits-1:0] word_q;
  logic [4*Entry-1:0] entries, entries_q;
  logic [5:0] shift_q;
  logic [17:0] multiplier_q;
  logic [RowsBits-1:0] last_row_q;

  assign take = parameters_valid_i && parameters_ready_o;
  assign mask_take = mask_valid_i && mask_ready_o;
  // A beat of the table stands until its last word was seen.
  assign writes = load_i && parameters_valid_i && beats_q >= 16'(First) && beats_q < 16'(Beats);

  always_comb begin
    for (int unsigned i = 0; i < 4; i++) begin
      entries[i*Entry+:Entry] = parameters_data_i[64*(32'(words_q)%WordsPerBeat)+16*i+:Entry];
    end
  end

  any_constant #(
      .Width(8),
      .Count(transfab_pkg::Heads)
  ) u_head (
      .clk_i,
      .value_o(head)
  );

  any_constant #(
      .Width(8),
      .Count(MaskKeys)
  ) u_key (
      .clk_i,
      .value_o(key)
  );

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  always_ff @(posedge clk_i) begin
    last_row_q <= last_row_i;
    writes_q   <= writes;
    word_q     <= WordBits'(words_q);
    entries_q  <= entries;
    if (!rst_ni) begin
      beats_q <= '0;
      masks_q <= '0;
      words_q <= '0;
      shift_read_q <= 1'b0;
      multiplier_read_q <= 1'b0;
      mask_read_q <= 1'b0;
    end else begin
      if (loaded_o) beats_q <= '0;
      else beats_q <= beats_q + 16'(take);
      if (loaded_o) masks_q <= '0;
      else masks_q <= masks_q + 16'(mask_take);
      if (loaded_o) words_q <= '0;
      else words_q <= words_q + 16'(writes);
      if (take && beats_q == '0) begin
        shift_read_q <= 1'b1;
        shift_q <= parameters_data_i[5:0];
      end
      if (take && beats_q == 16'(ScalarBeats) + 16'(head) / 16'(PerBeat)) begin
        multiplier_read_q <= 1'b1;
        multiplier_q <= parameters_data_i[32*(32'(head)%PerBeat)+:18];
      end
      if (mask_take && masks_q == 16'(key) / 16'(BeatBytes)) begin
        mask_read_q <= 1'b1;
        mask_bit_q  <= mask_data_i[8*(32'(key)%BeatBytes)] && 32'(key) <= 32'(last_row_i);
      end
    end
    assume (32'(last_row_i) < transfab_pkg::Sequence);
    if (started && (beats_q != '0 || masks_q != '0)) assume (last_row_i == last_row_q);
    if (started) begin
      if (!load_i) assert (!parameters_ready_o && !mask_ready_o);
      if (take) assert (beats_q < 16'(Beats));
      // The mask when all parameters are read, as many beats as the sequence has.
      if (mask_take) assert (beats_q == 16'(Beats));
      assert (loaded_o == (mask_take && masks_q == 16'(last_row_i) / 16'(BeatBytes)));
      // Every word of the table is written once, the cycle after it was seen.
      if (loaded_o) assert (words_q == 16'(TableWords));
      assert (write_o == writes_q);
      if (writes_q) assert (write_word_o == word_q && write_entries_o == entries_q);
      if (shift_read_q) assert (shift_o == shift_q);
      if (multiplier_read_q) assert (multiplier_o[head] == multiplier_q);
      if (mask_read_q) assert (mask_o[key] == mask_bit_q);
      // What holds inside.
      if (section_q == 2'd0) assert (beats_q == 16'(count_q) && beats_q < 16'(ScalarBeats));
      if (section_q == 2'd1) begin
        assert (beats_q == 16'(ScalarBeats) + 16'(count_q) && beats_q < 16'(First));
      end
      if (section_q < 2'd2) assert (words_q == '0);
      if (section_q == 2'd2) begin
        assert (words_q == 16'(count_q) && words_q < 16'(TableWords));
        assert (beats_q == 16'(First) + words_q / 16'(WordsPerBeat));
      end
      if (section_q == 2'd3) begin
        assert (masks_q == 16'(count_q) && masks_q <= 16'(last_row_i) / 16'(BeatBytes));
        assert (beats_q == 16'(Beats) && words_q == 16'(TableWords));
      end else begin
        assert (masks_q == '0);
      end
    end
  end

endmodule : softmax_parameters_properties

bind softmax_parameters softmax_parameters_properties u_properties (
    .section_q(section_q),
    .*
);
