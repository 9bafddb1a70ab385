/// A ring of rows of RowBeats beats: written in order, read at random among the rows not released.
///
/// A beat stands at read_data_o operator_pkg::RingLatency cycles after read_i. loaded_o counts whole
/// rows from the oldest one that is not released. A released row is overwritten only after reads
/// that were under way.
module row_ring #(
    parameter int unsigned Rows = 1,
    parameter int unsigned RowBeats = 1,
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes,
    localparam int unsigned CountBits = $clog2(Rows + 1),
    localparam int unsigned BeatIndexBits = operator_pkg::index_bits(RowBeats)
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic                in_valid_i,
    output logic                in_ready_o,
    input  logic [BeatBits-1:0] in_data_i,

    output logic [CountBits-1:0] loaded_o,

    input logic                     read_i,
    input logic [    CountBits-1:0] read_row_i,  // below loaded_o
    input logic [BeatIndexBits-1:0] read_beat_i,

    output logic [BeatBits-1:0] read_data_o,

    input logic                 release_i,
    input logic [CountBits-1:0] release_count_i  // rows, at most loaded_o
);

  localparam int unsigned AddressBits = operator_pkg::index_bits(Rows * RowBeats);

  logic [BeatBits-1:0] memory[Rows * RowBeats];
  logic [CountBits-1:0] base_q, loaded_q, held_q, row;
  logic [CountBits-1:0] freed_q[operator_pkg::RingLatency];
  logic [BeatIndexBits-1:0] in_beat_q;
  logic [AddressBits-1:0] write_address_q, read_address_q;
  logic read_q;
  logic enter, row_ends;

  function automatic logic [CountBits-1:0] around(logic [CountBits:0] index);
    return CountBits'(index >= (CountBits + 1)'(Rows) ? index - (CountBits + 1)'(Rows) : index);
  endfunction

  assign in_ready_o = held_q != CountBits'(Rows);
  assign enter = in_valid_i && in_ready_o;
  assign row_ends = enter && in_beat_q == BeatIndexBits'(RowBeats - 1);
  assign loaded_o = loaded_q;
  assign row = around((CountBits + 1)'(base_q) + (CountBits + 1)'(read_row_i));

  always_ff @(posedge clk_i) begin
    if (enter) memory[write_address_q] <= in_data_i;
  end

  always_ff @(posedge clk_i) begin
    if (read_i) begin
      read_address_q <= AddressBits'(operator_pkg::times(32'(row), RowBeats) + 32'(read_beat_i));
    end
    if (read_q) read_data_o <= memory[read_address_q];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      base_q <= '0;
      loaded_q <= '0;
      held_q <= '0;
      freed_q <= '{default: '0};
      in_beat_q <= '0;
      write_address_q <= '0;
      read_q <= 1'b0;
    end else begin
      read_q <= read_i;
      if (enter) begin
        in_beat_q <= row_ends ? '0 : in_beat_q + 1'b1;
        write_address_q <=
            write_address_q == AddressBits'(Rows * RowBeats - 1) ? '0 : write_address_q + 1'b1;
      end
      if (release_i) base_q <= around((CountBits + 1)'(base_q) + (CountBits + 1)'(release_count_i));
      loaded_q   <= loaded_q + CountBits'(row_ends) - (release_i ? release_count_i : '0);
      freed_q[0] <= release_i ? release_count_i : '0;
      for (int unsigned i = 1; i < operator_pkg::RingLatency; i++) freed_q[i] <= freed_q[i-1];
      held_q <= held_q + CountBits'(row_ends) - freed_q[operator_pkg::RingLatency-1];
    end
  end

endmodule : row_ring
