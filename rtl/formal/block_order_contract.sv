/// block_order: of each length taken a packet of its blocks, the last beat marked, when all of its
/// tiles are in; stable. One tile has a permit at a time.
module block_order_contract #(
    parameter bit Stands = 1'b0,
    parameter int unsigned Pe = 1,
    parameter int unsigned Block = 1,
    parameter int unsigned Channels = 1,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid_i,
    input logic               rows_ready_o,
    input logic [RowBits-1:0] rows_data_i,

    input logic permit_valid_o,
    input logic permit_ready_i,

    input logic lanes_valid_i,
    input logic lanes_last_i,

    input logic                blocks_valid_o,
    input logic                blocks_ready_i,
    input logic [BeatBits-1:0] blocks_data_o,
    input logic                blocks_last_o
);

  localparam int unsigned Tiles = operator_pkg::ceil_divide(Channels, Pe);
  localparam int unsigned Beats = operator_pkg::ceil_divide(
      Channels, Block
  ) * operator_pkg::ceil_divide(
      Block, transfab_pkg::BeatBytes
  );

  logic started, blocks_stays, leave, ends, in_range;
  logic granted_q;
  logic [3:0] held;
  logic [1:0][RowBits-1:0] rows;
  logic [7:0] index, tiles;

  assign leave = blocks_valid_o && blocks_ready_i;
  assign ends = index == 8'(Beats) * 8'(rows[0]) - 8'd1;
  assign in_range = rows_data_i != '0 && 32'(rows_data_i) <= transfab_pkg::Sequence;

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
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

  packets u_packets (
      .clk_i,
      .rst_ni,
      .enter_i(rows_valid_i && rows_ready_o),
      .rows_i (rows_data_i),
      .beat_i (leave),
      .last_i (blocks_last_o),
      .held_o (held),
      .rows_o (rows),
      .index_o(index)
  );

  surplus u_tiles (
      .clk_i,
      .rst_ni,
      .take_i(lanes_valid_i && lanes_last_i),
      .done_i(leave && blocks_last_o),
      .beats_i(8'(Tiles)),
      .taken_o(),
      .done_o(),
      .surplus_o(tiles)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) granted_q <= 1'b0;
    else if (permit_valid_o && permit_ready_i) granted_q <= 1'b1;
    else if (lanes_valid_i && lanes_last_i) granted_q <= 1'b0;
  end

  contract_terms #(
      .Stands(Stands)
  ) u_terms (
      .clk_i,
      .rst_ni,
      .promised_i(blocks_stays && held <= 4'd2 && tiles <= 8'(3 * Tiles) &&
                  (!permit_valid_o || !granted_q) &&
                  (!blocks_valid_o || (held != '0 && blocks_last_o == ends)) &&
                  (!blocks_valid_o || tiles >= (ends ? 8'(Tiles) : 8'd1))),
      .demanded_i((!rows_valid_i || in_range) && (!lanes_valid_i || granted_q))
  );

endmodule : block_order_contract
