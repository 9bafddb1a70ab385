/// Beats of an input that were taken, less those that whole packets of the output are made of, modulo 256.
module surplus (
    input logic clk_i,
    input logic rst_ni,

    input logic       take_i,
    input logic       done_i,  // a packet of the output is whole
    input logic [7:0] beats_i, // that it is made of

    output logic [7:0] taken_o,
    output logic [7:0] done_o,
    output logic [7:0] surplus_o
);

  assign surplus_o = taken_o - done_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      taken_o <= '0;
      done_o  <= '0;
    end else begin
      taken_o <= taken_o + 8'(take_i);
      if (done_i) done_o <= done_o + beats_i;
    end
  end

endmodule : surplus
