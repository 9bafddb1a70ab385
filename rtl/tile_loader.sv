/// Counts the beats of weight tiles into the shadow of a gemm_array: full_o until its swap.
module tile_loader #(
    parameter int unsigned Pe = 1,
    parameter int unsigned Simd = 1,
    localparam int unsigned Beats = operator_pkg::ceil_divide(Pe * Simd, transfab_pkg::BeatBytes),
    localparam int unsigned BeatIndexBits = operator_pkg::index_bits(Beats)
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic weights_valid_i,
    output logic weights_ready_o,

    output logic write_o,
    output logic [BeatIndexBits-1:0] write_index_o,

    output logic full_o,
    input  logic swap_i
);

  logic last;

  assign weights_ready_o = !full_o;
  assign write_o = weights_valid_i && weights_ready_o;
  assign last = write_index_o == BeatIndexBits'(Beats - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_index_o <= '0;
      full_o <= 1'b0;
    end else begin
      if (write_o) write_index_o <= last ? '0 : write_index_o + 1'b1;
      if (write_o && last) full_o <= 1'b1;
      else if (swap_i) full_o <= 1'b0;
    end
  end

endmodule : tile_loader
