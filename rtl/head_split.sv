/// Sends a head's query, key and value rows of a qkv packet three ways; no register on the data.
module head_split
  import attention_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    input  logic               rows_valid_i,
    output logic               rows_ready_o,
    input  logic [RowBits-1:0] rows_data_i,

    input  logic in_valid_i,
    output logic in_ready_o,

    output logic [2:0] part_valid_o,  // {value, key, query}
    input  logic [2:0] part_ready_i
);

  localparam int unsigned Heads = transfab_pkg::Heads;
  localparam int unsigned HeadBits = operator_pkg::index_bits(Heads);
  localparam int unsigned BeatIndexBits = operator_pkg::index_bits(RowBeats);

  logic [HeadBits-1:0] head_q;
  logic [1:0] part_q;
  logic [RowBits-1:0] row_q;
  logic [BeatIndexBits-1:0] beat_q;
  logic enter, row_ends, part_ends, head_ends;

  always_comb begin
    part_valid_o = '0;
    part_valid_o[part_q] = in_valid_i && rows_valid_i;
  end
  assign in_ready_o = rows_valid_i && part_ready_i[part_q];
  assign enter = in_valid_i && in_ready_o;
  assign row_ends = enter && beat_q == BeatIndexBits'(RowBeats - 1);
  assign part_ends = row_ends && row_q == rows_data_i - 1'b1;
  assign head_ends = part_ends && part_q == 2'd2;
  assign rows_ready_o = head_ends && head_q == HeadBits'(Heads - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      head_q <= '0;
      part_q <= '0;
      row_q  <= '0;
      beat_q <= '0;
    end else begin
      if (enter) beat_q <= row_ends ? '0 : beat_q + 1'b1;
      if (row_ends) row_q <= part_ends ? '0 : row_q + 1'b1;
      if (part_ends) part_q <= head_ends ? '0 : part_q + 1'b1;
      if (head_ends) head_q <= rows_ready_o ? '0 : head_q + 1'b1;
    end
  end

endmodule : head_split
