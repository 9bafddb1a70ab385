/// Assumes a reset in the first cycle; a later one may come at any time.
///
/// started_o: the cycle before was out of reset, and so is this one.
module reset_first (
    input logic clk_i,
    input logic rst_ni,

    output logic started_o
);

  logic later_q = 1'b0;
  logic reset_q = 1'b0;

  always_ff @(posedge clk_i) begin
    later_q <= 1'b1;
    reset_q <= rst_ni;
    if (!later_q) assume (!rst_ni);
  end

  assign started_o = later_q && reset_q && rst_ni;

endmodule : reset_first
