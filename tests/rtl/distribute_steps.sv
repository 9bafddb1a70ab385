/// distribute with steps of unlike counts and targets, one of no beats: arrays are no parameters of
/// a command line.
module distribute_steps #(
    parameter int unsigned First  = 2,
    parameter int unsigned Body   = 2,
    parameter int unsigned Repeat = 3,
    parameter int unsigned Steps  = 6
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic in_valid_i,
    output logic in_ready_o,

    output logic [2:0] out_valid_o,
    input  logic [2:0] out_ready_i
);

  distribute #(
      .Outputs(3),
      .Steps(Steps),
      .First(First),
      .Body(Body),
      .Repeat(Repeat),
      .Counts('{3, 0, 1, 4, 2, 1}),
      .Targets('{8'd3, 8'd1, 8'd2, 8'd4, 8'd1, 8'd7})
  ) u_distribute (
      .clk_i,
      .rst_ni,
      .in_valid_i,
      .in_ready_o,
      .out_valid_o,
      .out_ready_i
  );

endmodule : distribute_steps
