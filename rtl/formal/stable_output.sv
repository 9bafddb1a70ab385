/// Asserts that what is valid and not taken stays valid with the same data.
module stable_output #(
    parameter int unsigned Width = 1
) (
    input logic clk_i,
    input logic started_i,

    input logic valid_i,
    input logic ready_i,
    input logic [Width-1:0] data_i
);

  logic waits_q;
  logic [Width-1:0] data_q;

  always_ff @(posedge clk_i) begin
    waits_q <= valid_i && !ready_i;
    data_q  <= data_i;
    if (started_i && waits_q) begin
      assert (valid_i);
      assert (data_i == data_q);
    end
  end

endmodule : stable_output
