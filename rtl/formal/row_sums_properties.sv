/// row_sums: no sum goes to a bank whose words wait or leave; each sequence is read when all is added.
///
/// The properties of sum_banks are bound, too: words leave in order, from where they were written.
/// Assumed: steps while granted, rows of the sequence, tiles, rows in [1, Sequence].
module row_sums_properties #(
    parameter int unsigned Tiles = 1,
    parameter int unsigned Latency = 1,
    parameter int unsigned AddressBits = 1,
    localparam int unsigned Rows = transfab_pkg::Sequence,
    localparam int unsigned RowBits = $clog2(Rows + 1),
    localparam int unsigned TileBits = operator_pkg::index_bits(Tiles)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic [RowBits-1:0] rows_i,
    input logic               request_i,
    input logic               granted_o,

    input logic step_i,
    input logic [RowBits-1:0] step_row_i,
    input logic [TileBits-1:0] step_tile_i,
    input logic step_ends_i,

    input logic [AddressBits+3:0] step_q[Latency+2],  // {valid, first, ends, bank, address}
    input logic read,
    input logic read_bank,
    input logic total_valid,

    input logic sum_valid,
    input logic sum_first,
    input logic sum_bank,
    input logic total_bank,
    input logic [AddressBits-1:0] total_address,
    input logic [AddressBits-1:0] sum_address,

    input logic shown_bank,
    input logic [RowBits+1:0] places[2],  // the queue: {rows, both, bank}
    input logic first_place,
    input logic [1:0] count,
    input logic [1:0] written_q,
    input logic [1:0] leaves_q,
    input logic word_valid_q
);

  localparam int unsigned Last = Latency + 1;  // the step whose total stands

  logic started, accumulates;
  logic [1:0] oldest, newest;
  logic [Latency+1:0] valid, ends, bank;
  logic [RowBits+1:0] writer;

  assign oldest = count != '0 ? banks(places[first_place]) : '0;
  assign newest = count == 2'd2 ? banks(places[!first_place]) : '0;
  assign writer = count == 2'd2 ? places[!first_place] : places[first_place];
  // As the accumulator takes a bank's read port for a sum that is not a first one.
  assign accumulates = valid[Latency-1] && !step_q[Latency-1][AddressBits+2];

  function automatic logic [1:0] banks(logic [RowBits+1:0] place);
    return place[1] ? 2'b11 : place[0] ? 2'b10 : 2'b01;
  endfunction

  always_comb begin
    for (int unsigned i = 0; i < Latency + 2; i++) begin
      valid[i] = step_q[i][AddressBits+3];
      ends[i]  = step_q[i][AddressBits+3] && step_q[i][AddressBits+1];
      bank[i]  = step_q[i][AddressBits];
    end
  end

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  always_ff @(posedge clk_i) begin
    if (request_i) assume (rows_i != '0 && 32'(rows_i) <= Rows);
    if (step_i) assume (granted_o);
    assume (32'(step_tile_i) < Tiles);
    if (granted_o) assume (step_row_i < writer[RowBits+1:2]);
    if (started) begin
      // A word is read out of a bank that no sum needs, and stays until it has moved.
      if (read && accumulates) assert (read_bank != bank[Latency-1]);
      if (word_valid_q && accumulates) assert (shown_bank != bank[Latency-1]);
      if (read && total_valid) assert (read_bank != total_bank);
      // A sequence is read when none of its sums is on its way.
      if (read) begin
        assert (written_q != '0);
        for (int unsigned i = 0; i <= Last; i++) begin
          if (valid[i]) assert ((oldest >> bank[i] & 2'b01) == '0);
        end
      end
      // What holds inside.
      assert (8'(count) == 8'(granted_o) + 8'(written_q) + 8'($countones(ends)));
      for (int unsigned i = 0; i <= Last; i++) begin
        if (valid[i]) begin
          assert (8'(written_q) + 8'($countones(ends >> (i + 1))) < 8'(count));
          if (8'(written_q) + 8'($countones(ends >> (i + 1))) == '0)
            assert ((oldest >> bank[i] & 2'b01) != '0);
            else assert ((newest >> bank[i] & 2'b01) != '0);
        end
      end
      assert (total_valid == valid[Last] && sum_valid == valid[Latency]);
      if (total_valid) assert ({total_bank, total_address} == step_q[Last][AddressBits:0]);
      if (sum_valid) begin
        assert ({sum_bank, sum_address} == step_q[Latency][AddressBits:0]);
        assert (sum_first == step_q[Latency][AddressBits+2]);
      end
      // The word that is shown belongs to the oldest sequence, or is the last of the one before.
      if (word_valid_q) begin
        if (leaves_q != '0)
          assert ((leaves_q >> shown_bank & 2'b01) != '0);
          else assert (written_q != '0 && (oldest >> shown_bank & 2'b01) != '0);
      end
    end
  end

endmodule : row_sums_properties

bind row_sums row_sums_properties #(
    .Tiles(Tiles),
    .Latency(Latency),
    .AddressBits(AddressBits)
) u_properties (
    .sum_valid(u_accumulator.sum_valid_q),
    .sum_first(u_accumulator.first_q),
    .sum_bank(u_accumulator.sum_bank_q),
    .sum_address(u_accumulator.sum_address_q),
    .total_bank(u_accumulator.total_bank_q),
    .total_address(u_accumulator.total_address_q),
    .shown_bank(u_accumulator.read_bank_q),
    .places(u_banks.u_leaving.memory),
    .first_place(u_banks.u_leaving.read_q),
    .count(u_banks.u_leaving.count_q),
    .written_q(u_banks.written_q),
    .leaves_q(u_banks.leaves_q),
    .word_valid_q(u_banks.word_valid_q),
    .*
);
