/// rows_fork: each output is a queue of all lengths that enter.
///
/// Any one of two outputs is looked at; the properties of stream_fork and stream_fifo are bound, too.
/// Assumed: the input is stable.
module rows_fork_properties #(
    parameter int unsigned Outputs = 1,
    parameter int unsigned Depth = 1,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned IndexBits = operator_pkg::index_bits(Depth),
    localparam int unsigned CountBits = $clog2(Depth + 1)
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
    input logic [Outputs-1:0] taken_q,

    // Of the queues of outputs 0 and 1.
    input logic [  RowBits-1:0] memory_0[Depth],
    input logic [  RowBits-1:0] memory_1[Depth],
    input logic [IndexBits-1:0] first_0,
    input logic [IndexBits-1:0] first_1,
    input logic [CountBits-1:0] count_0,
    input logic [CountBits-1:0] count_1
);

  logic which;
  logic started, enter, watched;
  logic [7:0] held, ahead;
  logic [RowBits-1:0] data;
  logic [7:0] ahead_q;  // 0 or 1: it has taken the length that stands at the input

  assign enter = valid[which] && ready[which];

  any_constant u_which (
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

  watched_queue #(
      .Width(RowBits)
  ) u_queue (
      .clk_i,
      .rst_ni,
      .started_i(started),
      .enter_i(enter),
      .enter_data_i(rows_data_i),
      .leave_i(rows_valid_o[which] && rows_ready_i[which]),
      .leave_data_i(rows_data_o[which]),
      .held_o(held),
      .watched_o(watched),
      .ahead_o(ahead),
      .data_o(data)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) ahead_q <= '0;
    else ahead_q <= ahead_q + 8'(enter) - 8'(rows_valid_i && rows_ready_o);
    if (started) begin
      assert (ahead_q == 8'(taken_q[which]));
      assert (rows_valid_o[which] == (held != '0));
      // What holds inside.
      assert (held == 8'(which ? count_1 : count_0));
      if (watched && which) assert (memory_1[(32'(first_1)+32'(ahead))%Depth] == data);
      if (watched && !which) assert (memory_0[(32'(first_0)+32'(ahead))%Depth] == data);
    end
  end

endmodule : rows_fork_properties

bind rows_fork rows_fork_properties #(
    .Outputs(Outputs),
    .Depth  (Depth)
) u_properties (
    .taken_q (u_fork.taken_q),
    .memory_0(gen_output[0].u_fifo.memory),
    .memory_1(gen_output[1].u_fifo.memory),
    .first_0 (gen_output[0].u_fifo.read_q),
    .first_1 (gen_output[1].u_fifo.read_q),
    .count_0 (gen_output[0].u_fifo.count_q),
    .count_1 (gen_output[1].u_fifo.count_q),
    .*
);
