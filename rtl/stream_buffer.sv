/// A deep queue in block RAM: what enters leaves in order, never lost, never twice.
///
/// Latency two cycles, one element a cycle; holds Depth elements beside the one that is offered.
module stream_buffer #(
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
  logic enter, read;

  assign in_ready_o = count_q != CountBits'(Depth);
  assign enter = in_valid_i && in_ready_o;
  assign read = count_q != '0 && (!out_valid_o || out_ready_i);

  function automatic logic [IndexBits-1:0] next(logic [IndexBits-1:0] index);
    return index == IndexBits'(Depth - 1) ? '0 : index + 1'b1;
  endfunction

  always_ff @(posedge clk_i) begin
    if (enter) memory[write_q] <= in_data_i;
  end

  always_ff @(posedge clk_i) begin
    if (read) out_data_o <= memory[read_q];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q <= '0;
      read_q <= '0;
      count_q <= '0;
      out_valid_o <= 1'b0;
    end else begin
      if (enter) write_q <= next(write_q);
      if (read) read_q <= next(read_q);
      count_q <= count_q + CountBits'(enter) - CountBits'(read);
      out_valid_o <= read || (out_valid_o && !out_ready_i);
    end
  end

endmodule : stream_buffer
