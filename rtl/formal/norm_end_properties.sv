/// norm_end: each length gives a packet of mask and rows, each beat once, the last one marked; stable.
///
/// The properties of residual and layernorm are bound, too: what they say of lengths, masks and
/// totals holds of the two together. Assumed: the skip packet is stable, rows in [1, Sequence].
module norm_end_properties #(
    parameter int unsigned Pe = 1,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes,
    localparam int unsigned SumBits = transfab_pkg::AccumulatorBits,
    localparam int unsigned Lanes = BeatBits / transfab_pkg::ResidualBits
) (
    input logic clk_i,
    input logic rst_ni,

    input logic [        1:0] rows_valid_i,
    input logic [        1:0] rows_ready_o,
    input logic [RowBits-1:0] rows_data_i [2],

    input logic                sums_valid_i,
    input logic                sums_ready_o,
    input logic                skip_valid_i,
    input logic                skip_ready_o,
    input logic [BeatBits-1:0] skip_data_i,

    input logic                out_valid_o,
    input logic                out_ready_i,
    input logic [BeatBits-1:0] out_data_o,
    input logic                out_last_o,

    input logic lanes_valid,
    input logic lanes_ready,
    input logic [SumBits-1:0] lanes[Lanes],
    // Of sums, mask and totals, between gearbox, residual and layernorm.
    input logic [2:0] gives,
    input logic [2:0] takes,
    input logic [7:0] queued,
    input logic [7:0] unit_size,
    input logic [7:0] seen
);

  localparam int unsigned Hidden = transfab_pkg::Hidden;
  localparam int unsigned InWords = operator_pkg::ceil_divide(Hidden, Pe);
  localparam int unsigned QueueWords = 2 + operator_pkg::ceil_divide(Pe, Lanes);
  localparam int unsigned OutWords = operator_pkg::ceil_divide(Hidden, Lanes);

  logic started, enters, leaves, row_enters, row_leaves;
  logic [7:0] in_words_q, out_words_q;  // of the row that comes, and of the one that leaves
  logic [7:0] rows_q;  // that came whole and have not left whole
  logic [SumBits*Lanes-1:0] sums;

  assign enters = sums_valid_i && sums_ready_o;
  assign leaves = lanes_valid && lanes_ready;
  assign row_enters = enters && in_words_q == 8'(InWords - 1);
  assign row_leaves = leaves && out_words_q == 8'(OutWords - 1);

  always_comb for (int unsigned i = 0; i < Lanes; i++) sums[SumBits*i+:SumBits] = lanes[i];

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
      .Width(BeatBits + 1)
  ) u_out (
      .clk_i,
      .started_i(started),
      .valid_i(out_valid_o),
      .ready_i(out_ready_i),
      .data_i({out_last_o, out_data_o})
  );

  stable_output #(
      .Width(SumBits * Lanes)
  ) u_lanes (
      .clk_i,
      .started_i(started),
      .valid_i(lanes_valid),
      .ready_i(lanes_ready),
      .data_i(sums)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      in_words_q <= '0;
      out_words_q <= '0;
      rows_q <= '0;
    end else begin
      if (enters) in_words_q <= row_enters ? '0 : in_words_q + 8'd1;
      if (leaves) out_words_q <= row_leaves ? '0 : out_words_q + 8'd1;
      rows_q <= rows_q + 8'(row_enters) - 8'(row_leaves);
    end
    for (int unsigned i = 0; i < 2; i++) begin
      if (rows_valid_i[i]) begin
        assume (rows_data_i[i] != '0 && 32'(rows_data_i[i]) <= transfab_pkg::Sequence);
      end
    end
    if (started) begin
      // What one module gives the next one takes, in the same cycle.
      assert (gives == takes);
      // The last word of a row leaves after all of its sums came, no word of it before its own.
      if (row_leaves) assert (rows_q != '0);
      if (leaves && rows_q == '0) begin
        assert (in_words_q * 8'(Pe) >= (out_words_q + 8'd1) * 8'(Lanes));
      end
      // What holds inside.
      assert (in_words_q < 8'(InWords) && out_words_q < 8'(OutWords));
      assert (rows_q <= 8'd4 && queued * unit_size <= 8'(QueueWords) * 8'(Lanes));
      assert (seen == in_words_q * 8'(Pe));
      assert (queued * unit_size + 8'(lanes_valid) * 8'(Lanes) ==
              (rows_q * 8'(OutWords) - out_words_q) * 8'(Lanes) + in_words_q * 8'(Pe));
    end
  end

endmodule : norm_end_properties

bind norm_end norm_end_properties #(
    .Pe(Pe)
) u_properties (
    .gives({
      u_residual.totals_valid_o && u_residual.totals_ready_i,
      u_residual.mask_valid_o && u_residual.mask_ready_i,
      u_gearbox.out_valid_o && u_gearbox.out_ready_i
    }),
    .takes({
      u_layernorm.totals_valid_i && u_layernorm.totals_ready_o,
      u_layernorm.mask_valid_i && u_layernorm.mask_ready_o,
      u_residual.sums_valid_i && u_residual.sums_ready_o
    }),
    .queued(8'(u_gearbox.count_q)),
    .unit_size(8'(u_gearbox.Unit)),
    .seen(8'(u_gearbox.seen_q)),
    .*
);
