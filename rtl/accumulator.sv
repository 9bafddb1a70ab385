/// Adds rows of Pe sums to words in memory: total = (first ? 0 : word) + (sum << shift).
///
/// The address comes a cycle before its sum, the total a cycle after; it is written then, so that an
/// address may come again three cycles later. Each bank has one read port: read_i, for taking totals
/// out, may use it while no sum that is not a first one goes to the same bank.
module accumulator #(
    parameter int unsigned Pe = 1,
    parameter int unsigned SumBits = 16,
    parameter int unsigned Bits = 27,
    parameter int unsigned Words = 1,
    parameter int unsigned Banks = 1,
    parameter int unsigned Shift = 0,
    localparam int unsigned AddressBits = operator_pkg::index_bits(Words),
    localparam int unsigned BankBits = operator_pkg::index_bits(Banks)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic                   next_valid_i,
    input logic [   BankBits-1:0] next_bank_i,
    input logic [AddressBits-1:0] next_address_i,
    input logic                   next_first_i,
    input logic                   next_shift_i,    // by Shift

    input logic signed [SumBits-1:0] sum_i[Pe],

    output logic                   total_valid_o,
    output logic signed [Bits-1:0] total_o      [Pe],

    input  logic                   read_i,
    input  logic [   BankBits-1:0] read_bank_i,
    input  logic [AddressBits-1:0] read_address_i,
    output logic [    Pe*Bits-1:0] read_word_o      // a cycle after read_i, until its bank's next
);

  logic sum_valid_q, first_q, shift_q;
  logic [BankBits-1:0] sum_bank_q, total_bank_q, read_bank_q;
  logic [AddressBits-1:0] sum_address_q, total_address_q;
  logic [Pe*Bits-1:0] words[Banks], total_word;

  for (genvar b = 0; b < Banks; b++) begin : gen_bank
    logic [Pe*Bits-1:0] memory[Words];
    logic [Pe*Bits-1:0] word_q;  // not in the array, or synthesis finds no registered read
    logic accumulates, reads;

    assign accumulates = next_valid_i && !next_first_i && next_bank_i == BankBits'(b);
    assign reads = read_i && read_bank_i == BankBits'(b);

    always_ff @(posedge clk_i) begin
      if (accumulates || reads) begin
        word_q <= memory[accumulates?next_address_i : read_address_i];
      end
    end
    assign words[b] = word_q;

    always_ff @(posedge clk_i) begin
      if (total_valid_o && total_bank_q == BankBits'(b)) memory[total_address_q] <= total_word;
    end
  end

  assign read_word_o = words[read_bank_q];

  always_ff @(posedge clk_i) begin
    if (read_i) read_bank_q <= read_bank_i;
    if (next_valid_i) begin
      sum_bank_q <= next_bank_i;
      sum_address_q <= next_address_i;
      first_q <= next_first_i;
      shift_q <= next_shift_i;
    end
    if (sum_valid_q) begin
      total_bank_q <= sum_bank_q;
      total_address_q <= sum_address_q;
      for (int unsigned p = 0; p < Pe; p++) begin
        automatic logic signed [Bits-1:0] sum, start, total;
        sum   = shift_q ? Bits'(sum_i[p]) <<< Shift : Bits'(sum_i[p]);
        start = first_q ? '0 : words[sum_bank_q][Bits*p+:Bits];
        total = start + sum;
        total_o[p] <= total;
        total_word[Bits*p+:Bits] <= total;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      sum_valid_q   <= 1'b0;
      total_valid_o <= 1'b0;
    end else begin
      sum_valid_q   <= next_valid_i;
      total_valid_o <= sum_valid_q;
    end
  end

endmodule : accumulator
