/// channel_stage: of each length taken a packet of its blocks, the last beat marked; stable.
module channel_stage_contract #(
    parameter bit Stands = 1'b0,
    parameter int unsigned Channels = 1,
    parameter int unsigned Block = 1,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid_i,
    input logic               rows_ready_o,
    input logic [RowBits-1:0] rows_data_i,

    input logic                hidden_valid_i,
    input logic                hidden_ready_o,
    input logic [BeatBits-1:0] hidden_data_i,

    input logic                parameters_valid_i,
    input logic                parameters_ready_o,
    input logic [BeatBits-1:0] parameters_data_i,

    input logic                blocks_valid_o,
    input logic                blocks_ready_i,
    input logic [BeatBits-1:0] blocks_data_o,
    input logic                blocks_last_o
);

  localparam int unsigned Beats = operator_pkg::ceil_divide(
      Channels, Block
  ) * operator_pkg::ceil_divide(
      Block, transfab_pkg::BeatBytes
  );

  logic started, rows_stays, hidden_stays, parameters_stays, blocks_stays, ends, in_range;
  logic [3:0] held;
  logic [5:0][RowBits-1:0] rows;
  logic [7:0] index;

  assign ends = index == 8'(Beats) * 8'(rows[0]) - 8'd1;
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

  stays #(
      .Width(BeatBits)
  ) u_hidden (
      .clk_i,
      .started_i(started),
      .valid_i(hidden_valid_i),
      .ready_i(hidden_ready_o),
      .data_i(hidden_data_i),
      .stays_o(hidden_stays)
  );

  stays #(
      .Width(BeatBits)
  ) u_parameters (
      .clk_i,
      .started_i(started),
      .valid_i(parameters_valid_i),
      .ready_i(parameters_ready_o),
      .data_i(parameters_data_i),
      .stays_o(parameters_stays)
  );

  stays #(
      .Width(BeatBits + 1)
  ) u_blocks (
      .clk_i,
      .started_i(started),
      .valid_i(blocks_valid_o),
      .ready_i(blocks_ready_i),
      .data_i({blocks_last_o, blocks_data_o}),
      .stays_o(blocks_stays)
  );

  packets #(
      .Depth(6)
  ) u_packets (
      .clk_i,
      .rst_ni,
      .enter_i(rows_valid_i && rows_ready_o),
      .rows_i (rows_data_i),
      .beat_i (blocks_valid_o && blocks_ready_i),
      .last_i (blocks_last_o),
      .held_o (held),
      .rows_o (rows),
      .index_o(index)
  );

  contract_terms #(
      .Stands(Stands)
  ) u_terms (
      .clk_i,
      .rst_ni,
      .promised_i(blocks_stays && held <= 4'd6 &&
                  (!blocks_valid_o || (held != '0 && blocks_last_o == ends))),
      .demanded_i((!rows_valid_i || in_range) && rows_stays && hidden_stays && parameters_stays)
  );

endmodule : channel_stage_contract
