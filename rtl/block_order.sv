/// Rows of Pe int8 lanes, tile by tile -> blocks of Block channels, all rows of a block together.
///
/// A row of a block leaves as whole beats, zero beyond the block and beyond Channels. Lanes come
/// without back-pressure: the permit for a tile says that its blocks have room.
module block_order #(
    parameter int unsigned Pe = 1,
    parameter int unsigned Block = 1,
    parameter int unsigned Channels = 1,
    localparam int unsigned Rows = transfab_pkg::Sequence,
    localparam int unsigned RowBits = $clog2(Rows + 1),
    localparam int unsigned AddressBits = operator_pkg::index_bits(Rows),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic               rows_valid_i,
    output logic               rows_ready_o,
    input  logic [RowBits-1:0] rows_data_i,

    output logic permit_valid_o,
    input  logic permit_ready_i,

    input logic                          lanes_valid_i,
    input logic        [AddressBits-1:0] lanes_row_i,
    input logic                          lanes_last_i,      // last row of a tile
    input logic signed [            7:0] lanes_data_i [Pe],

    output logic                blocks_valid_o,
    input  logic                blocks_ready_i,
    output logic [BeatBits-1:0] blocks_data_o,
    output logic                blocks_last_o
);

  localparam int unsigned Tiles = operator_pkg::ceil_divide(Channels, Pe);
  localparam int unsigned Blocks = operator_pkg::ceil_divide(Channels, Block);
  localparam int unsigned LastBlock = Channels - (Blocks - 1) * Block;
  localparam int unsigned RowBeats = operator_pkg::ceil_divide(Block, transfab_pkg::BeatBytes);
  localparam int unsigned Banks = operator_pkg::ceil_divide(Pe + Block - 1, Block);
  localparam int unsigned TileBits = operator_pkg::index_bits(Tiles);
  localparam int unsigned BlockBits = operator_pkg::index_bits(Blocks);
  localparam int unsigned BankBits = operator_pkg::index_bits(Banks);
  localparam int unsigned CountBits = $clog2(Banks + 1);
  localparam int unsigned OffsetBits = operator_pkg::index_bits(Block);
  localparam int unsigned RowBeatBits = operator_pkg::index_bits(RowBeats);
  localparam int unsigned FifoDepth = 4;

  // Writing: the block that lane 0 of the current tile belongs to.
  logic [  TileBits-1:0] tile_q;
  logic [  BankBits-1:0] bank_q;
  logic [OffsetBits-1:0] offset_q;
  logic [31:0] reach, touched, completed;
  logic tile_last, tile_ends, tile_ends_q, permitted_q, arrives;
  logic [AddressBits-1:0] addresses[Banks];
  logic [CountBits-1:0] whole_q, completed_q;  // blocks that wait or are being sent

  // Reading.
  logic active_q, read, read_q, row_ends, block_ends;
  logic [RowBits-1:0] rows_q, row_q;
  logic [RowBeatBits-1:0] beat_q, beat_read_q;
  logic [BlockBits-1:0] block_q;
  logic [ BankBits-1:0] read_bank_q;
  logic last_block, last_block_q, last_q, fifo_ready;
  logic [$clog2(FifoDepth+1)-1:0] room_q;
  logic [8*Block-1:0] word;
  logic [RowBeats*BeatBits-1:0] row;

  function automatic logic [BankBits-1:0] around(logic [31:0] bank);
    return BankBits'(bank >= Banks ? bank - Banks : bank);
  endfunction

  assign tile_last = tile_q == TileBits'(Tiles - 1);
  assign tile_ends = lanes_valid_i && lanes_last_i;
  assign reach = 32'(offset_q) + Pe;
  always_comb begin
    touched   = 0;
    completed = 0;
    for (int unsigned j = 0; j < Banks; j++) begin
      if (reach > j * Block) touched = j + 1;
      if (reach >= (j + 1) * Block) completed = j + 1;
    end
    // The last tile ends the last block wherever its lanes end.
    if (tile_last) begin
      completed = 0;
      for (int unsigned j = 0; j < Banks; j++) begin
        if (32'(offset_q) + (Channels - (Tiles - 1) * Pe) > j * Block) completed = j + 1;
      end
    end
  end
  // One tile has a permit at a time: room is judged when the one before has been counted.
  assign permit_valid_o = !permitted_q && 32'(whole_q) + touched <= Banks;

  always_comb for (int unsigned b = 0; b < Banks; b++) addresses[b] = AddressBits'(lanes_row_i);

  assign rows_ready_o = !active_q;
  assign row_ends = read && beat_q == RowBeatBits'(RowBeats - 1);
  assign block_ends = row_ends && row_q == rows_q - 1'b1;
  assign last_block = block_q == BlockBits'(Blocks - 1);
  assign read = active_q && whole_q != '0 && room_q != '0;

  lane_scatter #(
      .Lanes(Pe),
      .Block(Block),
      .Banks(Banks),
      .Words(Rows)
  ) u_memory (
      .clk_i,
      .write_i(lanes_valid_i),
      .write_bank_i(bank_q),
      .write_offset_i(offset_q),
      .write_address_i(addresses),
      .write_data_i(lanes_data_i),
      .read_i(read),
      .read_bank_i(read_bank_q),
      .read_address_i(AddressBits'(row_q)),
      .read_word_o(word)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      tile_q <= '0;
      bank_q <= '0;
      offset_q <= '0;
      whole_q <= '0;
      permitted_q <= 1'b0;
      tile_ends_q <= 1'b0;
      arrives <= 1'b0;
    end else begin
      if (permit_valid_o && permit_ready_i) permitted_q <= 1'b1;
      // Two cycles until the last row stands in memory.
      tile_ends_q <= tile_ends;
      arrives <= tile_ends_q;
      if (tile_ends) begin
        completed_q <= CountBits'(completed);
        tile_q <= tile_last ? '0 : tile_q + 1'b1;
        bank_q <= around(32'(bank_q) + completed);
        offset_q <= tile_last ? '0 : OffsetBits'(reach - completed * Block);
      end
      if (arrives) permitted_q <= 1'b0;
      whole_q <= whole_q + (arrives ? completed_q : '0) - CountBits'(block_ends);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      row_q <= '0;
      beat_q <= '0;
      block_q <= '0;
      read_bank_q <= '0;
      read_q <= 1'b0;
      room_q <= ($bits(room_q))'(FifoDepth);
    end else begin
      if (rows_valid_i && rows_ready_o) begin
        active_q <= 1'b1;
        rows_q   <= rows_data_i;
      end
      read_q <= read;
      if (read) begin
        beat_q <= row_ends ? '0 : beat_q + 1'b1;
        beat_read_q <= beat_q;
        last_block_q <= last_block;
        last_q <= block_ends && last_block;
      end
      if (row_ends) row_q <= block_ends ? '0 : row_q + 1'b1;
      if (block_ends) begin
        block_q <= last_block ? '0 : block_q + 1'b1;
        read_bank_q <= around(32'(read_bank_q) + 1);
        if (last_block) active_q <= 1'b0;
      end
      room_q <= room_q - ($bits(
          room_q
      ))'(read) + ($bits(
          room_q
      ))'(blocks_valid_o && blocks_ready_i);
    end
  end

  // Lanes beyond Channels, and those of an older block, are not sent.
  always_comb begin
    row = (RowBeats * BeatBits)'(word);
    if (last_block_q) row &= (RowBeats * BeatBits)'({8 * LastBlock{1'b1}});
  end

  stream_fifo #(
      .Width(BeatBits + 1),
      .Depth(FifoDepth)
  ) u_fifo (
      .clk_i,
      .rst_ni,
      .in_valid_i (read_q),
      .in_ready_o (fifo_ready),
      .in_data_i  ({last_q, row[BeatBits*32'(beat_read_q)+:BeatBits]}),
      .out_valid_o(blocks_valid_o),
      .out_ready_i(blocks_ready_i),
      .out_data_o ({blocks_last_o, blocks_data_o})
  );

  // room_q counts what the queue can take.
  always_ff @(posedge clk_i) assert (!rst_ni || !read_q || fifo_ready);

endmodule : block_order
