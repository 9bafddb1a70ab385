/// rows_fork: each output is a queue of all lengths that enter.
///
/// Any one output is looked at; the properties of stream_fork and stream_fifo are bound here, too.
/// Assumed: the input is stable.
module rows_fork_properties #(
    parameter int unsigned Outputs = 1,
    parameter int unsigned Depth = 1,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid_i,
    input logic               rows_ready_o,
    input logic [RowBits-1:0] rows_data_i,

    input logic [Outputs-1:0] rows_valid_o,
    input logic [Outputs-1:0] rows_ready_i,
    input logic [RowBits-1:0] rows_data_o [Outputs],

    input logic [Outputs-1:0] valid,
    input logic [Outputs-1:0] ready,
    input logic [Outputs-1:0] taken_q
);

  logic [operator_pkg::index_bits(Outputs)-1:0] which;
  logic started, enter;
  logic [7:0] ahead_q;  // 0 or 1: it has taken the length that stands at the input

  assign enter = valid[which] && ready[which];

  any_constant #(
      .Width($bits(which))
  ) u_which (
      .clk_i,
      .value_o(which)
  );

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_input #(
      .Width(RowBits)
  ) u_input (
      .clk_i,
      .started_i(started),
      .valid_i(rows_valid_i),
      .ready_i(rows_ready_o),
      .data_i(rows_data_i)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) ahead_q <= '0;
    else ahead_q <= ahead_q + 8'(enter) - 8'(rows_valid_i && rows_ready_o);
    assume (32'(which) < Outputs);
    if (started) assert (ahead_q == 8'(taken_q[which]));
  end

endmodule : rows_fork_properties

bind rows_fork rows_fork_properties #(
    .Outputs(Outputs),
    .Depth(Depth)
) u_properties (
    .taken_q(u_fork.taken_q),
    .*
);
