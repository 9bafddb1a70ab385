/// sum_banks: sequences inside have banks of their own; a row's tile is read where it was written.
///
/// Words leave as they were read, in order, none lost. Assumed: tiles and rows are the sequence's,
/// it ends once it is granted, is written after that, and the word that waits stays in memory.
module sum_banks_properties #(
    parameter int unsigned Pe = 1,
    parameter int unsigned Tiles = 1,
    parameter int unsigned SumBits = 27,
    localparam int unsigned Rows = transfab_pkg::Sequence,
    localparam int unsigned RowBits = $clog2(Rows + 1),
    localparam int unsigned Half = operator_pkg::ceil_divide(Rows, 2),
    localparam int unsigned TileBits = operator_pkg::index_bits(Tiles),
    localparam int unsigned AddressBits = operator_pkg::index_bits(Tiles * Half)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic [RowBits-1:0] rows_i,
    input logic               request_i,
    input logic               granted_o,

    input logic [    RowBits-1:0] row_i,
    input logic [   TileBits-1:0] tile_i,
    input logic                   bank_o,
    input logic [AddressBits-1:0] address_o,

    input logic sequence_ends_i,
    input logic written_i,

    input logic                   read_o,
    input logic                   read_bank_o,
    input logic [AddressBits-1:0] read_address_o,
    input logic [ Pe*SumBits-1:0] read_word_i,

    input logic                      sums_valid_o,
    input logic                      sums_ready_i,
    input logic signed [SumBits-1:0] sums_data_o [Pe],

    input logic grant,
    input logic both,
    input logic leaves,
    input logic both_q,
    input logic bank_q,
    input logic next_q,
    input logic [1:0] busy_q,
    input logic [1:0] leaves_q,
    input logic [1:0] written_q,
    input logic [RowBits-1:0] row_q,
    input logic [TileBits-1:0] tile_q,
    input logic word_valid_q,
    input logic [RowBits+1:0] places[2],  // the queue: {rows, both, bank}
    input logic first_place,
    input logic [1:0] count
);

  logic started, read_q, watched;
  logic [7:0] held, ahead, pending_q;  // pending: ended and not written yet
  logic [Pe*SumBits-1:0] data, sums, word_q;
  logic [ RowBits-1:0] row;
  logic [TileBits-1:0] tile;
  logic [1:0] oldest, newest;
  logic [RowBits+1:0] writer;

  function automatic logic [1:0] banks(logic [RowBits+1:0] place);
    return place[1] ? 2'b11 : place[0] ? 2'b10 : 2'b01;
  endfunction

  assign oldest = count != '0 ? banks(places[first_place]) : '0;
  assign newest = count == 2'd2 ? banks(places[!first_place]) : '0;
  assign writer = count == 2'd2 ? places[!first_place] : places[first_place];

  always_comb for (int unsigned i = 0; i < Pe; i++) sums[SumBits*i+:SumBits] = sums_data_o[i];

  any_constant #(
      .Width(RowBits)
  ) u_row (
      .clk_i,
      .value_o(row)
  );

  any_constant #(
      .Width(TileBits),
      .Count(Tiles)
  ) u_tile (
      .clk_i,
      .value_o(tile)
  );

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_output #(
      .Width(Pe * SumBits)
  ) u_stable (
      .clk_i,
      .started_i(started),
      .valid_i(sums_valid_o),
      .ready_i(sums_ready_i),
      .data_i(sums)
  );

  watched_queue #(
      .Width(Pe * SumBits)
  ) u_words (
      .clk_i,
      .rst_ni,
      .started_i(started),
      .enter_i(read_q),
      .enter_data_i(read_word_i),
      .leave_i(sums_valid_o && sums_ready_i),
      .leave_data_i(sums),
      .held_o(held),
      .watched_o(watched),
      .ahead_o(ahead),
      .data_o(data)
  );

  // Where a row's tile of a place stands.
  function automatic logic [AddressBits:0] located(
      logic [RowBits+1:0] place, logic [RowBits-1:0] of_row, logic [TileBits-1:0] of_tile);
    logic upper;
    upper = place[1] && 32'(of_row) >= Half;
    return {
      place[1] ? upper : place[0],
      AddressBits'(32'(of_tile) * Half + 32'(of_row) - (upper ? Half : 0))
    };
  endfunction

  always_ff @(posedge clk_i) begin
    word_q <= read_word_i;
    if (!rst_ni) begin
      read_q <= 1'b0;
      pending_q <= '0;
    end else begin
      read_q <= read_o;
      pending_q <= pending_q + 8'(sequence_ends_i) - 8'(written_i);
    end
    if (sequence_ends_i) assume (granted_o);
    if (written_i) assume (pending_q != '0);
    assume (!request_i || (rows_i != '0 && 32'(rows_i) <= Rows));
    assume (32'(tile_i) < Tiles);
    if (granted_o) assume (row_i < writer[RowBits+1:2]);
    if (started && word_valid_q && !read_q) assume (read_word_i == word_q);
    if (started) begin
      assert ((oldest & newest) == '0);
      // Nor with the sequence whose last word still stands in memory.
      assert (((oldest | newest) & leaves_q) == '0);
      if (granted_o) begin
        // The writer's bank is its own, and no two of its rows and tiles share a word.
        assert ({bank_o, address_o} == located(writer, row_i, tile_i));
        assert ((banks(writer) >> bank_o & 2'b01) != '0);
        if (row < writer[RowBits+1:2] && (row != row_i || tile != tile_i)) begin
          assert (located(writer, row, tile) != {bank_o, address_o});
        end
      end
      if (read_o) begin
        assert ({read_bank_o, read_address_o} == located(places[first_place], row_q, tile_q));
        assert (count > 2'(granted_o));
      end
      // A sequence is read row by row, tile by tile.
      if (leaves) begin
        assert (row_q == places[first_place][RowBits+1:2] - 1'b1);
        assert (tile_q == TileBits'(Tiles - 1));
      end
      // What holds inside.
      assert (32'(tile_q) < Tiles && (count == '0 || row_q < places[first_place][RowBits+1:2]));
      if (count == '0) assert (row_q == '0 && tile_q == '0);
      if (written_q == '0) assert (row_q == '0 && tile_q == '0);
      assert (busy_q == (oldest | newest | leaves_q) && count <= 2'd2);
      if (!word_valid_q) assert (leaves_q == '0);
      for (int unsigned i = 0; i < 2; i++) begin
        if (count == 2'd2 || (count == 2'd1 && first_place == 1'(i))) begin
          assert (places[i][RowBits+1:2] != '0 && 32'(places[i][RowBits+1:2]) <= Rows);
          assert (places[i][1] == (32'(places[i][RowBits+1:2]) > Half));
        end
      end
      assert (8'(count) == 8'(granted_o) + pending_q + 8'(written_q) && written_q <= 2'd2);
      assert (pending_q <= 8'd2);
      if (granted_o) assert ({both_q, bank_q} == writer[1:0]);
      if (read_q) assert (word_valid_q);
      assert (held == 8'(word_valid_q && !read_q) + 8'(sums_valid_o));
      if (watched && sums_valid_o && ahead == '0) assert (sums == data);
      if (watched && !(sums_valid_o && ahead == '0)) assert (read_word_i == data);
    end
  end

endmodule : sum_banks_properties

bind sum_banks sum_banks_properties #(
    .Pe(Pe),
    .Tiles(Tiles),
    .SumBits(SumBits)
) u_properties (
    .places(u_leaving.memory),
    .first_place(u_leaving.read_q),
    .count(u_leaving.count_q),
    .*
);
