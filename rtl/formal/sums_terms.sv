/// The contract of what sends sums by row: of each length taken Words words a row, the last one when
/// DataBeats beats a row of its data are in; stable.
module sums_terms #(
    parameter bit Stands = 1'b0,
    parameter int unsigned Pe = 1,
    parameter int unsigned Words = 1,
    parameter int unsigned DataBeats = 1,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned SumBits = transfab_pkg::AccumulatorBits
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid_i,
    input logic               rows_ready_o,
    input logic [RowBits-1:0] rows_data_i,

    input logic take_i,  // a beat of the data

    input logic                      sums_valid_o,
    input logic                      sums_ready_i,
    input logic signed [SumBits-1:0] sums_data_o [Pe]
);

  logic started, sums_stays, leave, ends, in_range;
  logic [Pe*SumBits-1:0] sums;
  logic [3:0] held;
  logic [3:0][RowBits-1:0] rows;
  logic [7:0] index, needed, data, data_taken, data_done;

  assign leave = sums_valid_o && sums_ready_i;
  assign ends = index == 8'(Words) * 8'(rows[0]) - 8'd1;
  assign needed = 8'(DataBeats) * 8'(rows[0]);
  assign in_range = rows_data_i != '0 && 32'(rows_data_i) <= transfab_pkg::Sequence;

  always_comb for (int unsigned i = 0; i < Pe; i++) sums[SumBits*i+:SumBits] = sums_data_o[i];

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stays #(
      .Width(Pe * SumBits)
  ) u_stays (
      .clk_i,
      .started_i(started),
      .valid_i(sums_valid_o),
      .ready_i(sums_ready_i),
      .data_i(sums),
      .stays_o(sums_stays)
  );

  packets #(
      .Depth(4)
  ) u_packets (
      .clk_i,
      .rst_ni,
      .enter_i(rows_valid_i && rows_ready_o),
      .rows_i (rows_data_i),
      .beat_i (leave),
      .last_i (ends),
      .held_o (held),
      .rows_o (rows),
      .index_o(index)
  );

  surplus u_data (
      .clk_i,
      .rst_ni,
      .take_i,
      .done_i(leave && ends),
      .beats_i(needed),
      .taken_o(data_taken),
      .done_o(data_done),
      .surplus_o(data)
  );

  contract_terms #(
      .Stands(Stands)
  ) u_terms (
      .clk_i,
      .rst_ni,
      .promised_i(sums_stays && held <= 4'd4 && data <= 8'd64 && (!sums_valid_o || held != '0) &&
                  (!sums_valid_o || !ends || data >= needed)),
      .demanded_i(!rows_valid_i || in_range)
  );

endmodule : sums_terms
