/// Sends each element of a stream to every output, each at its own pace.
///
/// No register on the data; an output that took its element waits for the others.
module stream_fork #(
    parameter int unsigned Outputs = 2
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic in_valid_i,
    output logic in_ready_o,

    output logic [Outputs-1:0] out_valid_o,
    input  logic [Outputs-1:0] out_ready_i
);

  logic [Outputs-1:0] taken_q;

  assign out_valid_o = {Outputs{in_valid_i}} & ~taken_q;
  assign in_ready_o  = &(taken_q | out_ready_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) taken_q <= '0;
    else if (in_valid_i) taken_q <= in_ready_o ? '0 : taken_q | out_ready_i;
  end

endmodule : stream_fork
