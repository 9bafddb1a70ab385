/// mask_fork: every beat goes to the packet once, those of the mask to the mask as well, once.
///
/// Assumed: input and rows are stable, rows in [1, Sequence].
module mask_fork_properties #(
    localparam int unsigned BeatBytes = transfab_pkg::BeatBytes,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned RowBeats = operator_pkg::ceil_divide(
        transfab_pkg::Hidden * transfab_pkg::ResidualBits / 8, BeatBytes
    ),
    localparam int unsigned BeatIndexBits = operator_pkg::index_bits(RowBeats)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid_i,
    input logic               rows_ready_o,
    input logic [RowBits-1:0] rows_data_i,

    input logic in_valid_i,
    input logic in_ready_o,

    input logic packet_valid_o,
    input logic packet_ready_i,

    input logic mask_valid_o,
    input logic mask_ready_i,

    input logic in_mask_q,
    input logic [31:0] covered_q,
    input logic [RowBits-1:0] row_q,
    input logic [BeatIndexBits-1:0] beat_q,
    input logic [1:0] taken_q
);

  logic started, is_mask, enter;
  logic [1:0] takes, got_q;  // by {mask, packet}
  logic [15:0] index_q, mask_beats, total;

  assign enter = in_valid_i && in_ready_o;
  assign takes = {mask_valid_o && mask_ready_i, packet_valid_o && packet_ready_i};
  assign mask_beats = (16'(rows_data_i) + 16'(BeatBytes - 1)) / 16'(BeatBytes);
  assign total = mask_beats + 16'(rows_data_i) * 16'(RowBeats);
  assign is_mask = index_q < mask_beats;

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

  stable_output u_packet (
      .clk_i,
      .started_i(started),
      .valid_i(packet_valid_o),
      .ready_i(packet_ready_i),
      .data_i('0)
  );

  stable_output u_mask (
      .clk_i,
      .started_i(started),
      .valid_i(mask_valid_o),
      .ready_i(mask_ready_i),
      .data_i('0)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      got_q   <= '0;
      index_q <= '0;
    end else begin
      got_q <= enter ? '0 : got_q | takes;
      if (enter) index_q <= rows_ready_o ? '0 : index_q + 1'b1;
    end
    if (rst_ni && rows_valid_i)
      assume (rows_data_i != '0 && 32'(rows_data_i) <= transfab_pkg::Sequence);
    if (started) begin
      assert ((takes & got_q) == '0);
      if (mask_valid_o) assert (is_mask);
      if (enter) assert ((takes | got_q) == {is_mask, 1'b1});
      if (!in_valid_i || !rows_valid_i) assert (!enter && !packet_valid_o && !mask_valid_o);
      assert (rows_ready_o == (enter && index_q == total - 1'b1));
    end
  end

  // What holds inside.
  always_ff @(posedge clk_i) begin
    if (started) begin
      assert (got_q == (taken_q & {in_mask_q, 1'b1}));
      assert (32'(beat_q) < RowBeats);
      if (in_mask_q)
        assert (row_q == '0 && beat_q == '0 && 32'(index_q) * BeatBytes == covered_q);
        else assert (covered_q == '0);
      if (!rows_valid_i || !in_valid_i) assert (taken_q == '0);
      if (!rows_valid_i)
        assert (index_q == '0 && in_mask_q);
        else if (in_mask_q)
          assert (is_mask);
          else
            assert (row_q < rows_data_i &&
                   index_q == mask_beats + 16'(row_q) * 16'(RowBeats) + 16'(beat_q));
    end
  end

endmodule : mask_fork_properties

bind mask_fork mask_fork_properties u_properties (
    .taken_q(u_fork.taken_q),
    .*
);
