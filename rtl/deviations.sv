/// Rows of int16 totals -> deviations from the row's mean, and the sum of their squares.
///
/// The mean is the 27-bit row sum times a 17-bit reciprocal of Hidden, rounded half up; a deviation
/// has 17 bits, the sum of squares 43. Rows follow each other without any notion of a sequence:
/// the sum of one row is made while the squares of the row before are. Totals beyond Hidden are 0.
/// A word of deviations, 0 beyond Hidden, is claimed (reserve_o, only with room_i) two cycles
/// before it is given, and never waits; a row's squares come when all its words were given.
/// One word a cycle; the squares come RowBeats + 12 cycles after a row's last word at the
/// earliest.
module deviations #(
    parameter int unsigned Lanes = 8,
    localparam int unsigned Bits = 17,
    localparam int unsigned SquaresBits = 43
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic               totals_valid_i,
    output logic               totals_ready_o,
    input  logic signed [15:0] totals_data_i [Lanes],

    input  logic                  room_i,
    output logic                  reserve_o,
    output logic                  deviations_valid_o,
    output logic [Lanes*Bits-1:0] deviations_data_o,

    output logic                   squares_valid_o,
    input  logic                   squares_ready_i,
    output logic [SquaresBits-1:0] squares_data_o
);

  localparam int unsigned RowBeats = operator_pkg::ceil_divide(transfab_pkg::Hidden, Lanes);
  localparam int unsigned LastLanes = transfab_pkg::Hidden - (RowBeats - 1) * Lanes;
  localparam int unsigned WordBits = operator_pkg::index_bits(RowBeats);
  localparam int unsigned Parts = Lanes / 8;  // a word is summed by eights, then the eights
  localparam int unsigned PartBits = 19;
  localparam int unsigned SquareBits = 32;  // |deviation| < 2**16
  localparam int unsigned SquarePartBits = 35;
  localparam int unsigned MeanShift = transfab_pkg::MeanShift;
  // A row waits for its mean and for its squares in two places each.
  localparam int unsigned Slots = 2;
  localparam int unsigned MeanLatency = 8;

  logic [WordBits-1:0] in_word_q, square_word_q;
  logic [1:0] summed_q, squared_q;  // rows begun and not yet passed on
  logic in_room, in_take, in_first, in_last;
  logic issue, issue_first, issue_last;

  logic [5:1] in_valid_q, in_last_q;
  logic [3:1] in_first_q;
  logic [16*Lanes-1:0] in_packed_q;
  logic [PartBits*Parts-1:0] in_parts_q;
  logic signed [21:0] in_sum_q;
  logic signed [26:0] row_sum_q;
  logic signed [44:0] mean_product_q;
  logic mean_valid, unused_mean_ready;
  logic [Bits-1:0] mean_data;

  logic [6:1] square_valid_q, square_last_q;
  logic [5:1] square_first_q;
  logic signed [Bits-1:0] mean_q;
  logic [16*Lanes-1:0] row_word;
  logic [SquareBits*Lanes-1:0] squares_q;
  logic [SquarePartBits*Parts-1:0] square_parts_q;
  logic [37:0] square_sum_q;
  logic [SquaresBits-1:0] row_squares_q;
  logic unused_squares_ready;

  function automatic logic signed [PartBits-1:0] part_of(logic [16*Lanes-1:0] word,
                                                         int unsigned part);
    part_of = '0;
    for (int unsigned i = 0; i < 8; i++) begin
      part_of += PartBits'(signed'(word[16*(8*part+i)+:16]));
    end
  endfunction

  function automatic logic signed [21:0] sum_of(logic [PartBits*Parts-1:0] parts);
    sum_of = '0;
    for (int unsigned i = 0; i < Parts; i++) sum_of += 22'(signed'(parts[PartBits*i+:PartBits]));
  endfunction

  function automatic logic signed [Bits-1:0] mean_of(logic signed [44:0] product);
    return Bits'((product + (45'sd1 <<< (MeanShift - 1))) >>> MeanShift);
  endfunction

  function automatic logic [SquareBits-1:0] square_of(logic signed [Bits-1:0] deviation);
    return SquareBits'((2 * Bits)'(deviation) * (2 * Bits)'(deviation));
  endfunction

  function automatic logic [SquarePartBits-1:0] square_part_of(logic [SquareBits*Lanes-1:0] squares,
                                                               int unsigned part);
    square_part_of = '0;
    for (int unsigned i = 0; i < 8; i++) begin
      square_part_of += SquarePartBits'(squares[SquareBits*(8*part+i)+:SquareBits]);
    end
  endfunction

  function automatic logic [37:0] square_sum_of(logic [SquarePartBits*Parts-1:0] parts);
    square_sum_of = '0;
    for (int unsigned i = 0; i < Parts; i++) begin
      square_sum_of += 38'(parts[SquarePartBits*i+:SquarePartBits]);
    end
  endfunction

  assign in_first = in_word_q == '0;
  assign in_last = in_word_q == WordBits'(RowBeats - 1);
  assign totals_ready_o = in_room && !(in_first && summed_q == 2'(Slots));
  assign in_take = totals_valid_i && totals_ready_o;

  assign issue_first = square_word_q == '0;
  assign issue_last = square_word_q == WordBits'(RowBeats - 1);
  assign issue = room_i && (!issue_first || (mean_valid && squared_q != 2'(Slots)));
  assign reserve_o = issue;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      in_word_q <= '0;
      square_word_q <= '0;
      summed_q <= '0;
      squared_q <= '0;
      in_valid_q <= '0;
      square_valid_q <= '0;
    end else begin
      if (in_take) in_word_q <= in_last ? '0 : in_word_q + 1'b1;
      if (issue) square_word_q <= issue_last ? '0 : square_word_q + 1'b1;
      summed_q <= summed_q + 2'(in_take && in_first) - 2'(issue && issue_first);
      squared_q <= squared_q + 2'(issue && issue_first) - 2'(squares_valid_o && squares_ready_i);
      in_valid_q <= {in_valid_q[4:1], in_take};
      square_valid_q <= {square_valid_q[5:1], issue};
    end
    in_first_q <= {in_first_q[2:1], in_first};
    in_last_q <= {in_last_q[4:1], in_last};
    square_first_q <= {square_first_q[4:1], issue_first};
    square_last_q <= {square_last_q[5:1], issue_last};
  end

  // The sum of a row and its mean.
  always_ff @(posedge clk_i) begin
    if (in_take) begin
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        in_packed_q[16*lane+:16] <= totals_data_i[lane];
      end
    end
    if (in_valid_q[1]) begin
      for (int unsigned part = 0; part < Parts; part++) begin
        in_parts_q[PartBits*part+:PartBits] <= part_of(in_packed_q, part);
      end
    end
    if (in_valid_q[2]) in_sum_q <= sum_of(in_parts_q);
    if (in_valid_q[3]) row_sum_q <= (in_first_q[3] ? '0 : row_sum_q) + 27'(in_sum_q);
    if (in_valid_q[4] && in_last_q[4]) begin
      mean_product_q <= 45'(row_sum_q) * 45'(signed'(18'(transfab_pkg::MeanMultiplier)));
    end
  end

  stream_fifo #(
      .Width(Bits),
      .Depth(Slots)
  ) u_means (
      .clk_i,
      .rst_ni,
      .in_valid_i (in_valid_q[5] && in_last_q[5]),
      .in_ready_o (unused_mean_ready),
      .in_data_i  (mean_of(mean_product_q)),
      .out_valid_o(mean_valid),
      .out_ready_i(issue && issue_first),
      .out_data_o (mean_data)
  );

  word_buffer #(
      .Width(16 * Lanes),
      .Depth(RowBeats + MeanLatency)
  ) u_rows (
      .clk_i,
      .rst_ni,
      .reserve_i(in_take),
      .room_o(in_room),
      .write_i(in_valid_q[1]),
      .write_data_i(in_packed_q),
      .read_i(issue),
      .read_data_o(row_word)
  );

  // The deviations and their squares.
  always_ff @(posedge clk_i) begin
    if (issue && issue_first) mean_q <= mean_data;
    if (square_valid_q[1]) begin
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        deviations_data_o[Bits*lane+:Bits] <= square_last_q[1] && lane >= LastLanes
            ? '0 : Bits'(signed'(row_word[16*lane+:16])) - mean_q;
      end
    end
    if (square_valid_q[2]) begin
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        squares_q[SquareBits*lane+:SquareBits] <= square_of(deviations_data_o[Bits*lane+:Bits]);
      end
    end
    if (square_valid_q[3]) begin
      for (int unsigned part = 0; part < Parts; part++) begin
        square_parts_q[SquarePartBits*part+:SquarePartBits] <= square_part_of(squares_q, part);
      end
    end
    if (square_valid_q[4]) square_sum_q <= square_sum_of(square_parts_q);
    if (square_valid_q[5]) begin
      row_squares_q <= (square_first_q[5] ? '0 : row_squares_q) + SquaresBits'(square_sum_q);
    end
  end

  assign deviations_valid_o = square_valid_q[2];

  stream_fifo #(
      .Width(SquaresBits),
      .Depth(Slots)
  ) u_squares (
      .clk_i,
      .rst_ni,
      .in_valid_i (square_valid_q[6] && square_last_q[6]),
      .in_ready_o (unused_squares_ready),
      .in_data_i  (row_squares_q),
      .out_valid_o(squares_valid_o),
      .out_ready_i(squares_ready_i),
      .out_data_o (squares_data_o)
  );

endmodule : deviations
