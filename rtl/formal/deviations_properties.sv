/// deviations: none of its queues without back-pressure overflows; squares stable, one a row.
///
/// Rows are counted where they are: between their first word and their mean, their squares.
module deviations_properties #(
    parameter int unsigned Lanes = 8,
    localparam int unsigned SquaresBits = 43,
    localparam int unsigned WordBits = operator_pkg::index_bits(
        operator_pkg::ceil_divide(transfab_pkg::Hidden, Lanes)
    )
) (
    input logic clk_i,
    input logic rst_ni,

    input logic totals_valid_i,
    input logic totals_ready_o,

    input logic room_i,
    input logic reserve_o,
    input logic deviations_valid_o,

    input logic squares_valid_o,
    input logic squares_ready_i,
    input logic [SquaresBits-1:0] squares_data_o,

    input logic [WordBits-1:0] in_word_q,
    input logic [WordBits-1:0] square_word_q,
    input logic [1:0] summed_q,
    input logic [1:0] squared_q,
    input logic in_take,
    input logic issue,
    input logic issue_first,
    input logic [5:1] in_valid_q,
    input logic [5:1] in_last_q,
    input logic [6:1] square_valid_q,
    input logic [6:1] square_last_q,
    input logic mean_valid,
    input logic unused_mean_ready,
    input logic unused_squares_ready,
    input logic [1:0] means,
    input logic [1:0] squares,
    input logic [7:0] words
);

  localparam int unsigned RowBeats = operator_pkg::ceil_divide(transfab_pkg::Hidden, Lanes);

  logic started;
  logic [7:0] claimed_q;  // deviations that are claimed and not given
  logic [7:0] rows;  // of means on their way

  assign rows = 8'($countones(in_valid_q & in_last_q)) + 8'(means);

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_output #(
      .Width(SquaresBits)
  ) u_stable (
      .clk_i,
      .started_i(started),
      .valid_i(squares_valid_o),
      .ready_i(squares_ready_i),
      .data_i(squares_data_o)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) claimed_q <= '0;
    else claimed_q <= claimed_q + 8'(reserve_o) - 8'(deviations_valid_o);
    if (started) begin
      if (in_valid_q[5] && in_last_q[5]) assert (unused_mean_ready);
      if (square_valid_q[6] && square_last_q[6]) assert (unused_squares_ready);
      if (reserve_o) assert (room_i);
      if (deviations_valid_o) assert (claimed_q != '0);
      if (issue && issue_first) assert (mean_valid);
      // A word is read only once it was written in an earlier cycle.
      if (issue) assert (words > 8'(in_valid_q[1]));
      // What holds inside.
      assert (claimed_q == 8'(square_valid_q[1]) + 8'(square_valid_q[2]));
      assert (32'(in_word_q) < RowBeats && 32'(square_word_q) < RowBeats);
      assert (8'(summed_q) == rows + 8'(in_word_q != '0) && summed_q <= 2'd2);
      assert (8'(squared_q) == 8'(square_word_q != '0) + 8'(squares) + 8'($countones(
          square_valid_q & square_last_q
      )) && squared_q <= 2'd2);
      // Words of the rows whose mean is on its way, of the one that comes and the one that goes.
      assert (words == 8'(RowBeats) * rows + 8'(in_word_q) +
              (square_word_q != '0 ? 8'(RowBeats) - 8'(square_word_q) : '0));
    end
  end

endmodule : deviations_properties

bind deviations deviations_properties #(
    .Lanes(Lanes)
) u_properties (
    .means  (u_means.count_q),
    .squares(u_squares.count_q),
    .words  (8'(u_rows.count_q)),
    .*
);
