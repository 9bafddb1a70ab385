/// row_maximum: a row's words in order, and its largest allowed score; nothing is read unwritten.
///
/// The queue of maxima never overflows. Assumed of its user: row_begins_i with the word after a row's
/// last, reads while a maximum stands, read_row_ends_i with the last word of its row.
module row_maximum_properties #(
    parameter int unsigned Lanes = 1,
    parameter int unsigned Depth = 1,
    localparam int unsigned Rows = 8,
    localparam int unsigned Score = transfab_pkg::ScoresBits,
    localparam int unsigned Word = Lanes * (Score + 1),
    localparam int unsigned AddressBits = operator_pkg::index_bits(Depth),
    localparam int unsigned CountBits = $clog2(Depth + 1),
    localparam int unsigned RowBits = $clog2(Rows + 1)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic                    scores_valid_i,
    input logic                    scores_ready_o,
    input logic signed [Score-1:0] scores_data_i [Lanes],
    input logic        [Lanes-1:0] allowed_i,
    input logic                    row_begins_i,
    input logic                    row_ends_i,

    input logic                    maximum_valid_o,
    input logic signed [Score-1:0] maximum_o,

    input logic            read_i,
    input logic            read_row_ends_i,
    input logic [Word-1:0] word_o,

    input logic [Word-1:0] memory[Depth],
    input logic [AddressBits-1:0] write_q,
    input logic [AddressBits-1:0] read_q,
    input logic [CountBits-1:0] held_q,
    input logic [RowBits-1:0] rows_q,
    input logic unused_ready,

    input logic signed [Score-1:0] score_1q[Lanes],
    input logic [Lanes-1:0] allowed_1q,
    input logic signed [Score-1:0] largest_2q,
    input logic signed [Score-1:0] running_3q,
    input logic valid_1q,
    input logic valid_2q,
    input logic begins_1q,
    input logic begins_2q,
    input logic ends_1q,
    input logic ends_2q,
    input logic ends_3q,

    input logic [Score-1:0] maxima[Rows],
    input logic [2:0] first,
    input logic [3:0] count
);

  logic started, enter, watched, row_watched;
  logic open_q;  // a row has begun and not ended
  logic [7:0] held, ahead, rows, row_ahead;
  logic [Word-1:0] data, due_data_q, word, word_1;
  logic due_q;
  logic signed [Score-1:0] maximum, running_q, stage_2, stage_1, row_data;
  logic [Depth-1:0] ends_q;  // which of the words held are their rows' last, the oldest first

  // Of the allowed scores, one after the other.
  function automatic logic signed [Score-1:0] largest(logic [Word-1:0] of_word);
    largest = {1'b1, {(Score - 1) {1'b0}}};
    for (int unsigned i = 0; i < Lanes; i++) begin
      if (of_word[Lanes*Score+i] && $signed(of_word[Score*i+:Score]) > largest) begin
        largest = of_word[Score*i+:Score];
      end
    end
  endfunction

  function automatic logic signed [Score-1:0] more(logic alone, logic signed [Score-1:0] past,
                                                   logic signed [Score-1:0] value);
    return alone || value > past ? value : past;
  endfunction

  assign enter   = scores_valid_i && scores_ready_o;
  assign maximum = more(!open_q, running_q, largest(word));
  // The row's maximum so far, behind each step.
  assign stage_2 = valid_2q ? more(begins_2q, running_3q, largest_2q) : running_3q;
  assign stage_1 = valid_1q ? more(begins_1q, stage_2, largest(word_1)) : stage_2;

  always_comb begin
    word[Lanes*Score+:Lanes]   = allowed_i;
    word_1[Lanes*Score+:Lanes] = allowed_1q;
    for (int unsigned i = 0; i < Lanes; i++) begin
      word[Score*i+:Score]   = scores_data_i[i];
      word_1[Score*i+:Score] = score_1q[i];
    end
  end

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  // A word leaves when it is read; what is shown afterwards is compared below.
  watched_queue #(
      .Width(Word)
  ) u_words (
      .clk_i,
      .rst_ni,
      .started_i(started),
      .enter_i(enter),
      .enter_data_i(word),
      .leave_i(read_i),
      .leave_data_i(memory[read_q]),
      .held_o(held),
      .watched_o(watched),
      .ahead_o(ahead),
      .data_o(data)
  );

  watched_queue #(
      .Width(Score)
  ) u_rows (
      .clk_i,
      .rst_ni,
      .started_i(started),
      .enter_i(enter && row_ends_i),
      .enter_data_i(maximum),
      .leave_i(read_i && read_row_ends_i),
      .leave_data_i(maximum_o),
      .held_o(rows),
      .watched_o(row_watched),
      .ahead_o(row_ahead),
      .data_o(row_data)
  );

  always_ff @(posedge clk_i) begin
    due_data_q <= data;
    if (due_q && !read_i) due_data_q <= due_data_q;
    if (!rst_ni) begin
      open_q <= 1'b0;
      due_q  <= 1'b0;
      ends_q <= '0;
    end else begin
      if (enter) open_q <= !row_ends_i;
      if (enter) running_q <= maximum;
      if (read_i) due_q <= watched && ahead == '0;
      ends_q <= (ends_q | Depth'(enter && row_ends_i) << held) >> read_i;
    end
    if (enter) assume (row_begins_i == !open_q);
    if (read_i) assume (maximum_valid_o && read_row_ends_i == ends_q[0]);
    if (started) begin
      if (ends_3q) assert (unused_ready);
      // What is read was written in an earlier cycle.
      if (read_i) assert (held > 8'(valid_1q));
      if (due_q) assert (word_o == due_data_q);
      if (enter) assert (held < 8'(Depth) && rows < 8'(Rows));
      // What holds inside.
      assert (8'(held_q) == held && held <= 8'(Depth) && 8'(rows_q) == rows);
      assert (held >= 8'(valid_1q) + 8'(valid_2q) + 8'(ends_3q));
      assert (rows == 8'($countones(ends_q)) && ends_q >> held == '0);
      assert (rows == 8'(count) + 8'(ends_3q) + 8'(valid_2q && ends_2q) +
              8'(valid_1q && ends_1q) && rows <= 8'(Rows));
      if (valid_1q) assert (ends_q[held-8'd1] == ends_1q);
      if (valid_2q) assert (ends_q[held-8'd1-8'(valid_1q)] == ends_2q);
      if (ends_3q) assert (ends_q[held-8'd1-8'(valid_1q)-8'(valid_2q)]);
      if (open_q)
        assert (held != '0 && !ends_q[held-8'd1] && running_q == stage_1);
        else assert (held == '0 || ends_q[held-8'd1]);
      if (valid_2q) begin
        if (valid_1q)
          assert (begins_1q == ends_2q);
          else assert (open_q == !ends_2q);
      end
      if (valid_1q) assert (open_q == !ends_1q);
      assert (32'(read_q) < Depth && 32'(write_q) < Depth);
      assert ((32'(read_q) + 32'(held) - 32'(valid_1q)) % Depth == 32'(write_q));
      if (watched) begin
        if (valid_1q && ahead == held - 8'd1)
          assert (word_1 == data);
          else assert (memory[(32'(read_q)+32'(ahead))%Depth] == data);
      end
      if (row_watched) begin
        if (row_ahead < 8'(count))
          assert (maxima[3'(8'(first)+row_ahead)] == row_data);
          else if (row_ahead == 8'(count) && ends_3q)
            assert (running_3q == row_data);
            else if (row_ahead == 8'(count) + 8'(ends_3q) && valid_2q && ends_2q)
              assert (stage_2 == row_data);
              else assert (stage_1 == row_data);
      end
    end
  end

endmodule : row_maximum_properties

bind row_maximum row_maximum_properties #(
    .Lanes(Lanes),
    .Depth(Depth)
) u_properties (
    .maxima(u_maxima.memory),
    .first (u_maxima.read_q),
    .count (u_maxima.count_q),
    .*
);
