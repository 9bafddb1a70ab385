/// A value that is arbitrary and never changes.
module any_constant #(
    parameter int unsigned Width = 1,
    parameter int unsigned Count = 0   // it is below that, if that is not 0
) (
    input logic clk_i,

    output logic [Width-1:0] value_o
);

  logic [Width-1:0] value;
  logic [Width-1:0] value_q;
  logic later_q = 1'b0;

  assign value_o = value;

  any_value #(.Width(Width)) u_value (.value_o(value));

  always_ff @(posedge clk_i) begin
    later_q <= 1'b1;
    value_q <= value;
    if (Count != 0) assume (32'(value) < Count);
    if (later_q) assume (value == value_q);
  end

endmodule : any_constant
