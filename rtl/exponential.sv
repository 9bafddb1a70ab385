/// Entry min(4095, sum >> shift) of the table of exponentials, 0 in lanes that are not allowed.
///
/// 14 bits, 3 enabled cycles later. The table is written four entries at a time, while no sums are
/// inside; shift_i is constant while they are. Two lanes share a copy of it: a memory has two
/// ports, and one of them writes.
module exponential #(
    parameter int unsigned Lanes = 1,
    localparam int unsigned Bits = transfab_pkg::ExponentialTableBits,
    localparam int unsigned Words = transfab_pkg::ExponentialEntries / 4,
    localparam int unsigned WordBits = $clog2(Words)
) (
    input logic clk_i,
    input logic enable_i,

    input  logic signed [     47:0] sum_i    [Lanes],  // not negative in an allowed lane
    input  logic        [      5:0] shift_i,
    input  logic        [Lanes-1:0] allowed_i,
    output logic        [ Bits-1:0] entry_o  [Lanes],

    input logic write_i,
    input logic [WordBits-1:0] write_word_i,
    input logic [4*Bits-1:0] write_entries_i
);

  localparam int unsigned Copies = operator_pkg::ceil_divide(Lanes, 2);
  localparam logic [47:0] Last = 48'(transfab_pkg::ExponentialEntries - 1);

  logic [WordBits-1:0] word_1q[Lanes];
  logic [1:0] entry_1q[Lanes], entry_2q[Lanes];
  logic [Lanes-1:0] allowed_1q, allowed_2q;
  logic [Lanes-1:0][4*Bits-1:0] word_2q;  // packed, or synthesis finds no registered read
  logic [4*Bits-1:0] entries_q;
  logic write_q;

  function automatic logic [WordBits+1:0] index(logic signed [47:0] sum, logic [5:0] shift);
    logic [47:0] shifted;
    shifted = sum >> shift;
    return shifted > Last ? Last[WordBits+1:0] : shifted[WordBits+1:0];
  endfunction

  always_ff @(posedge clk_i) begin
    write_q   <= write_i;
    entries_q <= write_entries_i;
    if (write_i) begin
      for (int unsigned lane = 0; lane < Lanes; lane++) word_1q[lane] <= write_word_i;
    end else if (enable_i) begin
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        {word_1q[lane], entry_1q[lane]} <= index(sum_i[lane], shift_i);
      end
    end
  end

  for (genvar copy = 0; copy < Copies; copy++) begin : gen_copy
    logic [4*Bits-1:0] memory[Words];

    always_ff @(posedge clk_i) begin
      if (write_q) memory[word_1q[2*copy]] <= entries_q;
    end

    // A port has one enable for both: with enable_i alone each lane would take a memory.
    always_ff @(posedge clk_i) begin
      if (enable_i || write_q) begin
        for (int unsigned lane = 2 * copy; lane < Lanes && lane < 2 * copy + 2; lane++) begin
          word_2q[lane] <= memory[word_1q[lane]];
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      allowed_1q <= allowed_i;
      allowed_2q <= allowed_1q;
      entry_2q   <= entry_1q;
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        entry_o[lane] <= allowed_2q[lane] ? word_2q[lane][entry_2q[lane]*Bits+:Bits] : '0;
      end
    end
  end

endmodule : exponential
