/// channel_lanes: each row of sums leaves once as lanes, in order; a permit a tile.
module channel_lanes_contract #(
    parameter bit Stands = 1'b0,
    localparam int unsigned RowIndexBits = operator_pkg::index_bits(transfab_pkg::Sequence)
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
    input logic                    lanes_last_o
);

  logic granted_q, whole_q;  // whole: all sums of the tile are in
  logic [7:0] in_q, out_q;  // rows of the tile

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      granted_q <= 1'b0;
      whole_q <= 1'b0;
      in_q <= '0;
      out_q <= '0;
    end else if (lanes_valid_o && lanes_last_o) begin
      granted_q <= 1'b0;
      whole_q <= 1'b0;
      in_q <= '0;
      out_q <= '0;
    end else begin
      if (permit_valid_o && permit_ready_i) granted_q <= 1'b1;
      if (sums_valid_i && sums_last_i) whole_q <= 1'b1;
      in_q  <= in_q + 8'(sums_valid_i);
      out_q <= out_q + 8'(lanes_valid_o);
    end
  end

  contract_terms #(
      .Stands(Stands)
  ) u_terms (
      .clk_i,
      .rst_ni,
      .promised_i((!permit_valid_o || !granted_q) &&
                  (!lanes_valid_o || (out_q != in_q && 8'(lanes_row_o) == out_q &&
                   lanes_last_o == (whole_q && out_q == in_q - 1'b1)))),
      .demanded_i(!sums_valid_i || (granted_q && !whole_q && 8'(sums_row_i) == in_q))
  );

endmodule : channel_lanes_contract
