/// Softmax of rows of 22-bit scores without its division: 14-bit exponentials and a row's scale.
///
/// Of a sequence of S keys it takes, in this order: its token of `rows`, its scalars (the first is
/// the shift), the heads' multipliers, the table, its mask beats; then for every head and row
/// ceil(S / Lanes) words of scores, for each of which a word of exponentials leaves, zero where
/// the key is masked or beyond S. A row's scale follows its exponentials by 21 cycles. In steady
/// state a row costs ceil(S / Lanes) cycles, or 17 for its division if that is more: the maximum of
/// the next rows is sought meanwhile. At most 8 rows wait for their scales to be taken.
module softmax #(
    localparam int unsigned Lanes = operator_pkg::smaller(8, transfab_pkg::AttentionSimd),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes,
    localparam int unsigned RowsBits = $clog2(transfab_pkg::Sequence + 1)
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic                rows_valid_i,
    output logic                rows_ready_o,
    input  logic [RowsBits-1:0] rows_data_i,

    input  logic                parameters_valid_i,
    output logic                parameters_ready_o,
    input  logic [BeatBits-1:0] parameters_data_i,

    input  logic                mask_valid_i,
    output logic                mask_ready_o,
    input  logic [BeatBits-1:0] mask_data_i,

    input  logic               scores_valid_i,
    output logic               scores_ready_o,
    input  logic signed [21:0] scores_data_i [Lanes],

    output logic        exponentials_valid_o,
    input  logic        exponentials_ready_i,
    output logic [13:0] exponentials_data_o [Lanes],

    output logic        scale_valid_o,
    input  logic        scale_ready_i,
    output logic [16:0] scale_reciprocal_o,
    output logic [ 2:0] scale_pre_shift_o,
    output logic [ 4:0] scale_post_shift_o
);

  localparam int unsigned Score = transfab_pkg::ScoresBits;
  localparam int unsigned Heads = transfab_pkg::Heads;
  localparam int unsigned Groups = operator_pkg::ceil_divide(transfab_pkg::Sequence, Lanes);
  localparam int unsigned GroupBits = operator_pkg::index_bits(Groups);
  localparam int unsigned HeadBits = operator_pkg::index_bits(Heads);
  localparam int unsigned LaneShift = $clog2(Lanes);
  localparam int unsigned Entry = transfab_pkg::ExponentialTableBits;
  localparam int unsigned WordBits = $clog2(transfab_pkg::ExponentialEntries / 4);
  localparam int unsigned MaskKeys = transfab_pkg::BeatBytes * operator_pkg::ceil_divide(
      transfab_pkg::Sequence, transfab_pkg::BeatBytes
  );
  localparam int unsigned Latency = 7;
  localparam int unsigned Waiting = 8;  // rows whose sum is not at its division yet
  localparam int unsigned WaitingBits = $clog2(Waiting + 1);

  typedef enum logic [1:0] {
    Idle,
    Load,
    Run
  } state_e;

  state_e state_q;
  logic loaded;
  logic [RowsBits-1:0] last_row_q;
  logic [GroupBits-1:0] last_group_q;
  logic [5:0] shift;
  logic signed [47:0] half_q;
  logic signed [17:0] multiplier[Heads];
  logic [MaskKeys-1:0] mask;
  logic write;
  logic [WordBits-1:0] write_word;
  logic [4*Entry-1:0] write_entries;

  // Rows come in, and their words are read again once their maximum is known.
  logic [GroupBits-1:0] in_group, unused_out_group;
  logic [HeadBits-1:0] out_head, unused_in_head;
  logic in_row_ends, in_done, out_row_ends, out_done;
  logic scores_ready, maximum_valid, read, advance, row_begun;
  logic signed [Score-1:0] maximum;
  logic [Lanes*(Score+1)-1:0] word;
  logic [WaitingBits-1:0] waiting_q;
  logic [Latency:1] valid_q, ends_q;

  // Step 1 reads the word, 2 takes the distance, 3 and 4 scale it, 5 to 7 look it up.
  logic signed [Score-1:0] maximum_1q;
  logic signed [17:0] multiplier_1q, multiplier_2q;
  logic signed [Score:0] distance_2q[Lanes];
  logic [Lanes-1:0] allowed_2q, allowed_3q, allowed_4q;
  logic signed [Score+18:0] product_3q[Lanes];
  logic signed [47:0] sum_4q[Lanes];

  assign rows_ready_o = state_q == Idle;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
    end else begin
      unique case (state_q)
        Idle: if (rows_valid_i) state_q <= Load;
        Load: if (loaded) state_q <= Run;
        default: if (out_done && valid_q == '0) state_q <= Idle;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    half_q <= signed'((48'd1 << shift) >> 1);
    if (state_q == Idle) begin
      last_row_q   <= rows_data_i - 1'b1;
      last_group_q <= GroupBits'((rows_data_i - 1'b1) >> LaneShift);
    end
  end

  softmax_parameters u_parameters (
      .clk_i,
      .rst_ni,
      .load_i(state_q == Load),
      .loaded_o(loaded),
      .last_row_i(last_row_q),
      .parameters_valid_i,
      .parameters_ready_o,
      .parameters_data_i,
      .mask_valid_i,
      .mask_ready_o,
      .mask_data_i,
      .shift_o(shift),
      .multiplier_o(multiplier),
      .mask_o(mask),
      .write_o(write),
      .write_word_o(write_word),
      .write_entries_o(write_entries)
  );

  assign scores_ready_o = state_q == Run && !in_done && scores_ready;
  assign advance = !exponentials_valid_o || exponentials_ready_i;
  assign read = maximum_valid && advance && waiting_q != WaitingBits'(Waiting);

  head_counter #(
      .GroupBits(GroupBits),
      .RowBits  (RowsBits)
  ) u_in (
      .clk_i,
      .first_i(state_q == Load),
      .step_i(scores_valid_i && scores_ready_o),
      .last_group_i(last_group_q),
      .last_row_i(last_row_q),
      .group_o(in_group),
      .head_o(unused_in_head),
      .row_ends_o(in_row_ends),
      .done_o(in_done)
  );

  head_counter #(
      .GroupBits(GroupBits),
      .RowBits  (RowsBits)
  ) u_out (
      .clk_i,
      .first_i(state_q == Load),
      .step_i(read),
      .last_group_i(last_group_q),
      .last_row_i(last_row_q),
      .group_o(unused_out_group),
      .head_o(out_head),
      .row_ends_o(out_row_ends),
      .done_o(out_done)
  );

  row_maximum #(
      .Lanes (Lanes),
      .Groups(Groups)
  ) u_row_maximum (
      .clk_i,
      .rst_ni,
      .scores_valid_i(scores_valid_i && state_q == Run && !in_done),
      .scores_ready_o(scores_ready),
      .scores_data_i,
      .allowed_i(mask[32'(in_group)*Lanes+:Lanes]),
      .row_begins_i(in_group == '0),
      .row_ends_i(in_row_ends),
      .maximum_valid_o(maximum_valid),
      .maximum_o(maximum),
      .read_i(read),
      .read_row_ends_i(out_row_ends),
      .word_o(word)
  );

  always_ff @(posedge clk_i) begin
    if (read) begin
      maximum_1q <= maximum;
      multiplier_1q <= multiplier[out_head];
    end
    if (advance && valid_q[1]) begin
      multiplier_2q <= multiplier_1q;
      allowed_2q <= word[Lanes*Score+:Lanes];
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        distance_2q[lane] <= (Score + 1)'(maximum_1q) -
            (Score + 1)'(signed'(word[lane*Score+:Score]));
      end
    end
    if (advance && valid_q[2]) begin
      allowed_3q <= allowed_2q;
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        product_3q[lane] <= (Score + 19)'(distance_2q[lane]) * (Score + 19)'(multiplier_2q);
      end
    end
    if (advance && valid_q[3]) begin
      allowed_4q <= allowed_3q;
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        sum_4q[lane] <= 48'(product_3q[lane]) + half_q;
      end
    end
  end

  exponential #(
      .Lanes(Lanes)
  ) u_exponential (
      .clk_i,
      .enable_i(advance && valid_q[6:4] != '0),
      .sum_i(sum_4q),
      .shift_i(shift),
      .allowed_i(allowed_4q),
      .entry_o(exponentials_data_o),
      .write_i(write),
      .write_word_i(write_word),
      .write_entries_i(write_entries)
  );

  assign exponentials_valid_o = valid_q[Latency];

  always_ff @(posedge clk_i) begin
    if (advance) ends_q <= {ends_q[Latency-1:1], out_row_ends};
    if (!rst_ni) valid_q <= '0;
    else if (advance) valid_q <= {valid_q[Latency-1:1], read};
  end

  // A row is read only when there is room for its sum.
  row_scale #(
      .Lanes  (Lanes),
      .Waiting(Waiting)
  ) u_row_scale (
      .clk_i,
      .rst_ni,
      .taken_i(exponentials_valid_o && exponentials_ready_i),
      .row_ends_i(ends_q[Latency]),
      .exponential_i(exponentials_data_o),
      .begun_o(row_begun),
      .scale_valid_o,
      .scale_ready_i,
      .scale_reciprocal_o,
      .scale_pre_shift_o,
      .scale_post_shift_o
  );

  // Rows that are read whose sum is not at its division yet.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) waiting_q <= '0;
    else if (read && out_row_ends && !row_begun) waiting_q <= waiting_q + 1'b1;
    else if (row_begun && !(read && out_row_ends)) waiting_q <= waiting_q - 1'b1;
  end

endmodule : softmax
