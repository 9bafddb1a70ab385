/// distribute with an empty section, a repeated body and outputs that share a section.
module distribute_case (
    input logic clk_i,
    input logic rst_ni,

    input  logic in_valid_i,
    output logic in_ready_o,

    output logic [2:0] out_valid_o,
    input  logic [2:0] out_ready_i
);

  distribute #(
      .Outputs(3),
      .Steps(5),
      .First(2),
      .Body(2),
      .Repeat(3),
      .Counts('{1, 0, 1, 2, 3, 0}),
      .Targets('{8'b00000011, 8'b00000100, 8'b00000010, 8'b00000101, 8'b00000100, 8'b00000000})
  ) u_distribute (
      .clk_i,
      .rst_ni,
      .in_valid_i,
      .in_ready_o,
      .out_valid_o,
      .out_ready_i
  );

endmodule : distribute_case
