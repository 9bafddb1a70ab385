/// gemm_by_channel: of a sequence each row passes for each tile and depth once, in order.
///
/// The sums of the last depth leave in order, a fixed time later, one permit a tile; weights swap
/// once a pass, when they are whole; a row's sum is written before it is read again. The properties
/// of row_ring and tile_loader are bound, too. Assumed: rows in [1, Sequence].
module gemm_by_channel_properties #(
    parameter int unsigned Latency = 1,
    parameter int unsigned Tiles = 1,
    parameter int unsigned DepthTiles = 1,
    parameter int unsigned Slices = 1,
    parameter int unsigned Fed = 1,
    localparam int unsigned Rows = transfab_pkg::Sequence,
    localparam int unsigned RowBits = $clog2(Rows + 1),
    localparam int unsigned RowIndexBits = operator_pkg::index_bits(Rows),
    localparam int unsigned TileBits = operator_pkg::index_bits(Tiles),
    localparam int unsigned DepthBits = operator_pkg::index_bits(DepthTiles),
    localparam int unsigned SliceBits = operator_pkg::index_bits(Slices),
    localparam int unsigned GapBits = $clog2(operator_pkg::Turnaround),
    localparam int unsigned StepBits = 5 + RowIndexBits + SliceBits
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid_i,
    input logic               rows_ready_o,
    input logic [RowBits-1:0] rows_data_i,

    input logic permit_valid_i,
    input logic permit_ready_o,

    input logic                    sums_valid_o,
    input logic [RowIndexBits-1:0] sums_row_o,
    input logic                    sums_last_o,

    input logic active_q,
    input logic issue,
    input logic pass_ends,
    input logic full,
    input logic releases,
    input logic [RowBits-1:0] released,
    input logic [RowBits-1:0] rows_q,
    input logic [RowBits-1:0] row_q,
    input logic [TileBits-1:0] tile_q,
    input logic [DepthBits-1:0] depth_q,
    input logic [GapBits-1:0] gap_q,
    // {valid, swap, first, last, row_last, row, slice}
    input logic [StepBits-1:0] step_q[Latency+2],

    input logic total_valid,
    input logic sum_valid,
    input logic [RowIndexBits-1:0] total_row,
    input logic [RowIndexBits-1:0] sum_row
);

  localparam int unsigned Turnaround = operator_pkg::Turnaround;
  localparam int unsigned Last = Latency + 1;  // the step whose total stands
  localparam int unsigned RowWidth = RowIndexBits + 1;

  logic started, begins, starts, whole, watched;
  logic [7:0] length_q, held, ahead;
  logic [15:0] issued_q, total;  // rows of the sequence that were issued
  logic [RowWidth-1:0] data;
  logic [Latency+1:0] valid, swaps, sums, came_q;
  logic [RowIndexBits-1:0] row[Latency+2];
  logic [RowWidth-1:0] marked[Latency+2];

  assign begins = rows_valid_i && rows_ready_o;
  assign starts = row_q == '0;
  assign whole  = 32'(depth_q) == DepthTiles - 1;
  assign total  = 16'(Tiles * DepthTiles) * 16'(length_q);

  always_comb begin
    for (int unsigned i = 0; i < Latency + 2; i++) begin
      valid[i] = step_q[i][StepBits-1];
      swaps[i] = valid[i] && step_q[i][StepBits-2];
      sums[i] = valid[i] && step_q[i][StepBits-4];
      row[i] = step_q[i][SliceBits+:RowIndexBits];
      marked[i] = step_q[i][SliceBits+:RowWidth];
    end
  end

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  watched_queue #(
      .Width(RowWidth)
  ) u_sums (
      .clk_i,
      .rst_ni,
      .started_i(started),
      .enter_i(issue && whole),
      .enter_data_i({pass_ends, RowIndexBits'(row_q)}),
      .leave_i(sums_valid_o),
      .leave_data_i({sums_last_o, sums_row_o}),
      .held_o(held),
      .watched_o(watched),
      .ahead_o(ahead),
      .data_o(data)
  );

  always_ff @(posedge clk_i) begin
    if (begins) length_q <= 8'(rows_data_i);
    if (!rst_ni || begins) issued_q <= '0;
    else issued_q <= issued_q + 16'(issue);
    if (!rst_ni) came_q <= '0;
    else came_q <= {came_q[Latency:0], issue && whole};
    if (rows_valid_i) assume (rows_data_i != '0 && 32'(rows_data_i) <= Rows);
    if (started) begin
      // The n-th row that is issued is row n of all passes; the next length after the last one.
      if (issue) begin
        assert (issued_q < total && row_q < rows_q);
        assert (pass_ends == (8'(row_q) == length_q - 8'd1));
      end
      if (rows_ready_o && issued_q != '0) assert (issued_q == total);
      // Rows are released with the last pass of their sequence.
      assert (releases == (issue && issued_q == total - 16'd1));
      if (releases) assert (released == rows_q);
      assert ((permit_valid_i && permit_ready_o) == (issue && starts && whole));
      assert (sums_valid_o == came_q[Last]);
      // Weights are whole when they swap, and wait for that before the next pass.
      if (swaps[Fed]) assert (full);
      if (issue && starts) assert (full && swaps[Fed:0] == '0);
      // A row's sum is written before it is read again.
      for (int unsigned i = 0; i < Turnaround - 1; i++) begin
        if (issue && depth_q != '0 && valid[i]) assert (row[i] != RowIndexBits'(row_q));
      end
      if (total_valid) assert (total_row == row[Last]);
      // What holds inside.
      if (active_q) begin
        assert (length_q == 8'(rows_q) && rows_q != '0 && 32'(rows_q) <= Rows && row_q < rows_q);
        assert (32'(tile_q) < Tiles && 32'(depth_q) < DepthTiles);
        assert (issued_q == (16'(tile_q) * 16'(DepthTiles) + 16'(depth_q)) * 16'(length_q) +
                16'(row_q));
      end else begin
        assert (row_q == '0 && tile_q == '0 && depth_q == '0);
      end
      assert (total_valid == valid[Last] && sum_valid == valid[Last-1]);
      if (sum_valid) assert (sum_row == row[Last-1]);
      assert (held == 8'($countones(sums)) && came_q == sums);
      if (swaps[Fed:0] != '0) assert (full && $countones(swaps[Fed:0]) == 1);
      for (int unsigned i = 0; i < Latency + 2; i++) begin
        if (watched && sums[i] && ahead == 8'($countones(sums >> (i + 1)))) begin
          assert (marked[i] == data);
        end
      end
      // The rows that were issued last, in this pass or the one before.
      if (active_q && (depth_q != '0 || row_q != '0)) begin
        if (valid[0]) assert (8'(row[0]) == (starts ? length_q : 8'(row_q)) - 8'd1);
        if (valid[1] && !valid[0]) begin
          assert (8'(row[1]) == (starts ? length_q : 8'(row_q)) - 8'd1);
        end
      end
    end
  end

endmodule : gemm_by_channel_properties

bind gemm_by_channel gemm_by_channel_properties #(
    .Latency(Latency),
    .Tiles(Tiles),
    .DepthTiles(DepthTiles),
    .Slices(Slices),
    .Fed(Fed)
) u_properties (
    .releases(u_operand.release_i),
    .released(u_operand.release_count_i),
    .total_valid(total_valid),
    .sum_valid(u_accumulator.sum_valid_q),
    .total_row(u_accumulator.total_address_q),
    .sum_row(u_accumulator.sum_address_q),
    .*
);
