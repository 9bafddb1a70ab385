/// context_rows: each whole sum is written once, where it is read; zero beyond the head.
///
/// Any one byte of any one row is watched, from the lanes that leave requantization on. Assumed:
/// sums while the head's records are loaded, up to the one that ends it; reads of tiles of the head.
module context_rows_properties
  import attention_pkg::*;
#(
    parameter int unsigned Latency = 1,
    parameter int unsigned Banks = 1,
    parameter int unsigned Words = 1,
    localparam int unsigned AddressBits = operator_pkg::index_bits(Words),
    localparam int unsigned BankBits = operator_pkg::index_bits(Banks),
    localparam int unsigned StepBits = 2 + LoopBits + RowIndexBits
) (
    input logic clk_i,
    input logic rst_ni,

    input logic loaded_o,
    input logic written_o,

    input logic next_valid_i,
    input logic next_last_i,
    input logic next_ends_i,
    input logic [LoopBits-1:0] next_tile_i,
    input logic [RowIndexBits-1:0] next_row_i,

    input logic scale_read_o,
    input logic [RowIndexBits-1:0] scale_row_o,

    input logic                    read_i,
    input logic [RowIndexBits-1:0] read_row_i,
    input logic [    LoopBits-1:0] read_tile_i,
    input logic [      8*Simd-1:0] read_data_o,

    input logic [StepBits-1:0] step_q[Latency],  // {valid, ends, tile, row}
    input logic busy,
    input logic signed [7:0] lanes[Pe],
    input logic read_q,
    input logic tail_q,
    input logic tail_read_q,
    input logic [BankBits-1:0] read_bank_q,
    input logic [AddressBits-1:0] read_address_q,

    input logic total_valid,
    input logic sum_valid,
    input logic [RowIndexBits-1:0] total_row,
    input logic [RowIndexBits-1:0] sum_row,

    // Of the memory's banks 0 and 1.
    input logic write_q,
    input logic [Banks-1:0][Simd-1:0] enable_q,
    input logic [Banks-1:0][8*Simd-1:0] data_q,
    input logic [AddressBits-1:0] address_q[Banks],
    input logic [8*Simd-1:0] memory_0[Words],
    input logic [8*Simd-1:0] memory_1[Words]
);

  typedef struct packed {
    logic valid;
    logic ends;
    logic [LoopBits-1:0] tile;
    logic [RowIndexBits-1:0] row;
  } step_t;

  step_t next, first, second, leaving;
  logic started, ended_q, writes, reads, read_1q, read_2q, watched;
  logic [7:0] row, channel, block, place;  // the watched ones; the byte's block and place in it
  logic [7:0] held, ahead;
  logic [StepBits-2:0] data;
  logic [Latency-1:0] valid, ends;
  logic coming_q, stored_q, known_q, tail_2q;
  logic [7:0] value, value_q, byte_q, read_byte_q, stored, shown;
  logic [BankBits-1:0] bank;
  logic [AddressBits-1:0] address;

  assign next = '{
          valid: next_valid_i && next_last_i,
          ends: next_ends_i,
          tile: next_tile_i,
          row: next_row_i
      };
  assign first = step_q[0];
  assign second = step_q[1];
  assign leaving = step_q[Latency-1];
  assign block = channel / 8'(Simd);
  assign place = channel % 8'(Simd);
  assign bank = BankBits'(block);
  assign address = AddressBits'(block / 8'(Banks) * 8'(Rows) + row);
  assign reads = read_i && 8'(read_row_i) == row && 8'(read_tile_i) == block;
  assign stored = byte_of(bank == '0 ? memory_0[address] : memory_1[address]);
  assign shown = byte_of(read_data_o);

  function automatic logic [7:0] byte_of(logic [8*Simd-1:0] word);
    byte_of = '0;
    for (int unsigned i = 0; i < Simd; i++) if (place == 8'(i)) byte_of = word[8*i+:8];
  endfunction

  always_comb begin
    writes = 1'b0;
    value  = '0;
    for (int unsigned p = 0; p < Pe; p++) begin
      if (8'(leaving.tile) * 8'(Pe) + 8'(p) == channel) begin
        writes = leaving.valid && 8'(leaving.row) == row;
        value  = lanes[p];
      end
    end
    for (int unsigned i = 0; i < Latency; i++) begin
      valid[i] = step_q[i][StepBits-1];
      ends[i]  = step_q[i][StepBits-1] && step_q[i][StepBits-2];
    end
  end

  // A lane beyond the head is a channel, too: it reads as zero.
  any_constant #(
      .Width(8),
      .Count(operator_pkg::larger(DepthTiles * Simd, SizeTiles * Pe))
  ) u_channel (
      .clk_i,
      .value_o(channel)
  );

  any_constant #(
      .Width(8),
      .Count(Rows)
  ) u_row (
      .clk_i,
      .value_o(row)
  );

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  watched_queue #(
      .Width(StepBits - 1)
  ) u_steps (
      .clk_i,
      .rst_ni,
      .started_i(started),
      .enter_i(next.valid),
      .enter_data_i(next[StepBits-2:0]),
      .leave_i(leaving.valid),
      .leave_data_i(leaving[StepBits-2:0]),
      .held_o(held),
      .watched_o(watched),
      .ahead_o(ahead),
      .data_o(data)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      ended_q  <= 1'b0;
      read_1q  <= 1'b0;
      read_2q  <= 1'b0;
      coming_q <= 1'b0;
      stored_q <= 1'b0;
      known_q  <= 1'b0;
    end else begin
      if (next_valid_i && next_ends_i) ended_q <= 1'b1;
      else if (written_o) ended_q <= 1'b0;
      coming_q <= writes;
      if (writes) value_q <= value;
      if (coming_q) begin
        stored_q <= 1'b1;
        byte_q   <= value_q;
      end
      read_1q <= reads;
      // What the memory holds when it is read.
      read_2q <= read_1q;
      if (read_1q) begin
        known_q <= stored_q;
        read_byte_q <= byte_q;
      end
    end
    if (next_valid_i) begin
      assume (loaded_o && !ended_q && 32'(next_tile_i) < SizeTiles && 32'(next_row_i) < Rows);
      if (next_ends_i) assume (next_last_i);
    end
    if (read_i) assume (32'(read_row_i) < Rows && 32'(read_tile_i) < DepthTiles);
    if (started) begin
      // The records stand until the head's last row is written.
      if (held != '0) assert (loaded_o);
      assert (written_o == (leaving.valid && leaving.ends));
      if (written_o) assert (held == 8'd1);
      // The row's scale is read for the cycle in which its totals stand.
      assert (scale_read_o == first.valid && scale_row_o == first.row);
      if (second.valid) assert (total_valid && total_row == second.row);
      if (held > 8'(first.valid)) assert (busy);
      if (read_2q && 32'(channel) >= HeadSize) assert (shown == '0);
      if (read_2q && known_q && 32'(channel) < HeadSize) assert (shown == read_byte_q);
      // What holds inside.
      if (first.valid) assert (sum_valid && sum_row == first.row);
      assert (held == 8'($countones(valid)) && ended_q == (ends != '0));
      for (int unsigned i = 0; i < Latency; i++) begin
        if (ends[i]) assert ((valid & ((Latency'(1) << i) - Latency'(1))) == '0);
        if (watched && valid[i] && ahead == 8'($countones(valid >> (i + 1)))) begin
          assert (step_q[i][StepBits-2:0] == data);
        end
        if (valid[i]) begin
          assert (32'(step_q[i][RowIndexBits+:LoopBits]) < SizeTiles);
          assert (32'(step_q[i][RowIndexBits-1:0]) < Rows);
        end
      end
      if (coming_q) begin
        assert (write_q && enable_q[bank][place] && address_q[bank] == address);
        assert (data_q[bank][8*place+:8] == value_q);
      end
      if (write_q && enable_q[bank][place] && address_q[bank] == address) assert (coming_q);
      if (stored_q) assert (stored == byte_q);
      if (read_1q) assert (read_q && read_bank_q == bank && read_address_q == address);
      if (read_1q) assert (tail_q == (block == 8'(DepthTiles - 1)));
    end
  end

endmodule : context_rows_properties

bind context_rows context_rows_properties #(
    .Latency(Latency),
    .Banks  (Banks),
    .Words  (Words)
) u_properties (
    .total_valid(u_accumulator.total_valid_o),
    .sum_valid(u_accumulator.sum_valid_q),
    .total_row(u_accumulator.total_address_q),
    .sum_row(u_accumulator.sum_address_q),
    .write_q(u_memory.write_q),
    .enable_q(u_memory.enable_q),
    .data_q(u_memory.data_q),
    .address_q(u_memory.address_q),
    .memory_0(u_memory.gen_bank[0].memory),
    .memory_1(u_memory.gen_bank[1].memory),
    .*
);
