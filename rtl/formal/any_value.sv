/// An arbitrary value, another one each cycle: nothing drives it.
module any_value #(
    parameter int unsigned Width = 1,
    parameter int unsigned Count = 0   // it is below that, if that is not 0
) (
    output logic [Width-1:0] value_o
);

  if (Count != 0) begin : gen_below
    always_comb assume (32'(value_o) < Count);
  end

endmodule : any_value
