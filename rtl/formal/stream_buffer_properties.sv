/// stream_buffer: a queue of Depth elements and one that is offered, with a stable output.
module stream_buffer_properties #(
    parameter int unsigned Width = 1,
    parameter int unsigned Depth = 1,
    localparam int unsigned IndexBits = operator_pkg::index_bits(Depth),
    localparam int unsigned CountBits = $clog2(Depth + 1)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic             in_valid_i,
    input logic             in_ready_o,
    input logic [Width-1:0] in_data_i,

    input logic             out_valid_o,
    input logic             out_ready_i,
    input logic [Width-1:0] out_data_o,

    input logic [Width-1:0] memory[Depth],
    input logic [IndexBits-1:0] write_q,
    input logic [IndexBits-1:0] read_q,
    input logic [CountBits-1:0] count_q
);

  logic started, watched;
  logic [7:0] held, ahead;
  logic [Width-1:0] data;

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_output #(
      .Width(Width)
  ) u_stable (
      .clk_i,
      .started_i(started),
      .valid_i(out_valid_o),
      .ready_i(out_ready_i),
      .data_i(out_data_o)
  );

  watched_queue #(
      .Width(Width)
  ) u_queue (
      .clk_i,
      .rst_ni,
      .started_i(started),
      .enter_i(in_valid_i && in_ready_o),
      .enter_data_i(in_data_i),
      .leave_i(out_valid_o && out_ready_i),
      .leave_data_i(out_data_o),
      .held_o(held),
      .watched_o(watched),
      .ahead_o(ahead),
      .data_o(data)
  );

  always_ff @(posedge clk_i) begin
    if (started) begin
      assert (in_ready_o == (count_q < Depth));
      assert (8'(count_q) + 8'(out_valid_o) == held && count_q <= Depth);
      assert (read_q < Depth && write_q < Depth);
      assert ((32'(read_q) + 32'(count_q)) % Depth == 32'(write_q));
      if (watched && out_valid_o && ahead == '0) assert (out_data_o == data);
      if (watched && !(out_valid_o && ahead == '0)) begin
        assert (memory[(32'(read_q)+32'(ahead)-32'(out_valid_o))%Depth] == data);
      end
    end
  end

endmodule : stream_buffer_properties

bind stream_buffer stream_buffer_properties #(
    .Width(Width),
    .Depth(Depth)
) u_properties (.*);
