/// The lengths of the sequences to come, for each unit at its own pace: queues of Depth behind a
/// fork.
module rows_fork #(
    parameter  int unsigned Outputs = 1,
    parameter  int unsigned Depth   = 4,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1)
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic               rows_valid_i,
    output logic               rows_ready_o,
    input  logic [RowBits-1:0] rows_data_i,

    output logic [Outputs-1:0] rows_valid_o,
    input  logic [Outputs-1:0] rows_ready_i,
    output logic [RowBits-1:0] rows_data_o [Outputs]
);

  logic [Outputs-1:0] valid, ready;

  stream_fork #(
      .Outputs(Outputs)
  ) u_fork (
      .clk_i,
      .rst_ni,
      .in_valid_i (rows_valid_i),
      .in_ready_o (rows_ready_o),
      .out_valid_o(valid),
      .out_ready_i(ready)
  );

  for (genvar i = 0; i < Outputs; i++) begin : gen_output
    stream_fifo #(
        .Width(RowBits),
        .Depth(Depth)
    ) u_fifo (
        .clk_i,
        .rst_ni,
        .in_valid_i (valid[i]),
        .in_ready_o (ready[i]),
        .in_data_i  (rows_data_i),
        .out_valid_o(rows_valid_o[i]),
        .out_ready_i(rows_ready_i[i]),
        .out_data_o (rows_data_o[i])
    );
  end

endmodule : rows_fork
