/// An arbitrary value, another one each cycle: nothing drives it.
module any_value #(
    parameter int unsigned Width = 1
) (
    output logic [Width-1:0] value_o
);

endmodule : any_value
