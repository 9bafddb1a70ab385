/// stream_fork: each output takes each element exactly once; valid stays until taken.
///
/// Assumed: the input is stable.
module stream_fork_properties #(
    parameter int unsigned Outputs = 1
) (
    input logic clk_i,
    input logic rst_ni,

    input logic in_valid_i,
    input logic in_ready_o,

    input logic [Outputs-1:0] out_valid_o,
    input logic [Outputs-1:0] out_ready_i,

    input logic [Outputs-1:0] taken_q
);

  logic started;
  logic [Outputs-1:0] takes, got_q;  // of the element that stands at the input

  assign takes = out_valid_o & out_ready_i;

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_input u_input (
      .clk_i,
      .started_i(started),
      .valid_i(in_valid_i),
      .ready_i(in_ready_o),
      .data_i('0)
  );

  for (genvar i = 0; i < Outputs; i++) begin : gen_output
    stable_output u_stable (
        .clk_i,
        .started_i(started),
        .valid_i(out_valid_o[i]),
        .ready_i(out_ready_i[i]),
        .data_i('0)
    );
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) got_q <= '0;
    else if (in_valid_i) got_q <= in_ready_o ? '0 : got_q | takes;
    if (started) begin
      assert ((takes & got_q) == '0);
      if (!in_valid_i) assert (out_valid_o == '0 && got_q == '0);
      // Each output that has not taken it is offered it, whatever the others do.
      if (in_valid_i) assert ((out_valid_o | got_q) == '1);
      if (in_valid_i) assert (in_ready_o == ((takes | got_q) == '1));
      assert (got_q == taken_q);
    end
  end

endmodule : stream_fork_properties

bind stream_fork stream_fork_properties #(.Outputs(Outputs)) u_properties (.*);
