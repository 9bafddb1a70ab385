/// GELU of int16: max(x, 0) less a table of 256 entries of |x| Phi(-|x|) over |x| < 4.
///
/// Latency operator_pkg::GeluLatency enabled cycles, one word of lanes each of them. shift_i =
/// fraction bits - 6 is constant while values are inside, and the table is not written then.
module gelu #(
    parameter int unsigned Lanes = 1,
    localparam int unsigned IndexBits = $clog2(transfab_pkg::GeluEntries)
) (
    input logic clk_i,
    input logic enable_i,

    input  logic        [ 5:0] shift_i,
    input  logic signed [15:0] value_i[Lanes],
    output logic signed [15:0] value_o[Lanes],

    input logic                 write_i,
    input logic [IndexBits-1:0] write_index_i,
    input logic [         15:0] write_value_i
);

  // Every lane reads: synthesis makes the copies that its memories' ports want.
  logic [15:0] memory[transfab_pkg::GeluEntries];

  logic [15:0] index_q[Lanes];  // of all of |x|
  logic signed [15:0] rectified_1q[Lanes], rectified_2q[Lanes];
  logic [15:0] entry_q[Lanes];
  logic inside_q[Lanes];

  function automatic logic [15:0] magnitude(logic signed [15:0] value);
    return value[15] ? -value : value;
  endfunction

  always_ff @(posedge clk_i) begin
    if (write_i) memory[write_index_i] <= write_value_i;
  end

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        index_q[lane] <= magnitude(value_i[lane]) >> shift_i;
        rectified_1q[lane] <= value_i[lane][15] ? '0 : value_i[lane];
        entry_q[lane] <= memory[index_q[lane][IndexBits-1:0]];
        inside_q[lane] <= index_q[lane][15:IndexBits] == '0;
        rectified_2q[lane] <= rectified_1q[lane];
        value_o[lane] <= rectified_2q[lane] - (inside_q[lane] ? signed'(entry_q[lane]) : 16'sd0);
      end
    end
  end

endmodule : gelu
