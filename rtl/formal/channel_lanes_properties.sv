/// channel_lanes: a permit a tile; each row leaves Latency cycles after it came, in order.
///
/// While rows are inside, the tile's records are loaded, what is enabled stays so, and (without
/// Activation) a lane's shift is that of its channel's part. Values are not looked at. Assumed: rows
/// come under a permit, up to the tile's last.
module channel_lanes_properties #(
    parameter int unsigned Pe = 1,
    parameter int unsigned Channels = 1,
    parameter int unsigned Block = 1,
    parameter bit Activation = 1'b0,
    parameter int unsigned Latency = 1,
    localparam int unsigned RowIndexBits = operator_pkg::index_bits(transfab_pkg::Sequence),
    localparam int unsigned Tiles = operator_pkg::ceil_divide(Channels, Pe),
    localparam int unsigned Width = RowIndexBits + 1  // of a row with its mark
) (
    input logic clk_i,
    input logic rst_ni,

    input logic permit_valid_o,
    input logic permit_ready_i,

    input logic                    sums_valid_i,
    input logic [RowIndexBits-1:0] sums_row_i,
    input logic                    sums_last_i,

    input logic                    lanes_valid_o,
    input logic [RowIndexBits-1:0] lanes_row_o,
    input logic                    lanes_last_o,

    input logic [Width:0] step_q[Latency],  // {valid, last, row}
    input logic busy,
    input logic loaded,
    input logic ready_q,
    input logic granted_q,
    input logic release_tile,
    input logic [31:0] scalars[4],
    input logic [5:0] shift_q[Pe],
    input logic [7:0] tile,
    input logic [7:0] position
);

  localparam int unsigned Head = 3 * Block;

  logic started, permitted_q, watched;
  logic [7:0] held, ahead, tile_q;  // tile_q: of this sequence, ghost of the module's
  logic [Width-1:0] data;
  logic [Latency-1:0] valid, lasts, came_q;

  always_comb begin
    for (int unsigned i = 0; i < Latency; i++) begin
      valid[i] = step_q[i][Width];
      lasts[i] = step_q[i][Width] && step_q[i][Width-1];
    end
  end

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_output u_permit (
      .clk_i,
      .started_i(started),
      .valid_i(permit_valid_o),
      .ready_i(permit_ready_i),
      .data_i('0)
  );

  watched_queue #(
      .Width(Width)
  ) u_rows (
      .clk_i,
      .rst_ni,
      .started_i(started),
      .enter_i(sums_valid_i),
      .enter_data_i({sums_last_i, sums_row_i}),
      .leave_i(lanes_valid_o),
      .leave_data_i({lanes_last_o, lanes_row_o}),
      .held_o(held),
      .watched_o(watched),
      .ahead_o(ahead),
      .data_o(data)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      permitted_q <= 1'b0;
      tile_q <= '0;
      came_q <= '0;
    end else begin
      if (permit_valid_o && permit_ready_i) permitted_q <= 1'b1;
      else if (sums_valid_i && sums_last_i) permitted_q <= 1'b0;
      if (release_tile) tile_q <= tile_q == 8'(Tiles - 1) ? '0 : tile_q + 8'd1;
      came_q <= {came_q[Latency-2:0], sums_valid_i};
    end
    if (sums_valid_i) assume (permitted_q);
    if (started) begin
      // One permit a tile, and its records stay until its last row has left.
      if (permit_valid_o) assert (!permitted_q && held == '0 && loaded);
      if (permitted_q || held != '0) assert (loaded && ready_q);
      assert (release_tile == (lanes_valid_o && lanes_last_o));
      if (release_tile) assert (loaded && held == 8'd1);
      assert (lanes_valid_o == came_q[Latency-1]);
      assert (busy == (sums_valid_i || held != '0));
      // What holds inside.
      assert (came_q == valid && held == 8'($countones(valid)));
      assert (granted_q == (permitted_q || lasts != '0 || (held != '0)));
      assert ($countones(lasts) <= 1 && (lasts == '0 || !permitted_q));
      assert (ready_q || !granted_q);
      assert (!ready_q || loaded);
      if (held != '0) assert (permitted_q || lasts != '0);
      for (int unsigned i = 0; i < Latency; i++) begin
        if (lasts[i]) assert ((valid & ((Latency'(1) << i) - Latency'(1))) == '0);
        if (watched && valid[i] && ahead == 8'($countones(valid >> (i + 1)))) begin
          assert (step_q[i][Width-1:0] == data);
        end
      end
    end
  end

  if (!Activation) begin : gen_parts
    always_ff @(posedge clk_i) begin
      if (started) begin
        assert (tile == tile_q && tile_q < 8'(Tiles));
        assert (position == tile_q * 8'(Pe) % 8'(Head));
        if (ready_q) begin
          for (int unsigned p = 0; p < Pe; p++) begin
            assert (shift_q[p] == scalars[2'((tile_q*8'(Pe)+8'(p))/8'(Block)%8'd3)+2'd1][5:0]);
          end
        end
      end
    end
  end

endmodule : channel_lanes_properties
