/// A first-in first-out queue: what enters leaves in order, never lost, never twice.
///
/// Latency one cycle; ready and valid are registers' functions, never of each other.
module stream_fifo #(
    parameter int unsigned Width = 8,
    parameter int unsigned Depth = 2
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic             in_valid_i,
    output logic             in_ready_o,
    input  logic [Width-1:0] in_data_i,

    output logic             out_valid_o,
    input  logic             out_ready_i,
    output logic [Width-1:0] out_data_o
);

  localparam int unsigned IndexBits = operator_pkg::index_bits(Depth);
  localparam int unsigned CountBits = $clog2(Depth + 1);

  logic [Width-1:0] memory[Depth];
  logic [IndexBits-1:0] write_q, read_q;
  logic [CountBits-1:0] count_q;
  logic enter, leave;

  assign in_ready_o = count_q != CountBits'(Depth);
  assign out_valid_o = count_q != '0;
  assign out_data_o = memory[read_q];
  assign enter = in_valid_i && in_ready_o;
  assign leave = out_valid_o && out_ready_i;

  function automatic logic [IndexBits-1:0] next(logic [IndexBits-1:0] index);
    return index == IndexBits'(Depth - 1) ? '0 : index + 1'b1;
  endfunction

  always_ff @(posedge clk_i) begin
    if (enter) memory[write_q] <= in_data_i;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q <= '0;
      read_q  <= '0;
      count_q <= '0;
    end else begin
      if (enter) write_q <= next(write_q);
      if (leave) read_q <= next(read_q);
      if (enter && !leave) count_q <= count_q + 1'b1;
      if (leave && !enter) count_q <= count_q - 1'b1;
    end
  end

endmodule : stream_fifo
