/// Whether what was valid and not taken is still valid with the same data.
module stays #(
    parameter int unsigned Width = 1
) (
    input logic clk_i,
    input logic started_i,

    input logic valid_i,
    input logic ready_i,
    input logic [Width-1:0] data_i,

    output logic stays_o
);

  logic waits_q;
  logic [Width-1:0] data_q;

  assign stays_o = !started_i || !waits_q || (valid_i && data_i == data_q);

  always_ff @(posedge clk_i) begin
    waits_q <= valid_i && !ready_i;
    data_q  <= data_i;
  end

endmodule : stays
