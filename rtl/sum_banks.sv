/// Which bank of an accumulator holds which sequence, and its sums row by row when all are added.
///
/// A sequence of at most half the rows takes one of the two banks, a longer one both. A word of Tiles
/// a row stands at tile * Half + row. granted_o from request_i on, until sequence_ends_i; the sums
/// leave after written_i.
module sum_banks #(
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

    input  logic [RowBits-1:0] rows_i,
    input  logic               request_i,
    output logic               granted_o,

    input  logic [    RowBits-1:0] row_i,
    input  logic [   TileBits-1:0] tile_i,
    output logic                   bank_o,
    output logic [AddressBits-1:0] address_o,

    input logic sequence_ends_i,
    input logic written_i,

    output logic                   read_o,
    output logic                   read_bank_o,
    output logic [AddressBits-1:0] read_address_o,
    input  logic [ Pe*SumBits-1:0] read_word_i,

    output logic                      sums_valid_o,
    input  logic                      sums_ready_i,
    output logic signed [SumBits-1:0] sums_data_o [Pe]
);

  // A sequence's place: its rows, whether it has both banks, its first bank.
  typedef struct packed {
    logic [RowBits-1:0] rows;
    logic both;
    logic bank;
  } place_t;

  logic [1:0] busy_q;
  logic [1:0] leaves_q;  // banks whose last word waits to move
  logic next_q, grant, both, room, leaving_valid, leaves;
  place_t leaving;
  logic both_q, bank_q;
  logic [1:0] written_q;
  logic [RowBits-1:0] row_q;
  logic [TileBits-1:0] tile_q;
  logic word_valid_q, move, row_ends;

  // Bank and address of a row's tile.
  function automatic logic [AddressBits:0] locate(
      logic has_both, logic bank, logic [RowBits-1:0] row, logic [TileBits-1:0] tile);
    logic upper;
    upper = has_both && 32'(row) >= Half;
    return {
      upper || (!has_both && bank), AddressBits'(32'(tile) * Half + 32'(row) - (upper ? Half : 0))
    };
  endfunction

  assign both = 32'(rows_i) > Half;
  assign grant = request_i && !granted_o && room && (both ? busy_q == '0 : !busy_q[next_q]);
  assign {bank_o, address_o} = locate(both_q, bank_q, row_i, tile_i);

  stream_fifo #(
      .Width($bits(place_t)),
      .Depth(2)
  ) u_leaving (
      .clk_i,
      .rst_ni,
      .in_valid_i (grant),
      .in_ready_o (room),
      .in_data_i  ({rows_i, both, next_q}),
      .out_valid_o(leaving_valid),
      .out_ready_i(leaves),
      .out_data_o (leaving)
  );

  // Two steps, each moving when the next one does: the word in memory, its lanes.
  assign move = !sums_valid_o || sums_ready_i;
  assign read_o = leaving_valid && written_q != '0 && (!word_valid_q || move);
  assign {read_bank_o, read_address_o} = locate(leaving.both, leaving.bank, row_q, tile_q);
  assign row_ends = read_o && tile_q == TileBits'(Tiles - 1);
  assign leaves = row_ends && row_q == leaving.rows - 1'b1;

  always_ff @(posedge clk_i) begin
    if (word_valid_q && move) begin
      for (int unsigned p = 0; p < Pe; p++) sums_data_o[p] <= read_word_i[SumBits*p+:SumBits];
    end
    if (grant) {both_q, bank_q} <= {both, next_q};
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q <= '0;
      leaves_q <= '0;
      next_q <= 1'b0;
      granted_o <= 1'b0;
      written_q <= '0;
      row_q <= '0;
      tile_q <= '0;
      word_valid_q <= 1'b0;
      sums_valid_o <= 1'b0;
    end else begin
      if (grant) begin
        granted_o <= 1'b1;
        if (!both) next_q <= !next_q;
      end
      if (sequence_ends_i) granted_o <= 1'b0;
      for (int unsigned b = 0; b < 2; b++) begin
        if (grant && (both || next_q == 1'(b))) busy_q[b] <= 1'b1;
        else if (word_valid_q && move && leaves_q[b]) busy_q[b] <= 1'b0;
        // The next sums of a bank would replace the word that it shows.
        if (leaves) leaves_q[b] <= leaving.both || leaving.bank == 1'(b);
        else if (move) leaves_q[b] <= 1'b0;
      end
      written_q <= written_q + 2'(written_i) - 2'(leaves);
      if (read_o) tile_q <= row_ends ? '0 : tile_q + 1'b1;
      if (row_ends) row_q <= leaves ? '0 : row_q + 1'b1;
      word_valid_q <= read_o || (word_valid_q && !move);
      sums_valid_o <= word_valid_q || (sums_valid_o && !sums_ready_i);
    end
  end

endmodule : sum_banks
