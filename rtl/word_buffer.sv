/// A first-in first-out memory of wide words, read a cycle later, with room promised ahead.
///
/// reserve_i claims a word that is written some cycles later, in order; read_i frees the oldest and
/// shows it from the next cycle until the next read. room_o: a word can be claimed. The reader
/// knows by other means that the word it reads was written in an earlier cycle.
module word_buffer #(
    parameter int unsigned Width = 8,
    parameter int unsigned Depth = 2
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic             reserve_i,
    output logic             room_o,
    input  logic             write_i,
    input  logic [Width-1:0] write_data_i,

    input  logic             read_i,
    output logic [Width-1:0] read_data_o
);

  localparam int unsigned IndexBits = operator_pkg::index_bits(Depth);
  localparam int unsigned CountBits = $clog2(Depth + 1);

  logic [Width-1:0] memory[Depth];
  logic [IndexBits-1:0] write_q, read_q;
  logic [CountBits-1:0] count_q;  // words claimed and not yet read

  function automatic logic [IndexBits-1:0] next(logic [IndexBits-1:0] index);
    return index == IndexBits'(Depth - 1) ? '0 : index + 1'b1;
  endfunction

  assign room_o = count_q != CountBits'(Depth);

  always_ff @(posedge clk_i) begin
    if (write_i) memory[write_q] <= write_data_i;
  end

  always_ff @(posedge clk_i) begin
    if (read_i) read_data_o <= memory[read_q];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q <= '0;
      read_q  <= '0;
      count_q <= '0;
    end else begin
      if (write_i) write_q <= next(write_q);
      if (read_i) read_q <= next(read_q);
      if (reserve_i && !read_i) count_q <= count_q + 1'b1;
      if (read_i && !reserve_i) count_q <= count_q - 1'b1;
    end
  end

endmodule : word_buffer
