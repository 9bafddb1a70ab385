/// The contract of attention_core and output_core: of each length taken a residual packet, the last
/// beat marked and not before skip packet and DataBeats beats a row of the data are in; stable.
module core_terms #(
    parameter bit Stands = 1'b0,
    parameter int unsigned DataBeats = 1,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid_i,
    input logic               rows_ready_o,
    input logic [RowBits-1:0] rows_data_i,

    // Parameters, skip, data.
    input logic [2:0] in_valid_i,
    input logic [2:0] in_ready_o,
    input logic [2:0][BeatBits-1:0] in_data_i,

    input logic                out_valid_o,
    input logic                out_ready_i,
    input logic [BeatBits-1:0] out_data_o,
    input logic                out_last_o
);

  localparam int unsigned BeatBytes = transfab_pkg::BeatBytes;
  localparam int unsigned RowBeats = operator_pkg::ceil_divide(
      transfab_pkg::Hidden * transfab_pkg::ResidualBits / 8, BeatBytes
  );

  logic started, rows_stays, out_stays, leave, ends, in_range;
  logic [2:0] in_stays;
  logic [3:0] held;
  logic [5:0][RowBits-1:0] rows;
  logic [7:0] index, total, needed, data, data_taken, data_done;
  logic [7:0] skip, skip_taken, skip_done;

  assign leave = out_valid_o && out_ready_i;
  assign total = (8'(rows[0]) + 8'(BeatBytes - 1)) / 8'(BeatBytes) + 8'(RowBeats) * 8'(rows[0]);
  assign ends = index == total - 8'd1;
  assign needed = 8'(DataBeats) * 8'(rows[0]);
  assign in_range = rows_data_i != '0 && 32'(rows_data_i) <= transfab_pkg::Sequence;

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stays #(
      .Width(RowBits)
  ) u_rows (
      .clk_i,
      .started_i(started),
      .valid_i(rows_valid_i),
      .ready_i(rows_ready_o),
      .data_i(rows_data_i),
      .stays_o(rows_stays)
  );

  for (genvar i = 0; i < 3; i++) begin : gen_input
    stays #(
        .Width(BeatBits)
    ) u_stays (
        .clk_i,
        .started_i(started),
        .valid_i(in_valid_i[i]),
        .ready_i(in_ready_o[i]),
        .data_i(in_data_i[i]),
        .stays_o(in_stays[i])
    );
  end

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

  packets #(
      .Depth(6)
  ) u_packets (
      .clk_i,
      .rst_ni,
      .enter_i(rows_valid_i && rows_ready_o),
      .rows_i (rows_data_i),
      .beat_i (leave),
      .last_i (out_last_o),
      .held_o (held),
      .rows_o (rows),
      .index_o(index)
  );

  surplus u_data (
      .clk_i,
      .rst_ni,
      .take_i(in_valid_i[2] && in_ready_o[2]),
      .done_i(leave && out_last_o),
      .beats_i(needed),
      .taken_o(data_taken),
      .done_o(data_done),
      .surplus_o(data)
  );

  surplus u_skip (
      .clk_i,
      .rst_ni,
      .take_i(in_valid_i[1] && in_ready_o[1]),
      .done_i(leave && out_last_o),
      .beats_i(total),
      .taken_o(skip_taken),
      .done_o(skip_done),
      .surplus_o(skip)
  );

  contract_terms #(
      .Stands(Stands)
  ) u_terms (
      .clk_i,
      .rst_ni,
      .promised_i(out_stays && held <= 4'd6 && !data[7] && !skip[7] &&
                  (!out_valid_o || (held != '0 && out_last_o == ends)) &&
                  (!out_valid_o || !ends || (data >= needed && skip >= total))),
      .demanded_i((!rows_valid_i || in_range) && rows_stays && &in_stays)
  );

endmodule : core_terms
