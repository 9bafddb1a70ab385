/// The largest allowed score of each row, and the row's words behind it, in order.
///
/// A word is stored with its flags; a row's maximum comes 4 cycles after its last word, and its
/// words are read, under read_i, from then on: a word stands at word_o a cycle later. Rows follow
/// each other without a gap while they are read as fast as they come; at most 8 are unread.
module row_maximum #(
    parameter  int unsigned Lanes  = 1,
    parameter  int unsigned Groups = 1,                         // words of the longest row
    localparam int unsigned Score  = transfab_pkg::ScoresBits,
    localparam int unsigned Word   = Lanes * (Score + 1)        // flags, then scores
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic                    scores_valid_i,
    output logic                    scores_ready_o,
    input  logic signed [Score-1:0] scores_data_i [Lanes],
    input  logic        [Lanes-1:0] allowed_i,
    input  logic                    row_begins_i,
    input  logic                    row_ends_i,

    output logic                    maximum_valid_o,
    output logic signed [Score-1:0] maximum_o,

    input  logic            read_i,           // only while maximum_valid_o
    input  logic            read_row_ends_i,
    output logic [Word-1:0] word_o
);

  localparam int unsigned Rows = 8;
  // A row that is read, the next one, and those on the way to their maximum.
  localparam int unsigned Depth = 2 * Groups + Rows;
  localparam int unsigned AddressBits = operator_pkg::index_bits(Depth);
  localparam int unsigned CountBits = $clog2(Depth + 1);
  localparam int unsigned RowBits = $clog2(Rows + 1);
  localparam logic signed [Score-1:0] Lowest = {1'b1, {(Score - 1) {1'b0}}};

  logic [Word-1:0] memory[Depth];
  logic [AddressBits-1:0] write_q, read_q;
  logic [CountBits-1:0] held_q;
  logic [  RowBits-1:0] rows_q;  // whole ones
  logic enter, row_enters, row_leaves, unused_ready;

  logic signed [Score-1:0] score_1q[Lanes];
  logic [Lanes-1:0] allowed_1q;
  logic signed [Score-1:0] largest_2q, running_3q;
  logic valid_1q, valid_2q, begins_1q, begins_2q, ends_1q, ends_2q, ends_3q;

  function automatic logic [AddressBits-1:0] next(logic [AddressBits-1:0] address);
    return address == AddressBits'(Depth - 1) ? '0 : address + 1'b1;
  endfunction

  function automatic logic [Word-1:0] packed_word(logic signed [Score-1:0] score[Lanes],
                                                  logic [Lanes-1:0] allowed);
    packed_word[Lanes*Score+:Lanes] = allowed;
    for (int unsigned lane = 0; lane < Lanes; lane++) begin
      packed_word[lane*Score+:Score] = score[lane];
    end
  endfunction

  // In pairs, so that the path is log2 of Lanes comparisons long.
  function automatic logic signed [Score-1:0] largest(logic signed [Score-1:0] score[Lanes],
                                                      logic [Lanes-1:0] allowed);
    logic signed [Score-1:0] value[Lanes];
    for (int unsigned lane = 0; lane < Lanes; lane++) begin
      value[lane] = allowed[lane] ? score[lane] : Lowest;
    end
    for (int unsigned span = 1; span < Lanes; span *= 2) begin
      for (int unsigned lane = 0; lane + span < Lanes; lane += 2 * span) begin
        if (value[lane+span] > value[lane]) value[lane] = value[lane+span];
      end
    end
    return value[0];
  endfunction

  assign scores_ready_o = held_q != CountBits'(Depth) && rows_q != RowBits'(Rows);
  assign enter = scores_valid_i && scores_ready_o;
  assign row_enters = enter && row_ends_i;
  assign row_leaves = read_i && read_row_ends_i;

  always_ff @(posedge clk_i) begin
    if (enter) begin
      score_1q   <= scores_data_i;
      allowed_1q <= allowed_i;
    end
    begins_1q <= row_begins_i;
    begins_2q <= begins_1q;
    ends_1q   <= row_ends_i;
    ends_2q   <= ends_1q;
    if (valid_1q) largest_2q <= largest(score_1q, allowed_1q);
    if (valid_2q && (begins_2q || largest_2q > running_3q)) running_3q <= largest_2q;
  end

  always_ff @(posedge clk_i) begin
    if (valid_1q) memory[write_q] <= packed_word(score_1q, allowed_1q);
  end

  always_ff @(posedge clk_i) begin
    if (read_i) word_o <= memory[read_q];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_1q <= 1'b0;
      valid_2q <= 1'b0;
      ends_3q  <= 1'b0;
      write_q  <= '0;
      read_q   <= '0;
      held_q   <= '0;
      rows_q   <= '0;
    end else begin
      valid_1q <= enter;
      valid_2q <= valid_1q;
      ends_3q  <= valid_2q && ends_2q;
      if (valid_1q) write_q <= next(write_q);
      if (read_i) read_q <= next(read_q);
      if (enter && !read_i) held_q <= held_q + 1'b1;
      if (read_i && !enter) held_q <= held_q - 1'b1;
      if (row_enters && !row_leaves) rows_q <= rows_q + 1'b1;
      if (row_leaves && !row_enters) rows_q <= rows_q - 1'b1;
    end
  end

  // Never full: it holds as many rows as are let in.
  stream_fifo #(
      .Width(Score),
      .Depth(Rows)
  ) u_maxima (
      .clk_i,
      .rst_ni,
      .in_valid_i (ends_3q),
      .in_ready_o (unused_ready),
      .in_data_i  (running_3q),
      .out_valid_o(maximum_valid_o),
      .out_ready_i(row_leaves),
      .out_data_o (maximum_o)
  );

endmodule : row_maximum
