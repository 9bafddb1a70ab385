/// Sums of all rows and channels of a projection, added as dot products come, read row by row.
///
/// Dot products come Latency + 1 = RingLatency + ArrayLatency cycles behind the step that they belong
/// to: a row of a tile of channels, the first of its sums or not, the last of its sequence or not.
/// Two banks of half the rows: while one sequence leaves, the next one is added (see sum_banks).
module row_sums #(
    parameter int unsigned Pe = 1,
    parameter int unsigned Tiles = 1,
    parameter int unsigned DotBits = 16,
    localparam int unsigned Rows = transfab_pkg::Sequence,
    localparam int unsigned RowBits = $clog2(Rows + 1),
    localparam int unsigned TileBits = operator_pkg::index_bits(Tiles),
    localparam int unsigned SumBits = transfab_pkg::AccumulatorBits
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic [RowBits-1:0] rows_i,     // of the sequence that is added
    input  logic               request_i,
    output logic               granted_o,

    input logic step_i,  // while granted
    input logic [RowBits-1:0] step_row_i,
    input logic [TileBits-1:0] step_tile_i,
    input logic step_first_i,
    input logic step_ends_i,
    input logic signed [DotBits-1:0] dot_i[Pe],

    output logic                      sums_valid_o,
    input  logic                      sums_ready_i,
    output logic signed [SumBits-1:0] sums_data_o [Pe]
);

  localparam int unsigned Words = Tiles * operator_pkg::ceil_divide(Rows, 2);
  localparam int unsigned AddressBits = operator_pkg::index_bits(Words);
  localparam int unsigned Latency = operator_pkg::RingLatency + operator_pkg::ArrayLatency - 1;

  typedef struct packed {
    logic valid;
    logic first;
    logic ends;
    logic bank;
    logic [AddressBits-1:0] address;
  } step_t;

  step_t step_q[Latency+2];
  logic bank, read, read_bank, total_valid;
  logic [AddressBits-1:0] address, read_address;
  logic [Pe*SumBits-1:0] read_word;

  always_ff @(posedge clk_i) begin
    step_q[0] <= '{
        valid: step_i,
        first: step_first_i,
        ends: step_ends_i,
        bank: bank,
        address: address
    };
    for (int unsigned i = 1; i < Latency + 2; i++) step_q[i] <= step_q[i-1];
    if (!rst_ni) for (int unsigned i = 0; i < Latency + 2; i++) step_q[i].valid <= 1'b0;
  end

  accumulator #(
      .Pe(Pe),
      .SumBits(DotBits),
      .Bits(SumBits),
      .Words(Words),
      .Banks(2)
  ) u_accumulator (
      .clk_i,
      .rst_ni,
      .next_valid_i(step_q[Latency-1].valid),
      .next_bank_i(step_q[Latency-1].bank),
      .next_address_i(step_q[Latency-1].address),
      .next_first_i(step_q[Latency-1].first),
      .next_shift_i(1'b0),
      .sum_i(dot_i),
      .total_valid_o(total_valid),
      .total_o(),
      .read_i(read),
      .read_bank_i(read_bank),
      .read_address_i(read_address),
      .read_word_o(read_word)
  );

  sum_banks #(
      .Pe(Pe),
      .Tiles(Tiles),
      .SumBits(SumBits)
  ) u_banks (
      .clk_i,
      .rst_ni,
      .rows_i,
      .request_i,
      .granted_o,
      .row_i(step_row_i),
      .tile_i(step_tile_i),
      .bank_o(bank),
      .address_o(address),
      .sequence_ends_i(step_i && step_ends_i),
      .written_i(total_valid && step_q[Latency+1].ends),
      .read_o(read),
      .read_bank_o(read_bank),
      .read_address_o(read_address),
      .read_word_i(read_word),
      .sums_valid_o,
      .sums_ready_i,
      .sums_data_o
  );

endmodule : row_sums
