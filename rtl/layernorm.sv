/// y = clamp((u g + o + 2**(s-1)) >> s), u the deviation over its root, 27 bits, 25 of fraction.
///
/// Of a sequence it takes, in this order: its token of `rows`, its scalars and norm records, the
/// mask beats, which leave with the bytes beyond S zeroed, then the rows of totals, which leave as
/// the rows of the residual packet. Rows overlap: the sum of one, the squares, root and reciprocal
/// of those before, and the product of the oldest are made at the same time, so that a row costs
/// the larger of RowBeats and 17 cycles. A row's first beat leaves RowBeats + 60 cycles after its
/// last totals when nothing is in its way. Totals may come before the parameters; the next
/// sequence's scalars stay in their stream until the last beat has left.
module layernorm #(
    parameter int unsigned Scalars = 7,
    parameter int unsigned FirstScalar = 4,  // the shift; epsilon's low 32 and high 8 bits follow
    localparam int unsigned Lanes = 8 * transfab_pkg::BeatBytes / transfab_pkg::ResidualBits,
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

    input  logic               totals_valid_i,
    output logic               totals_ready_o,
    input  logic signed [15:0] totals_data_i [Lanes],

    output logic                out_valid_o,
    input  logic                out_ready_i,
    output logic [BeatBits-1:0] out_data_o,
    output logic                out_last_o
);

  localparam int unsigned RowBeats = operator_pkg::ceil_divide(transfab_pkg::Hidden, Lanes);
  localparam int unsigned LastLanes = transfab_pkg::Hidden - (RowBeats - 1) * Lanes;
  localparam int unsigned WordBits = operator_pkg::index_bits(RowBeats);
  localparam int unsigned GroupBits = operator_pkg::index_bits(
      operator_pkg::ceil_divide(Lanes, transfab_pkg::BeatBytes / operator_pkg::RecordBytes)
  );
  localparam int unsigned MaskShift = $clog2(transfab_pkg::BeatBytes);
  localparam int unsigned OutBits = transfab_pkg::ResidualBits;
  localparam int unsigned DeviationBits = 17;
  localparam int unsigned FactorLatency = 54;  // from a row's last deviations to their product
  localparam int unsigned Requantized = 5 + operator_pkg::RequantizeLatency;
  localparam int unsigned Latency = Requantized + 1;

  typedef enum logic [2:0] {
    Idle,
    Load,
    Mask,
    Rows,
    Drain
  } state_e;

  state_e state_q;
  logic [RowsBits-1:0] rows_q, row_q;
  logic [WordBits-1:0] word_q;
  logic loaded, mask_take, mask_last, advance, issue, issue_first, last_word, last_row;

  logic [31:0] scalars[Scalars];
  logic [39:0] epsilon;
  logic write;
  logic [WordBits-1:0] write_word;
  logic [GroupBits-1:0] write_group;

  logic room, reserve, deviations_valid, squares_valid, squares_ready, factor_valid;
  logic [DeviationBits*Lanes-1:0] deviations_data, word;
  logic [42:0] squares_data;
  logic [16:0] factor;
  logic [ 4:0] factor_shift;

  assign rows_ready_o = state_q == Idle;
  assign advance = !out_valid_o || out_ready_i;
  assign mask_ready_o = state_q == Mask && advance;
  assign mask_take = mask_ready_o && mask_valid_i;
  assign mask_last = row_q == (rows_q - 1'b1) >> MaskShift;
  assign last_word = word_q == WordBits'(RowBeats - 1);
  assign last_row = row_q == rows_q - 1'b1;
  assign issue_first = word_q == '0;
  assign issue = state_q == Rows && advance && (!issue_first || factor_valid);

  logic [Latency:1] valid_q;
  logic [Latency-1:1] ragged_q, last_q;  // of a row, of the packet
  logic [WordBits-1:0] word_1q, word_2q, word_3q;

  assign out_valid_o = valid_q[Latency];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      valid_q <= '0;
    end else begin
      unique case (state_q)
        Idle: if (rows_valid_i) state_q <= Load;
        Load: if (loaded) state_q <= Mask;
        Mask: if (mask_take && mask_last) state_q <= Rows;
        Rows: if (issue && last_word && last_row) state_q <= Drain;
        default: if (valid_q == '0) state_q <= Idle;
      endcase
      if (advance) valid_q <= {valid_q[Latency-1] || mask_take, valid_q[Latency-2:1], issue};
    end
  end

  // Counts mask beats, then rows.
  always_ff @(posedge clk_i) begin
    if (state_q == Idle) rows_q <= rows_data_i;
    if (state_q == Load) begin
      row_q  <= '0;
      word_q <= '0;
    end else if (mask_take) begin
      row_q <= mask_last ? '0 : row_q + 1'b1;
    end else if (issue) begin
      word_q <= last_word ? '0 : word_q + 1'b1;
      if (last_word) row_q <= row_q + 1'b1;
    end
    if (advance) begin
      ragged_q <= {ragged_q[Latency-2:1], last_word};
      last_q   <= {last_q[Latency-2:1], last_word && last_row};
      word_1q  <= word_q;
      word_2q  <= word_1q;
      word_3q  <= word_2q;
    end
  end

  parameter_reader #(
      .Lanes  (Lanes),
      .Scalars(Scalars)
  ) u_parameter_reader (
      .clk_i,
      .rst_ni,
      .load_i(state_q == Load),
      .loaded_o(loaded),
      .parameters_valid_i,
      .parameters_ready_o,
      .parameters_data_i,
      .scalars_o(scalars),
      .write_o(write),
      .write_word_o(write_word),
      .write_group_o(write_group)
  );

  assign epsilon = {scalars[FirstScalar+2][7:0], scalars[FirstScalar+1]};

  deviations #(
      .Lanes(Lanes)
  ) u_deviations (
      .clk_i,
      .rst_ni,
      .totals_valid_i,
      .totals_ready_o,
      .totals_data_i,
      .room_i(room),
      .reserve_o(reserve),
      .deviations_valid_o(deviations_valid),
      .deviations_data_o(deviations_data),
      .squares_valid_o(squares_valid),
      .squares_ready_i(squares_ready),
      .squares_data_o(squares_data)
  );

  // Deviations wait for their row's factor.
  word_buffer #(
      .Width(DeviationBits * Lanes),
      .Depth(RowBeats + FactorLatency)
  ) u_deviation_words (
      .clk_i,
      .rst_ni,
      .reserve_i(reserve),
      .room_o(room),
      .write_i(deviations_valid),
      .write_data_i(deviations_data),
      .read_i(issue),
      .read_data_o(word)
  );

  row_factor #(
      .RowsBits(RowsBits)
  ) u_row_factor (
      .clk_i,
      .rst_ni,
      .begin_i(loaded),
      .rows_i(rows_q),
      .epsilon_i(epsilon),
      .squares_valid_i(squares_valid),
      .squares_ready_o(squares_ready),
      .squares_data_i(squares_data),
      .factor_valid_o(factor_valid),
      .factor_ready_i(issue && issue_first),
      .factor_o(factor),
      .shift_o(factor_shift)
  );

  // Constants of a row go along with its words.
  logic signed [17:0] factor_1q, factor_2q;
  logic [4:0] shift_1q, shift_2q, shift_3q, shift_4q;
  logic [DeviationBits*Lanes-1:0] deviation_q;
  logic signed [33:0] product_q[Lanes];
  logic signed [41:0] rounded_q[Lanes];
  logic signed [26:0] normalized_q[Lanes];
  logic signed [26:0] unused_first[Lanes];
  logic signed [17:0] gain[Lanes];
  logic signed [47:0] offset[Lanes];
  logic signed [OutBits-1:0] value[Lanes];

  // The product has 33 fraction bits less half the shift of the squares; it is widened by 8 first,
  // so that the shift to 25 always goes to the right.
  always_ff @(posedge clk_i) begin
    if (issue && issue_first) begin
      factor_1q <= {1'b0, factor};
      shift_1q  <= factor_shift;
    end
    if (advance && valid_q[1]) begin
      factor_2q   <= factor_1q;
      shift_2q    <= shift_1q;
      deviation_q <= word;
    end
    if (advance && valid_q[2]) begin
      shift_3q <= shift_2q;
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        product_q[lane] <= 34'(signed'(deviation_q[DeviationBits*lane+:DeviationBits])) *
            34'(factor_2q);
      end
    end
    if (advance && valid_q[3]) begin
      shift_4q <= shift_3q;
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        rounded_q[lane] <= {product_q[lane], 8'd0} + signed'((42'd1 << shift_3q) >> 1);
      end
    end
    if (advance && valid_q[4]) begin
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        normalized_q[lane] <= 27'(rounded_q[lane] >>> shift_4q);
      end
    end
    if (mask_take) begin
      for (int unsigned i = 0; i < transfab_pkg::BeatBytes; i++) begin
        out_data_o[8*i+:8] <= i < 32'(rows_q) - (32'(row_q) << MaskShift)
            ? mask_data_i[8*i+:8] : '0;
      end
    end else if (advance && valid_q[Requantized]) begin
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        out_data_o[OutBits*lane+:OutBits] <= ragged_q[Requantized] && lane >= LastLanes
            ? '0 : value[lane];
      end
    end
    if (advance) out_last_o <= last_q[Requantized] && valid_q[Requantized];
  end

  record_memory #(
      .Lanes(Lanes),
      .Words(RowBeats)
  ) u_norm_records (
      .clk_i,
      .write_i(write),
      .write_word_i(write_word),
      .write_group_i(write_group),
      .write_beat_i(parameters_data_i),
      .enable_i(advance),
      .read_i(valid_q[3]),
      .read_word_i(word_3q),
      .first_o(unused_first),
      .multiplier_o(gain),
      .offset_o(offset)
  );

  requantize #(
      .Lanes  (Lanes),
      .OutBits(OutBits)
  ) u_requantize (
      .clk_i,
      .enable_i(advance && valid_q[Requantized-1:5] != '0),
      .value_i(normalized_q),
      .multiplier_i(gain),
      .offset_i(offset),
      .shift_i('{default: scalars[FirstScalar][5:0]}),
      .value_o(value)
  );

endmodule : layernorm
