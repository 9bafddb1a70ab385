/// gemm_by_depth: of a sequence each row passes for each block, depth and tile once, in order.
///
/// Weights swap once a pass, when they are whole; a row's sum is written before it is read again.
/// The properties of row_ring, tile_loader, row_sums and sum_banks are bound, too: sums leave in
/// order when all are added. Assumed: rows in [1, Sequence].
module gemm_by_depth_properties #(
    parameter int unsigned Tiles = 1,
    parameter int unsigned Blocks = 1,
    parameter int unsigned DepthTiles = 1,
    parameter int unsigned LastDepthTiles = 1,
    parameter int unsigned Fed = 1,
    localparam int unsigned Rows = transfab_pkg::Sequence,
    localparam int unsigned RowBits = $clog2(Rows + 1),
    localparam int unsigned TileBits = operator_pkg::index_bits(Tiles),
    localparam int unsigned DepthBits = operator_pkg::index_bits(DepthTiles),
    localparam int unsigned BlockBits = operator_pkg::index_bits(Blocks),
    localparam int unsigned GapBits = $clog2(operator_pkg::Turnaround),
    localparam int unsigned StepBits = 3 + DepthBits
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid_i,
    input logic               rows_ready_o,
    input logic [RowBits-1:0] rows_data_i,

    input logic busy_o,

    input logic active_q,
    input logic granted,
    input logic issue,
    input logic pass_ends,
    input logic block_ends,
    input logic sequence_ends,
    input logic full,
    input logic releases,
    input logic [RowBits-1:0] released,
    input logic [RowBits-1:0] rows_q,
    input logic [RowBits-1:0] row_q,
    input logic [TileBits-1:0] tile_q,
    input logic [DepthBits-1:0] depth_q,
    input logic [BlockBits-1:0] block_q,
    input logic [GapBits-1:0] gap_q,
    input logic [StepBits-1:0] step_q[Fed+1],  // {valid, swap, depth, last_block}

    input logic [RowBits+1:0] places[2],  // the queue of sum_banks: {rows, both, bank}
    input logic first_place,
    input logic [1:0] count
);

  localparam int unsigned Passes = Tiles * ((Blocks - 1) * DepthTiles + LastDepthTiles);

  logic started, begins, starts;
  logic [7:0] length_q, pass;
  logic [15:0] issued_q;  // rows of the sequence that were issued
  logic [ 1:0] came_q;  // rows in the last two cycles, and which
  logic [RowBits-1:0] row_1q, row_2q;
  logic [Fed:0] swaps;
  logic [RowBits+1:0] writer;

  assign begins = rows_valid_i && rows_ready_o;
  assign starts = row_q == '0;
  assign pass   = (8'(block_q) * 8'(DepthTiles) + 8'(depth_q)) * 8'(Tiles) + 8'(tile_q);
  assign writer = count == 2'd2 ? places[!first_place] : places[first_place];

  always_comb begin
    for (int unsigned i = 0; i <= Fed; i++) begin
      swaps[i] = step_q[i][StepBits-1] && step_q[i][StepBits-2];
    end
  end

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  always_ff @(posedge clk_i) begin
    if (begins) length_q <= 8'(rows_data_i);
    if (!rst_ni || begins) issued_q <= '0;
    else issued_q <= issued_q + 16'(issue);
    if (!rst_ni) came_q <= '0;
    else came_q <= {came_q[0], issue};
    row_1q <= row_q;
    row_2q <= row_1q;
    if (rows_valid_i) assume (rows_data_i != '0 && 32'(rows_data_i) <= Rows);
    if (started) begin
      // The n-th row that is issued is row n of all passes; the next length after the last one.
      if (issue) begin
        assert (issued_q < 16'(Passes) * 16'(length_q) && row_q < rows_q && granted);
        assert (pass_ends == (8'(row_q) == length_q - 8'd1));
      end
      if (rows_ready_o && issued_q != '0) assert (issued_q == 16'(Passes) * 16'(length_q));
      // Rows are released with the last pass of their block.
      assert (sequence_ends == (issue && issued_q == 16'(Passes) * 16'(length_q) - 16'd1));
      assert (block_ends == (pass_ends && (pass == 8'(Passes - 1) || (32'(block_q) < Blocks - 1 &&
              32'(depth_q) == DepthTiles - 1 && 32'(tile_q) == Tiles - 1))));
      assert (releases == block_ends && (!releases || released == rows_q));
      assert (busy_o == came_q[Fed]);
      // Weights are whole when they swap, and wait for that before the next pass.
      if (swaps[Fed]) assert (full);
      if (issue && starts) assert (full && swaps == '0);
      // A row's sum is written before it is read again.
      if (issue && pass != '0) begin
        if (came_q[0]) assert (row_1q != row_q);
        if (came_q[1]) assert (row_2q != row_q);
      end
      // What holds inside.
      if (active_q) begin
        assert (length_q == 8'(rows_q) && rows_q != '0 && 32'(rows_q) <= Rows && row_q < rows_q);
        assert (32'(tile_q) < Tiles && 32'(block_q) < Blocks);
        assert (32'(depth_q) < (32'(block_q) == Blocks - 1 ? LastDepthTiles : DepthTiles));
        assert (issued_q == 16'(pass) * 16'(length_q) + 16'(row_q));
      end else begin
        assert (row_q == '0 && tile_q == '0 && depth_q == '0 && block_q == '0 && !granted);
      end
      if (!granted) assert (row_q == '0 && pass == '0);
      if (granted) assert (count != '0 && writer[RowBits+1:2] == rows_q);
      if (swaps != '0) assert (full && $countones(swaps) == 1);
      for (int unsigned i = 0; i <= Fed; i++) assert (step_q[i][StepBits-1] == came_q[i]);
      // The rows that were issued last, in this pass or the one before.
      if (active_q && (pass != '0 || row_q != '0)) begin
        if (came_q[0]) assert (8'(row_1q) == (starts ? length_q : 8'(row_q)) - 8'd1);
        if (came_q[1] && !came_q[0]) begin
          assert (8'(row_2q) == (starts ? length_q : 8'(row_q)) - 8'd1);
        end
      end
    end
  end

endmodule : gemm_by_depth_properties

bind gemm_by_depth gemm_by_depth_properties #(
    .Tiles(Tiles),
    .Blocks(Blocks),
    .DepthTiles(DepthTiles),
    .LastDepthTiles(LastDepthTiles),
    .Fed(Fed)
) u_properties (
    .releases(u_operand.release_i),
    .released(u_operand.release_count_i),
    .places(u_sums.u_banks.u_leaving.memory),
    .first_place(u_sums.u_banks.u_leaving.read_q),
    .count(u_sums.u_banks.u_leaving.count_q),
    .*
);
