/// narrow: of a packet the mask goes, every row leaves as whole beats, none lost, none invented.
///
/// Beats that leave are counted against the words taken; the values are not looked at with int16.
/// With int8 they are: a beat leaves as it came, zero beyond Hidden. Assumed: rows in [1, Sequence].
module narrow_properties #(
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes,
    localparam int unsigned RowsBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned Lanes = BeatBits / transfab_pkg::ResidualBits,
    localparam int unsigned RowBeats = operator_pkg::ceil_divide(transfab_pkg::Hidden, Lanes),
    localparam int unsigned WordBits = operator_pkg::index_bits(RowBeats)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic                rows_valid_i,
    input logic                rows_ready_o,
    input logic [RowsBits-1:0] rows_data_i,

    input logic                hidden_valid_i,
    input logic                hidden_ready_o,
    input logic [BeatBits-1:0] hidden_data_i,

    input logic                operand_valid_o,
    input logic                operand_ready_i,
    input logic [BeatBits-1:0] operand_data_o,

    input logic [1:0] state_q,
    input logic [RowsBits-1:0] last_row_q,
    input logic [RowsBits-1:0] row_q,
    input logic [WordBits-1:0] word_q,
    input logic [7:0] coming  // beats that are being made
);

  localparam bit Wide = transfab_pkg::ResidualBits == 16;
  localparam int unsigned BeatBytes = transfab_pkg::BeatBytes;
  // Of a row: beats out.
  localparam int unsigned OutBeats = operator_pkg::ceil_divide(transfab_pkg::Hidden, BeatBytes);
  localparam int unsigned LastBytes = transfab_pkg::Hidden - (OutBeats - 1) * BeatBytes;

  logic started, take, enter;
  logic [15:0] rows_q, index_q, mask_beats, word;  // of the packet; index of the beat to come
  logic [15:0] owed_q;  // beats that leave for what was taken
  logic busy_q;  // within a packet
  logic completes, ends;
  logic [BeatBits-1:0] data_q;

  assign take = hidden_valid_i && hidden_ready_o;
  assign mask_beats = (rows_q + 16'(BeatBytes - 1)) / 16'(BeatBytes);
  assign enter = take && index_q >= mask_beats;
  assign ends = word == 16'(RowBeats - 1);
  // Two words of int16 make a beat of int8.
  assign completes = enter && (!Wide || ends || word[0]);

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_output #(
      .Width(BeatBits)
  ) u_stable (
      .clk_i,
      .started_i(started),
      .valid_i(operand_valid_o),
      .ready_i(operand_ready_i),
      .data_i(operand_data_o)
  );

  always_ff @(posedge clk_i) begin
    if (rows_valid_i && rows_ready_o) begin
      rows_q <= 16'(rows_data_i);
      index_q <= '0;
      word <= '0;
    end else if (take) begin
      index_q <= index_q + 1'b1;
    end
    if (enter) word <= ends ? '0 : word + 1'b1;
    if (enter) data_q <= ends ? BeatBits'(hidden_data_i[8*LastBytes-1:0]) : hidden_data_i;
    if (!rst_ni) begin
      owed_q <= '0;
      busy_q <= 1'b0;
    end else begin
      owed_q <= owed_q + 16'(completes) - 16'(operand_valid_o && operand_ready_i);
      if (rows_valid_i && rows_ready_o) busy_q <= 1'b1;
      else if (take && index_q == mask_beats + rows_q * 16'(RowBeats) - 1'b1) busy_q <= 1'b0;
    end
    if (rows_valid_i) assume (rows_data_i != '0 && 32'(rows_data_i) <= transfab_pkg::Sequence);
    if (started) begin
      // A packet's beats and no more; the next length after them.
      if (hidden_ready_o) assert (busy_q);
      assert (rows_ready_o == !busy_q);
      if (operand_valid_o) assert (owed_q != '0);
      assert (owed_q == coming + 16'(operand_valid_o));
      if (!Wide && operand_valid_o) assert (operand_data_o == data_q);
      // What holds inside.
      assert (busy_q == (state_q != 2'd0));
      if (busy_q) begin
        assert (rows_q == 16'(last_row_q) + 16'd1 && rows_q <= 16'(transfab_pkg::Sequence));
        if (state_q != 2'd3) assert (word == '0);
        if (state_q == 2'd1) assert (index_q == '0);
        if (state_q == 2'd2) assert (index_q == 16'(row_q) && index_q < mask_beats && word_q == '0);
        if (state_q == 2'd3) begin
          assert (row_q <= last_row_q && 32'(word_q) < RowBeats);
          assert (word == 16'(word_q));
          assert (index_q == mask_beats + 16'(row_q) * 16'(RowBeats) + 16'(word_q));
        end
      end
    end
  end

endmodule : narrow_properties
