/// tile_loader: a tile is full after exactly Beats beats, and nothing is written until its swap.
module tile_loader_properties #(
    parameter int unsigned Beats = 1,
    localparam int unsigned BeatIndexBits = operator_pkg::index_bits(Beats)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic weights_valid_i,
    input logic weights_ready_o,

    input logic write_o,
    input logic [BeatIndexBits-1:0] write_index_o,

    input logic full_o,
    input logic swap_i
);

  logic started;
  logic [7:0] beats_q;  // taken since the last swap of a full tile

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) beats_q <= '0;
    else if (full_o && swap_i) beats_q <= '0;
    else if (weights_valid_i && weights_ready_o) beats_q <= beats_q + 1'b1;
    if (started) begin
      assert (beats_q <= Beats);
      assert (full_o == (beats_q == Beats));
      assert (weights_ready_o == !full_o);
      assert (write_o == (weights_valid_i && weights_ready_o));
      // Beat n of a tile has index n.
      assert (full_o || 8'(write_index_o) == beats_q);
      assert (!full_o || write_index_o == '0);
    end
  end

endmodule : tile_loader_properties

bind tile_loader tile_loader_properties #(.Beats(Beats)) u_properties (.*);
