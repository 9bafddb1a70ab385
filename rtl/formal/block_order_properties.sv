/// block_order: no block is written over before it has left; its queue has room; beats in number.
///
/// The bytes are not looked at. Assumed of the lanes: they come under a permit, a tile a permit.
/// Rows in [1, Sequence].
module block_order_properties #(
    parameter int unsigned Pe = 1,
    parameter int unsigned Block = 1,
    parameter int unsigned Channels = 1,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes,
    localparam int unsigned Tiles = operator_pkg::ceil_divide(Channels, Pe),
    localparam int unsigned Blocks = operator_pkg::ceil_divide(Channels, Block),
    localparam int unsigned RowBeats = operator_pkg::ceil_divide(Block, transfab_pkg::BeatBytes),
    localparam int unsigned Banks = operator_pkg::ceil_divide(Pe + Block - 1, Block),
    localparam int unsigned TileBits = operator_pkg::index_bits(Tiles),
    localparam int unsigned BlockBits = operator_pkg::index_bits(Blocks),
    localparam int unsigned BankBits = operator_pkg::index_bits(Banks),
    localparam int unsigned CountBits = $clog2(Banks + 1),
    localparam int unsigned OffsetBits = operator_pkg::index_bits(Block),
    localparam int unsigned RowBeatBits = operator_pkg::index_bits(RowBeats)
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
    input logic                blocks_last_o,

    input logic [TileBits-1:0] tile_q,
    input logic [BankBits-1:0] bank_q,
    input logic [OffsetBits-1:0] offset_q,
    input logic tile_ends,
    input logic tile_ends_q,
    input logic permitted_q,
    input logic arrives,
    input logic [CountBits-1:0] whole_q,
    input logic [CountBits-1:0] completed_q,
    input logic active_q,
    input logic read,
    input logic read_q,
    input logic [RowBits-1:0] rows_q,
    input logic [RowBits-1:0] row_q,
    input logic [RowBeatBits-1:0] beat_q,
    input logic [BlockBits-1:0] block_q,
    input logic [BankBits-1:0] read_bank_q,
    input logic fifo_ready,
    input logic [2:0] room_q,
    input logic [2:0] queued
);

  logic started, permits_q, begins;
  logic [7:0] tile_rest;  // channels of the current block before the tile, and its own
  logic [7:0] touched;  // blocks that the tile writes to
  logic [15:0] read_beats_q, total;  // of the packet

  assign begins = rows_valid_i && rows_ready_o;
  assign total = 16'(Blocks) * 16'(rows_q) * 16'(RowBeats);
  assign tile_rest = 8'(tile_q) * 8'(Pe) % 8'(Block);
  assign touched = (tile_rest + 8'(Pe) + 8'(Block - 1)) / 8'(Block);

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
      .valid_i(blocks_valid_o),
      .ready_i(blocks_ready_i),
      .data_i({blocks_last_o, blocks_data_o})
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) permits_q <= 1'b0;
    else if (permit_valid_o && permit_ready_i) permits_q <= 1'b1;
    else if (tile_ends) permits_q <= 1'b0;
    if (!rst_ni || begins) read_beats_q <= '0;
    else read_beats_q <= read_beats_q + 16'(read);
    if (lanes_valid_i) assume (permits_q);
    if (rows_valid_i) assume (rows_data_i != '0 && 32'(rows_data_i) <= transfab_pkg::Sequence);
    if (started) begin
      assert (!read_q || fifo_ready);
      // Of the banks, those that wait to leave and those that are written are apart: as many as
      // there are, at most, and one behind the other.
      if (permits_q) assert (8'(whole_q) + touched <= 8'(Banks));
      assert ((32'(read_bank_q) + 32'(whole_q) +
               (tile_ends_q || arrives ? 32'(completed_q) : 0)) % Banks == 32'(bank_q));
      if (read) assert (read_beats_q < total && whole_q != '0);
      if (rows_ready_o && read_beats_q != '0) assert (read_beats_q == total);
      // What holds inside.
      assert (8'(room_q) + 8'(read_q) + 8'(queued) == 8'd4 && room_q <= 3'd4);
      assert (32'(whole_q) <= Banks && 32'(bank_q) < Banks && 32'(read_bank_q) < Banks);
      assert (32'(tile_q) < Tiles && 32'(offset_q) == 32'(tile_rest));
      assert (!(tile_ends_q && arrives) && (!permits_q || !(tile_ends_q || arrives)));
      assert (permitted_q == (permits_q || tile_ends_q || arrives));
      if (tile_ends_q || arrives) assert (8'(whole_q) + 8'(completed_q) <= 8'(Banks));
      assert (32'(block_q) < Blocks && 32'(beat_q) < RowBeats);
      if (active_q) begin
        assert (rows_q != '0 && 32'(rows_q) <= transfab_pkg::Sequence && row_q < rows_q);
        assert (read_beats_q == (16'(block_q) * 16'(rows_q) + 16'(row_q)) * 16'(RowBeats) +
                16'(beat_q));
      end else begin
        assert (row_q == '0 && beat_q == '0 && block_q == '0);
      end
    end
  end

endmodule : block_order_properties

bind block_order block_order_properties #(
    .Pe(Pe),
    .Block(Block),
    .Channels(Channels)
) u_properties (
    .queued(u_fifo.count_q),
    .*
);
