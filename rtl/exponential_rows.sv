/// Exponentials and scales of one head: written row by row by the softmax, read a word of Simd keys.
///
/// full_o when all S rows of a head and their scales are held, until release_i. A read takes
/// operator_pkg::RingLatency cycles for the exponentials and one for the scale.
module exponential_rows
  import attention_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    input  logic               rows_valid_i,
    output logic               rows_ready_o,
    input  logic [RowBits-1:0] rows_data_i,

    input  logic                       exponentials_valid_i,
    output logic                       exponentials_ready_o,
    input  logic [ExponentialBits-1:0] exponentials_data_i [SoftmaxLanes],

    input  logic   scale_valid_i,
    output logic   scale_ready_o,
    input  scale_t scale_data_i,

    output logic full_o,
    input  logic release_i,

    input  logic                            read_i,
    input  logic [        RowIndexBits-1:0] read_row_i,
    input  logic [            LoopBits-1:0] read_word_i,
    output logic [Simd*ExponentialBits-1:0] read_data_o,

    input  logic                      scale_read_i,
    input  logic   [RowIndexBits-1:0] scale_row_i,
    output scale_t                    scale_o
);

  localparam int unsigned Groups = Simd / SoftmaxLanes;
  localparam int unsigned GroupBits = operator_pkg::index_bits(Groups);
  localparam int unsigned GroupWidth = SoftmaxLanes * ExponentialBits;
  localparam int unsigned AddressBits = operator_pkg::index_bits(KeyWords * Rows);
  localparam int unsigned Heads = transfab_pkg::Heads;
  localparam int unsigned HeadBits = operator_pkg::index_bits(Heads);

  logic active_q, whole_q, enter, scale_enter, row_last, scale_last;
  logic [ RowBits-1:0] rows_q;
  logic [HeadBits-1:0] head_q;
  logic [RowIndexBits-1:0] row_q, scale_row_q;
  logic [31:0] keys_q;
  logic [AddressBits-1:0] write_address, read_address_q;
  logic [GroupBits-1:0] group;
  logic [GroupWidth-1:0] packed_lanes;
  logic read_q;
  logic [24:0] scales[Rows];

  assign rows_ready_o = !active_q;
  assign exponentials_ready_o = active_q && !whole_q && !full_o;
  assign scale_ready_o = active_q && !full_o;
  assign enter = exponentials_valid_i && exponentials_ready_o;
  assign scale_enter = scale_valid_i && scale_ready_o;
  assign row_last = keys_q + SoftmaxLanes >= 32'(rows_q);
  assign scale_last = 32'(scale_row_q) + 1 == 32'(rows_q);
  assign write_address = AddressBits'(32'(row_q) * KeyWords + keys_q / Simd);
  assign group = GroupBits'(keys_q % Simd / SoftmaxLanes);

  always_comb begin
    for (int unsigned i = 0; i < SoftmaxLanes; i++) begin
      packed_lanes[ExponentialBits*i+:ExponentialBits] = exponentials_data_i[i];
    end
  end

  for (genvar g = 0; g < Groups; g++) begin : gen_group
    logic [GroupWidth-1:0] memory[KeyWords * Rows];

    always_ff @(posedge clk_i) begin
      if (enter && group == GroupBits'(g)) memory[write_address] <= packed_lanes;
    end
    always_ff @(posedge clk_i) begin
      if (read_q) read_data_o[GroupWidth*g+:GroupWidth] <= memory[read_address_q];
    end
  end

  always_ff @(posedge clk_i) begin
    if (read_i) read_address_q <= AddressBits'(32'(read_row_i) * KeyWords + 32'(read_word_i));
  end

  always_ff @(posedge clk_i) begin
    if (scale_enter) scales[scale_row_q] <= scale_data_i;
  end
  always_ff @(posedge clk_i) begin
    if (scale_read_i) scale_o <= scales[scale_row_i];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      whole_q <= 1'b0;
      full_o <= 1'b0;
      head_q <= '0;
      row_q <= '0;
      scale_row_q <= '0;
      keys_q <= '0;
      read_q <= 1'b0;
    end else begin
      read_q <= read_i;
      if (rows_valid_i && rows_ready_o) begin
        active_q <= 1'b1;
        rows_q   <= rows_data_i;
      end
      if (enter) begin
        keys_q <= row_last ? '0 : keys_q + SoftmaxLanes;
        if (row_last) begin
          row_q <= row_q + 1'b1;
          if (32'(row_q) + 1 == 32'(rows_q)) whole_q <= 1'b1;
        end
      end
      if (scale_enter) begin
        scale_row_q <= scale_row_q + 1'b1;
        // A row's scale comes after its exponentials.
        if (scale_last) full_o <= 1'b1;
      end
      if (release_i) begin
        full_o <= 1'b0;
        whole_q <= 1'b0;
        row_q <= '0;
        scale_row_q <= '0;
        head_q <= head_q == HeadBits'(Heads - 1) ? '0 : head_q + 1'b1;
        if (head_q == HeadBits'(Heads - 1)) active_q <= 1'b0;
      end
    end
  end

endmodule : exponential_rows
