/// Context of one head: exponentials times value added over the keys, scaled by row, int8 operand of
/// the projection.
///
/// The last sum of a row and tile goes through context_requantize into a memory of S rows of
/// HeadSize bytes; written_o with the head's last row. Reads take operator_pkg::RingLatency cycles,
/// zero beyond the head.
module context_rows
  import attention_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    input  logic                records_valid_i,
    output logic                records_ready_o,
    input  logic [BeatBits-1:0] records_data_i,

    output logic loaded_o,  // the head's records
    output logic written_o, // the head's context is whole from the next cycle but one on

    input logic next_valid_i,
    input logic next_first_i,
    input logic next_plane_i,  // the upper one
    input logic next_last_i,  // the sum is whole
    input logic next_ends_i,  // the head's last sum
    input logic [LoopBits-1:0] next_tile_i,
    input logic [RowIndexBits-1:0] next_row_i,
    input logic signed [DotBits-1:0] sum_i[Pe],

    output logic scale_read_o,
    output logic [RowIndexBits-1:0] scale_row_o,
    input scale_t scale_i,

    input  logic                    read_i,
    input  logic [RowIndexBits-1:0] read_row_i,
    input  logic [    LoopBits-1:0] read_tile_i,
    output logic [      8*Simd-1:0] read_data_o
);

  localparam int unsigned Latency = 2 + operator_pkg::ContextLatency;
  localparam int unsigned Scalars = 7, ContextShift = 1;
  // Blocks of Simd bytes in a power of two of banks, as many as a tile reaches.
  localparam int unsigned Touched = operator_pkg::ceil_divide(Pe + Simd - 1, Simd);
  localparam int unsigned Banks = 2 ** $clog2(operator_pkg::larger(Touched, 2));
  localparam int unsigned BankBits = operator_pkg::index_bits(Banks);
  localparam int unsigned BlockRows = operator_pkg::ceil_divide(
      operator_pkg::ceil_divide(SizeTiles * Pe, Simd) + 1, Banks
  );
  localparam int unsigned Words = BlockRows * Rows;
  localparam int unsigned AddressBits = operator_pkg::index_bits(Words);
  localparam int unsigned OffsetBits = operator_pkg::index_bits(Simd);

  typedef struct packed {
    logic valid;
    logic ends;
    logic [LoopBits-1:0] tile;
    logic [RowIndexBits-1:0] row;
  } step_t;

  step_t step_q[Latency];
  logic busy;
  logic [31:0] scalars[Scalars];
  logic signed [17:0] multiplier[1][HeadSize], lane_multiplier_q[Pe];
  logic signed [47:0] offset[1][HeadSize], lane_offset_q[Pe];
  logic signed [ContextBits-1:0] totals[Pe];
  logic signed [7:0] lanes[Pe];
  logic [31:0] first_channel, first_block;
  logic [AddressBits-1:0] addresses[Banks], read_address_q;
  logic read_q, tail_q, tail_read_q;
  logic [BankBits-1:0] read_bank_q;
  logic [  8*Simd-1:0] word;

  always_ff @(posedge clk_i) begin
    step_q[0] <= '{
        valid: next_valid_i && next_last_i,
        ends: next_ends_i,
        tile: next_tile_i,
        row: next_row_i
    };
    for (int unsigned i = 1; i < Latency; i++) step_q[i] <= step_q[i-1];
    if (!rst_ni) for (int unsigned i = 0; i < Latency; i++) step_q[i].valid <= 1'b0;
    // With the totals a cycle later.
    if (step_q[0].valid) begin
      for (int unsigned p = 0; p < Pe; p++) begin
        automatic int unsigned channel = 32'(step_q[0].tile) * Pe + p;
        if (channel < HeadSize) begin
          lane_multiplier_q[p] <= multiplier[0][channel%HeadSize];
          lane_offset_q[p] <= offset[0][channel%HeadSize];
        end
      end
    end
  end

  always_comb begin
    busy = 1'b0;
    for (int unsigned i = 1; i < Latency; i++) busy |= step_q[i].valid;
  end
  assign scale_read_o = step_q[0].valid;
  assign scale_row_o = step_q[0].row;
  assign written_o = step_q[Latency-1].valid && step_q[Latency-1].ends;

  tile_records #(
      .Pe(HeadSize),
      .Tiles(transfab_pkg::Heads),
      .Sections(1),
      .Scalars(Scalars)
  ) u_records (
      .clk_i,
      .rst_ni,
      .records_valid_i,
      .records_ready_o,
      .records_data_i,
      .loaded_o,
      .release_i(written_o),
      .scalars_o(scalars),
      .first_o(),
      .multiplier_o(multiplier),
      .offset_o(offset),
      .write_o(),
      .write_index_o(),
      .write_value_o()
  );

  accumulator #(
      .Pe(Pe),
      .SumBits(DotBits),
      .Bits(ContextBits),
      .Words(Rows),
      .Shift(PlaneBits)
  ) u_accumulator (
      .clk_i,
      .rst_ni,
      .next_valid_i,
      .next_bank_i('0),
      .next_address_i(next_row_i),
      .next_first_i,
      .next_shift_i(next_plane_i),
      .sum_i,
      .total_valid_o(),
      .total_o(totals),
      .read_i(1'b0),
      .read_bank_i('0),
      .read_address_i('0),
      .read_word_o()
  );

  context_requantize #(
      .Lanes(Pe)
  ) u_requantize (
      .clk_i,
      .enable_i(busy),
      .sum_i(totals),
      .reciprocal_i(scale_i.reciprocal),
      .pre_shift_i(scale_i.pre_shift),
      .post_shift_i(scale_i.post_shift),
      .multiplier_i(lane_multiplier_q),
      .offset_i(lane_offset_q),
      .shift_i(scalars[ContextShift][5:0]),
      .value_o(lanes)
  );

  assign first_channel = 32'(step_q[Latency-1].tile) * Pe;
  assign first_block   = first_channel / Simd;
  always_comb begin
    for (int unsigned b = 0; b < Banks; b++) begin
      // The block from first_block on that lies in this bank.
      automatic int unsigned block = first_block + (b - first_block) % Banks;
      addresses[b] = AddressBits'(block / Banks * Rows + 32'(step_q[Latency-1].row));
    end
  end

  always_ff @(posedge clk_i) begin
    if (read_i) begin
      read_bank_q <= BankBits'(read_tile_i);
      read_address_q <= AddressBits'(32'(read_tile_i) / Banks * Rows + 32'(read_row_i));
      tail_q <= read_tile_i == LoopBits'(DepthTiles - 1);
    end
    if (read_q) tail_read_q <= tail_q;
    read_q <= read_i;
  end

  lane_scatter #(
      .Lanes(Pe),
      .Block(Simd),
      .Banks(Banks),
      .Words(Words)
  ) u_memory (
      .clk_i,
      .write_i(step_q[Latency-1].valid),
      .write_bank_i(BankBits'(first_block)),
      .write_offset_i(OffsetBits'(first_channel % Simd)),
      .write_address_i(addresses),
      .write_data_i(lanes),
      .read_i(read_q),
      .read_bank_i(read_bank_q),
      .read_address_i(read_address_q),
      .read_word_o(word)
  );

  always_comb begin
    read_data_o = word;
    if (tail_read_q) begin
      read_data_o &= (8 * Simd)'({8 * (HeadSize - (DepthTiles - 1) * Simd) {1'b1}});
    end
  end

endmodule : context_rows
