/// layernorm: of a packet the mask and RowBeats words a row leave, the last one marked; stable.
///
/// Beats are counted and numbered as they begin; their values are not looked at. Assumed: rows in
/// [1, Sequence].
module layernorm_properties #(
    parameter int unsigned Latency = 1,
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

    input logic mask_valid_i,
    input logic mask_ready_o,

    input logic                out_valid_o,
    input logic                out_ready_i,
    input logic [BeatBits-1:0] out_data_o,
    input logic                out_last_o,

    input logic [2:0] state_q,
    input logic issue,
    input logic advance,
    input logic [RowsBits-1:0] rows_q,
    input logic [RowsBits-1:0] row_q,
    input logic [WordBits-1:0] word_q,
    input logic [Latency:1] valid_q,
    input logic [Latency-1:1] last_q
);

  localparam int unsigned BeatBytes = transfab_pkg::BeatBytes;

  logic started, begins, masks, leaves;
  logic [15:0] length_q, mask_beats, total;
  logic [15:0] begun_q, left_q;  // beats of the packet that are under way or gone; gone
  // Packed: the proof frees what memories give, and an unpacked array is one.
  logic [Latency:0][15:0] number_q;  // of the beat in a step, in its packet

  assign begins = rows_valid_i && rows_ready_o;
  assign masks = mask_valid_i && mask_ready_o;
  assign leaves = out_valid_o && out_ready_i;
  assign mask_beats = (length_q + 16'(BeatBytes - 1)) / 16'(BeatBytes);
  assign total = mask_beats + length_q * 16'(RowBeats);

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_output #(
      .Width(BeatBits + 1)
  ) u_stable (
      .clk_i,
      .started_i(started),
      .valid_i(out_valid_o),
      .ready_i(out_ready_i),
      .data_i({out_last_o, out_data_o})
  );

  always_ff @(posedge clk_i) begin
    if (begins) length_q <= 16'(rows_data_i);
    if (advance) begin
      for (int unsigned i = 2; i <= Latency; i++) number_q[i] <= number_q[i-1];
      number_q[1] <= begun_q;
    end
    if (masks) number_q[Latency] <= begun_q;
    if (!rst_ni || begins) begin
      begun_q <= '0;
      left_q  <= '0;
    end else begin
      begun_q <= begun_q + 16'(masks || issue);
      left_q  <= left_q + 16'(leaves);
    end
    if (rows_valid_i) assume (rows_data_i != '0 && 32'(rows_data_i) <= transfab_pkg::Sequence);
    if (started) begin
      if (masks) assert (begun_q < mask_beats);
      if (issue) assert (begun_q >= mask_beats && begun_q < total);
      // Beats leave in the order of their numbers, the last one marked.
      if (out_valid_o) assert (number_q[Latency] == left_q);
      if (out_valid_o) assert (out_last_o == (number_q[Latency] == total - 1'b1));
      // The next length when the whole packet has left.
      if (rows_ready_o) assert (left_q == begun_q && (left_q == '0 || left_q == total));
      // What holds inside.
      assert (left_q <= begun_q && begun_q == left_q + 16'($countones(valid_q)));
      for (int unsigned i = 1; i < Latency; i++) begin
        if (valid_q[i]) assert (last_q[i] == (number_q[i] == total - 1'b1));
        if (valid_q[i]) assert (number_q[i] == left_q + 16'($countones(valid_q >> i)));
      end
      assert (state_q <= 3'd4);
      if (state_q != 3'd0) begin
        assert (length_q == 16'(rows_q) && rows_q != '0 && 32'(rows_q) <= transfab_pkg::Sequence);
      end
      if (state_q == 3'd1) assert (begun_q == '0);
      if (state_q < 3'd2) assert (valid_q == '0);
      if (state_q == 3'd2) begin
        assert (begun_q == 16'(row_q) && begun_q < mask_beats && word_q == '0);
        assert (valid_q[Latency-1:1] == '0);
      end
      if (state_q == 3'd3) begin
        assert (row_q < rows_q && 32'(word_q) < RowBeats);
        assert (begun_q == mask_beats + 16'(row_q) * 16'(RowBeats) + 16'(word_q));
      end
      if (state_q == 3'd4) assert (begun_q == total);
    end
  end

endmodule : layernorm_properties

bind layernorm layernorm_properties #(
    .Latency(Latency)
) u_properties (
    .state_q(state_q),
    .*
);
