/// norm_end: of each length taken a residual packet, the last beat marked and not before the skip
/// packet and all words of sums are in; stable. One packet at a time.
module norm_end_contract #(
    parameter bit Stands = 1'b0,
    parameter int unsigned Pe = 1,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes
) (
    input logic clk_i,
    input logic rst_ni,

    input logic [        1:0] rows_valid_i,
    input logic [        1:0] rows_ready_o,
    input logic [RowBits-1:0] rows_data_i [2],

    input logic sums_valid_i,
    input logic sums_ready_o,

    input logic                skip_valid_i,
    input logic                skip_ready_o,
    input logic [BeatBits-1:0] skip_data_i,

    input logic                out_valid_o,
    input logic                out_ready_i,
    input logic [BeatBits-1:0] out_data_o,
    input logic                out_last_o
);

  localparam int unsigned BeatBytes = transfab_pkg::BeatBytes;
  localparam int unsigned RowBeats = operator_pkg::ceil_divide(
      transfab_pkg::Hidden * transfab_pkg::ResidualBits / 8, BeatBytes
  );
  localparam int unsigned Words = operator_pkg::ceil_divide(transfab_pkg::Hidden, Pe);

  logic started, skip_stays, out_stays, leave, ends;
  logic [1:0] in_range;
  logic [3:0] held;
  logic [1:0][RowBits-1:0] rows;
  logic [7:0] index, total, needed;
  logic [7:0] residual_q;  // lengths that the residual sum has taken, less packets that are whole
  logic [7:0] sums, sums_taken, sums_done, skip, skip_taken, skip_done;

  assign leave  = out_valid_o && out_ready_i;
  assign total  = (8'(rows[0]) + 8'(BeatBytes - 1)) / 8'(BeatBytes) + 8'(RowBeats) * 8'(rows[0]);
  assign ends   = index == total - 8'd1;
  assign needed = 8'(Words) * 8'(rows[0]);

  always_comb begin
    for (int unsigned i = 0; i < 2; i++) begin
      in_range[i] = rows_data_i[i] != '0 && 32'(rows_data_i[i]) <= transfab_pkg::Sequence;
    end
  end

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stays #(
      .Width(BeatBits)
  ) u_skip_stays (
      .clk_i,
      .started_i(started),
      .valid_i(skip_valid_i),
      .ready_i(skip_ready_o),
      .data_i(skip_data_i),
      .stays_o(skip_stays)
  );

  stays #(
      .Width(BeatBits + 1)
  ) u_out (
      .clk_i,
      .started_i(started),
      .valid_i(out_valid_o),
      .ready_i(out_ready_i),
      .data_i({out_last_o, out_data_o}),
      .stays_o(out_stays)
  );

  packets u_packets (
      .clk_i,
      .rst_ni,
      .enter_i(rows_valid_i[1] && rows_ready_o[1]),
      .rows_i (rows_data_i[1]),
      .beat_i (leave),
      .last_i (out_last_o),
      .held_o (held),
      .rows_o (rows),
      .index_o(index)
  );

  surplus u_sums (
      .clk_i,
      .rst_ni,
      .take_i(sums_valid_i && sums_ready_o),
      .done_i(leave && out_last_o),
      .beats_i(needed),
      .taken_o(sums_taken),
      .done_o(sums_done),
      .surplus_o(sums)
  );

  surplus u_skip (
      .clk_i,
      .rst_ni,
      .take_i(skip_valid_i && skip_ready_o),
      .done_i(leave && out_last_o),
      .beats_i(total),
      .taken_o(skip_taken),
      .done_o(skip_done),
      .surplus_o(skip)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) residual_q <= '0;
    else begin
      residual_q <= residual_q + 8'(rows_valid_i[0] && rows_ready_o[0]) - 8'(leave && out_last_o);
    end
  end

  contract_terms #(
      .Stands(Stands)
  ) u_terms (
      .clk_i,
      .rst_ni,
      .promised_i(out_stays && held <= 4'd1 && !sums[7] && skip <= 8'd64 &&
                  (!out_valid_o || (held != '0 && out_last_o == ends)) &&
                  residual_q <= 8'd3 && (!out_valid_o || residual_q != '0) &&
                  (!out_valid_o || !ends || (sums >= needed && skip >= total))),
      .demanded_i(skip_stays && (!rows_valid_i[0] || in_range[0]) &&
                  (!rows_valid_i[1] || in_range[1]))
  );

endmodule : norm_end_contract
