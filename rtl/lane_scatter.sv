/// Memory of blocks of Block bytes a row, written by Lanes bytes anywhere among its channels.
///
/// Blocks lie in Banks memories in turn; a write from byte offset_i of the block in bank_i on goes
/// to as many banks as it reaches. A word of Block bytes is read a cycle after read_i.
module lane_scatter #(
    parameter int unsigned Lanes = 1,
    parameter int unsigned Block = 1,
    parameter int unsigned Banks = 2,
    parameter int unsigned Words = 1,  // of a bank
    localparam int unsigned BankBits = operator_pkg::index_bits(Banks),
    localparam int unsigned OffsetBits = operator_pkg::index_bits(Block),
    localparam int unsigned AddressBits = operator_pkg::index_bits(Words)
) (
    input logic clk_i,

    input logic write_i,
    input logic [BankBits-1:0] write_bank_i,
    input logic [OffsetBits-1:0] write_offset_i,
    input logic [AddressBits-1:0] write_address_i[Banks],
    input logic signed [7:0] write_data_i[Lanes],

    input  logic                   read_i,
    input  logic [   BankBits-1:0] read_bank_i,
    input  logic [AddressBits-1:0] read_address_i,
    output logic [    8*Block-1:0] read_word_o
);

  // Blocks that Lanes bytes may touch.
  localparam int unsigned Touched = operator_pkg::ceil_divide(Lanes + Block - 1, Block);

  logic [8*Block-1:0] words[Banks];
  logic [BankBits-1:0] read_bank_q;
  logic write_q;
  logic [Banks-1:0][Block-1:0] enable_q;
  logic [Banks-1:0][8*Block-1:0] data_q;
  logic [AddressBits-1:0] address_q[Banks];

  if (Banks < Touched) begin : gen_rule
    $fatal(1, "banks must be at least %0d, not %0d", Touched, Banks);
  end

  always_ff @(posedge clk_i) begin
    write_q <= write_i;
    if (write_i) begin
      automatic logic [Touched*Block-1:0] enable;
      automatic logic [Touched*Block-1:0][7:0] data;
      enable = '0;
      data   = '0;
      for (int unsigned p = 0; p < Lanes; p++) begin
        data[p]   = write_data_i[p];
        enable[p] = 1'b1;
      end
      enable = enable << write_offset_i;
      data   = data << 8 * 32'(write_offset_i);
      enable_q <= '0;
      for (int unsigned j = 0; j < Touched; j++) begin
        automatic int unsigned bank = 32'(write_bank_i) + j;
        if (bank >= Banks) bank -= Banks;
        enable_q[BankBits'(bank)] <= enable[Block*j+:Block];
        data_q[BankBits'(bank)]   <= data[Block*j+:Block];
      end
      address_q <= write_address_i;
    end
  end

  for (genvar b = 0; b < Banks; b++) begin : gen_bank
    logic [8*Block-1:0] memory[Words];
    logic [8*Block-1:0] word_q;  // not in the array, or synthesis finds no registered read

    always_ff @(posedge clk_i) begin
      if (write_q) begin
        for (int unsigned i = 0; i < Block; i++) begin
          if (enable_q[b][i]) memory[address_q[b]][8*i+:8] <= data_q[b][8*i+:8];
        end
      end
    end

    always_ff @(posedge clk_i) begin
      if (read_i && read_bank_i == BankBits'(b)) word_q <= memory[read_address_i];
    end
    assign words[b] = word_q;
  end

  always_ff @(posedge clk_i) if (read_i) read_bank_q <= read_bank_i;
  assign read_word_o = words[read_bank_q];

endmodule : lane_scatter
