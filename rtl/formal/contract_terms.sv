/// What a contract says of a cycle out of reset.
///
/// Of a module that is proved the promise is asserted and the demand assumed; of one that the
/// contract stands in for (Stands) the promise is assumed and the demand asserted.
module contract_terms #(
    parameter bit Stands = 1'b0
) (
    input logic clk_i,
    input logic rst_ni,

    input logic promised_i,
    input logic demanded_i
);

  if (Stands) begin : gen_stands
    always_ff @(posedge clk_i) begin
      if (rst_ni) assume (promised_i);
      if (rst_ni) assert (demanded_i);
    end
  end else begin : gen_proved
    always_ff @(posedge clk_i) begin
      if (rst_ni) assume (demanded_i);
      if (rst_ni) assert (promised_i);
    end
  end

endmodule : contract_terms
