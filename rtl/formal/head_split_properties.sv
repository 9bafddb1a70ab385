/// head_split: beat n of a packet goes to the part that the packet's layout says, once.
///
/// Assumed: input and rows are stable, rows in [1, Sequence].
module head_split_properties
  import attention_pkg::*;
#(
    localparam int unsigned HeadBits = operator_pkg::index_bits(transfab_pkg::Heads),
    localparam int unsigned BeatIndexBits = operator_pkg::index_bits(RowBeats)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid_i,
    input logic               rows_ready_o,
    input logic [RowBits-1:0] rows_data_i,

    input logic in_valid_i,
    input logic in_ready_o,

    input logic [2:0] part_valid_o,
    input logic [2:0] part_ready_i,

    input logic [HeadBits-1:0] head_q,
    input logic [1:0] part_q,
    input logic [RowBits-1:0] row_q,
    input logic [BeatIndexBits-1:0] beat_q
);

  localparam int unsigned Heads = transfab_pkg::Heads;

  logic started;
  logic [15:0] index_q, total, part_beats;  // of a beat in its packet; beats
  logic [2:0] expected;

  assign part_beats = 16'(rows_data_i) * 16'(RowBeats);
  assign total = part_beats * 16'(3 * Heads);

  always_comb begin
    expected = '0;
    for (int unsigned i = 0; i < 3 * Heads; i++) begin
      if (index_q >= 16'(i) * part_beats && index_q < 16'(i + 1) * part_beats) begin
        expected[2'(i%3)] = 1'b1;
      end
    end
  end

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_input u_input (
      .clk_i,
      .started_i(started),
      .valid_i(in_valid_i),
      .ready_i(in_ready_o),
      .data_i('0)
  );

  stable_input #(
      .Width(RowBits)
  ) u_rows (
      .clk_i,
      .started_i(started),
      .valid_i(rows_valid_i),
      .ready_i(rows_ready_o),
      .data_i(rows_data_i)
  );

  for (genvar i = 0; i < 3; i++) begin : gen_output
    stable_output u_stable (
        .clk_i,
        .started_i(started),
        .valid_i(part_valid_o[i]),
        .ready_i(part_ready_i[i]),
        .data_i('0)
    );
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) index_q <= '0;
    else if (in_valid_i && in_ready_o) index_q <= rows_ready_o ? '0 : index_q + 1'b1;
    if (rst_ni && rows_valid_i)
      assume (rows_data_i != '0 && 32'(rows_data_i) <= transfab_pkg::Sequence);
    if (started) begin
      assert (part_valid_o == (in_valid_i && rows_valid_i ? expected : '0));
      assert ((in_valid_i && in_ready_o) == ((part_valid_o & part_ready_i) != '0));
      assert (rows_ready_o == (in_valid_i && in_ready_o && index_q == total - 1'b1));
    end
  end

  // What holds inside.
  always_ff @(posedge clk_i) begin
    if (started) begin
      assert (32'(head_q) < Heads && part_q < 2'd3 && 32'(beat_q) < RowBeats);
      assert (index_q == '0 || rows_valid_i);
      if (rows_valid_i) begin
        assert (row_q < rows_data_i);
        assert (index_q == 16'(3 * head_q + part_q) * part_beats + 16'(row_q) * 16'(RowBeats) +
                16'(beat_q));
      end else begin
        assert ({head_q, part_q, row_q, beat_q} == '0);
      end
    end
  end

endmodule : head_split_properties

bind head_split head_split_properties u_properties (.*);
