/// exponential_rows: full when a head's rows are all in, each once; a read gives what entered.
///
/// Any one key of any one row is watched, and the row's scale. For two groups of lanes. Assumed:
/// rows in [1, Sequence], a row's scale after its exponentials, reads and the release while full.
module exponential_rows_properties
  import attention_pkg::*;
#(
    parameter  int unsigned AddressBits = 1,
    localparam int unsigned Lanes       = SoftmaxLanes,
    localparam int unsigned Width       = SoftmaxLanes * ExponentialBits,
    localparam int unsigned Words       = KeyWords * Rows
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid_i,
    input logic               rows_ready_o,
    input logic [RowBits-1:0] rows_data_i,

    input logic                       exponentials_valid_i,
    input logic                       exponentials_ready_o,
    input logic [ExponentialBits-1:0] exponentials_data_i [SoftmaxLanes],

    input logic   scale_valid_i,
    input logic   scale_ready_o,
    input scale_t scale_data_i,

    input logic full_o,
    input logic release_i,

    input logic                            read_i,
    input logic [        RowIndexBits-1:0] read_row_i,
    input logic [            LoopBits-1:0] read_word_i,
    input logic [Simd*ExponentialBits-1:0] read_data_o,

    input logic                      scale_read_i,
    input logic   [RowIndexBits-1:0] scale_row_i,
    input scale_t                    scale_o,

    input logic active_q,
    input logic whole_q,
    input logic [RowBits-1:0] rows_q,
    input logic [operator_pkg::index_bits(transfab_pkg::Heads)-1:0] head_q,
    input logic [RowIndexBits-1:0] row_q,
    input logic [RowIndexBits-1:0] scale_row_q,
    input logic [31:0] keys_q,
    input logic [AddressBits-1:0] read_address_q,
    input logic read_q,
    input logic [24:0] scales[Rows],
    input logic [Width-1:0] memory_0[Words],
    input logic [Width-1:0] memory_1[Words]
);

  logic started, begins, enter, scale_enter, row_ends, releases;
  logic [7:0] row, key, group;  // the watched ones, the first key of its word
  logic [7:0] length_q, heads_q, rows_in_q, scales_in_q;  // heads and rows that are whole
  logic [7:0] keys_in_q;  // of the row that comes
  logic seen_q, scale_seen_q, due_q, due_2q, scale_due_q;
  logic [ExponentialBits-1:0] entry, data_q, due_data_q, due_data_2q;
  logic [24:0] scale_q, scale_due_data_q;
  logic [Width-1:0] stored;
  logic [AddressBits-1:0] address;

  assign begins = rows_valid_i && rows_ready_o;
  assign enter = exponentials_valid_i && exponentials_ready_o;
  assign scale_enter = scale_valid_i && scale_ready_o;
  assign row_ends = keys_in_q + 8'(Lanes) >= length_q;
  assign group = key - key % 8'(Lanes);
  assign releases = full_o && release_i;
  assign address = AddressBits'(row * 8'(KeyWords) + key / 8'(Simd));
  assign stored = (key / 8'(Lanes)) % 8'd2 == '0 ? memory_0[address] : memory_1[address];

  always_comb begin
    entry = '0;
    for (int unsigned i = 0; i < Lanes; i++) begin
      if (key % 8'(Lanes) == 8'(i)) entry = exponentials_data_i[i];
    end
  end

  function automatic logic [ExponentialBits-1:0] lane_of(logic [Width-1:0] word, logic [7:0] of);
    lane_of = '0;
    for (int unsigned i = 0; i < Lanes; i++) begin
      if (of % 8'(Lanes) == 8'(i)) lane_of = word[ExponentialBits*i+:ExponentialBits];
    end
  endfunction

  any_constant #(
      .Width(8),
      .Count(Rows)
  ) u_row (
      .clk_i,
      .value_o(row)
  );

  any_constant #(
      .Width(8),
      .Count(Rows)
  ) u_key (
      .clk_i,
      .value_o(key)
  );

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  always_ff @(posedge clk_i) begin
    due_data_q <= data_q;
    due_data_2q <= due_data_q;
    scale_due_data_q <= scale_q;
    if (begins) length_q <= 8'(rows_data_i);
    if (!rst_ni) begin
      heads_q <= '0;
      rows_in_q <= '0;
      scales_in_q <= '0;
      keys_in_q <= '0;
      seen_q <= 1'b0;
      scale_seen_q <= 1'b0;
      due_q <= 1'b0;
      due_2q <= 1'b0;
      scale_due_q <= 1'b0;
    end else begin
      due_q <= read_i && seen_q && 8'(read_row_i) == row && 8'(read_word_i) == key / 8'(Simd);
      due_2q <= due_q;
      scale_due_q <= scale_read_i && scale_seen_q && 8'(scale_row_i) == row;
      if (releases) begin
        heads_q <= heads_q == 8'(transfab_pkg::Heads - 1) ? '0 : heads_q + 8'd1;
        rows_in_q <= '0;
        scales_in_q <= '0;
        seen_q <= 1'b0;
        scale_seen_q <= 1'b0;
      end
      if (enter) begin
        keys_in_q <= row_ends ? '0 : keys_in_q + 8'(Lanes);
        rows_in_q <= rows_in_q + 8'(row_ends);
        if (rows_in_q == row && keys_in_q == group) begin
          seen_q <= 1'b1;
          data_q <= entry;
        end
      end
      if (scale_enter) begin
        scales_in_q <= scales_in_q + 8'd1;
        if (scales_in_q == row) begin
          scale_seen_q <= 1'b1;
          scale_q <= scale_data_i;
        end
      end
    end
    if (rows_valid_i) assume (rows_data_i != '0 && 32'(rows_data_i) <= Rows);
    if (scale_enter) assume (scales_in_q < rows_in_q);
    if (read_i || scale_read_i || release_i) assume (full_o);
    if (started) begin
      // A head's rows and scales, no more; full with the last of them.
      if (enter) assert (rows_in_q < length_q);
      if (scale_enter) assert (scales_in_q < length_q);
      if (full_o) assert (rows_in_q == length_q && scales_in_q == length_q);
      if (active_q && scales_in_q == length_q) assert (full_o);
      if (full_o && row < length_q && group < length_q) assert (seen_q && scale_seen_q);
      // The next length after the last head's release.
      assert (rows_ready_o == !active_q);
      if (rows_ready_o) assert (heads_q == '0 && rows_in_q == '0 && scales_in_q == '0);
      if (heads_q != '0) assert (!rows_ready_o);
      if (due_2q) begin
        if ((key / 8'(Lanes)) % 8'd2 == '0)
          assert (lane_of(read_data_o[0+:Width], key) == due_data_2q);
          else assert (lane_of(read_data_o[Width+:Width], key) == due_data_2q);
      end
      if (scale_due_q) assert (scale_o == scale_due_data_q);
      // What holds inside.
      assert (heads_q == 8'(head_q) && heads_q < 8'(transfab_pkg::Heads));
      assert (row_q == RowIndexBits'(rows_in_q) && scale_row_q == RowIndexBits'(scales_in_q));
      assert (keys_q == 32'(keys_in_q) && scales_in_q <= rows_in_q);
      if (active_q) begin
        assert (length_q == 8'(rows_q) && length_q != '0 && length_q <= 8'(Rows));
        assert (rows_in_q <= length_q && whole_q == (rows_in_q == length_q));
        assert (keys_in_q < length_q && keys_in_q % 8'(Lanes) == '0);
        if (whole_q) assert (keys_in_q == '0);
      end else begin
        assert (rows_in_q == '0 && keys_in_q == '0 && !whole_q && !full_o);
      end
      // The words of a row are those that have a key of the sequence.
      assert (seen_q == (group < length_q && (rows_in_q > row ||
              (rows_in_q == row && keys_in_q > group))));
      assert (scale_seen_q == (scales_in_q > row));
      if (seen_q) assert (lane_of(stored, key) == data_q);
      if (scale_seen_q) assert (scales[row] == scale_q);
      if (due_q) begin
        assert (read_q && read_address_q == address && lane_of(stored, key) == due_data_q);
      end
    end
  end

endmodule : exponential_rows_properties

bind exponential_rows exponential_rows_properties #(
    .AddressBits(AddressBits)
) u_properties (
    .memory_0(gen_group[0].memory),
    .memory_1(gen_group[1].memory),
    .*
);
