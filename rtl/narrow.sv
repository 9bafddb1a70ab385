/// The rows of a residual packet as int8 rows of whole beats, filled with zeros.
///
/// int16 rows are requantized by a record a channel, two beats in for one out; int8 rows pass as
/// they are. Of a sequence it takes, in this order: its token of `rows`, its scalars (the first is
/// the shift) and for int16 its records, the mask beats, which it drops, then its rows, one beat a
/// cycle while nothing stalls. The next sequence's parameters are read while the last beats leave.
module narrow #(
    parameter  int unsigned Scalars  = 4,
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

    input  logic                hidden_valid_i,
    output logic                hidden_ready_o,
    input  logic [BeatBits-1:0] hidden_data_i,

    output logic                operand_valid_o,
    input  logic                operand_ready_i,
    output logic [BeatBits-1:0] operand_data_o
);

  localparam int unsigned Lanes = BeatBits / transfab_pkg::ResidualBits;
  localparam int unsigned RowBeats = operator_pkg::ceil_divide(transfab_pkg::Hidden, Lanes);
  localparam int unsigned LastLanes = transfab_pkg::Hidden - (RowBeats - 1) * Lanes;
  localparam int unsigned WordBits = operator_pkg::index_bits(RowBeats);
  localparam int unsigned MaskShift = $clog2(transfab_pkg::BeatBytes);

  typedef enum logic [1:0] {
    Idle,
    Load,
    Mask,
    Rows
  } state_e;

  state_e state_q;
  logic [RowsBits-1:0] last_row_q, row_q;
  logic [WordBits-1:0] word_q;
  logic loaded, empty, advance, skip, take, last_word, last_mask;

  assign rows_ready_o = state_q == Idle;
  assign advance = !operand_valid_o || operand_ready_i;
  assign skip = state_q == Mask && empty && hidden_valid_i;
  assign take = state_q == Rows && advance && hidden_valid_i;
  assign hidden_ready_o = state_q == Mask ? empty : state_q == Rows && advance;
  assign last_word = word_q == WordBits'(RowBeats - 1);
  assign last_mask = row_q == last_row_q >> MaskShift;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
    end else begin
      unique case (state_q)
        Idle: if (rows_valid_i) state_q <= Load;
        Load: if (loaded) state_q <= Mask;
        Mask: if (skip && last_mask) state_q <= Rows;
        default: if (take && last_word && row_q == last_row_q) state_q <= Idle;
      endcase
    end
  end

  // Counts mask beats, then rows.
  always_ff @(posedge clk_i) begin
    if (state_q == Idle) last_row_q <= rows_data_i - 1'b1;
    if (state_q == Load) begin
      row_q  <= '0;
      word_q <= '0;
    end else if (skip) begin
      row_q <= last_mask ? '0 : row_q + 1'b1;
    end else if (take) begin
      word_q <= last_word ? '0 : word_q + 1'b1;
      if (last_word) row_q <= row_q + 1'b1;
    end
  end

  if (transfab_pkg::ResidualBits == 16) begin : gen_requantize
    localparam int unsigned Latency = operator_pkg::RecordLatency + operator_pkg::RequantizeLatency;
    localparam int unsigned PerBeat = transfab_pkg::BeatBytes / operator_pkg::RecordBytes;
    localparam int unsigned GroupBits = operator_pkg::index_bits(
        operator_pkg::ceil_divide(Lanes, PerBeat)
    );

    logic [31:0] scalars[Scalars];
    logic write;
    logic [WordBits-1:0] write_word;
    logic [GroupBits-1:0] write_group;
    logic [5:0] shift_q;
    logic [Latency:1] valid_q, last_q, high_q;  // of a row: its last word; the upper half of a beat
    logic [BeatBits-1:0] beat_q;
    logic signed [26:0] value_q[Lanes];
    logic signed [26:0] unused_first[Lanes];
    logic signed [17:0] multiplier[Lanes];
    logic signed [47:0] offset[Lanes];
    logic signed [7:0] value8[Lanes];

    assign empty = valid_q == '0;

    parameter_reader #(
        .Lanes(Lanes),
        .Scalars(Scalars),
        .Sections(1)
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

    record_memory #(
        .Lanes(Lanes),
        .Words(RowBeats)
    ) u_records (
        .clk_i,
        .write_i(write),
        .write_word_i(write_word),
        .write_group_i(write_group),
        .write_beat_i(parameters_data_i),
        .enable_i(advance),
        .read_i(take),
        .read_word_i(word_q),
        .first_o(unused_first),
        .multiplier_o(multiplier),
        .offset_o(offset)
    );

    requantize #(
        .Lanes  (Lanes),
        .OutBits(8)
    ) u_requantize (
        .clk_i,
        .enable_i(advance && !empty),
        .value_i(value_q),
        .multiplier_i(multiplier),
        .offset_i(offset),
        .shift_i('{default: shift_q}),
        .value_o(value8)
    );

    always_ff @(posedge clk_i) begin
      if (state_q == Mask && empty) shift_q <= scalars[0][5:0];
      if (take) beat_q <= hidden_data_i;
      if (advance && valid_q[1]) begin
        for (int unsigned lane = 0; lane < Lanes; lane++) begin
          value_q[lane] <= 27'(signed'(beat_q[16*lane+:16]));
        end
      end
    end

    always_ff @(posedge clk_i) begin
      if (advance) begin
        last_q <= {last_q[Latency-1:1], last_word};
        high_q <= {high_q[Latency-1:1], word_q[0]};
      end
      if (!rst_ni) valid_q <= '0;
      else if (advance) valid_q <= {valid_q[Latency-1:1], take};
    end

    // Two words make a beat; the last word of a row may be its lower half, and ragged.
    always_ff @(posedge clk_i) begin
      if (!rst_ni) operand_valid_o <= 1'b0;
      else if (advance) operand_valid_o <= valid_q[Latency] && (last_q[Latency] || high_q[Latency]);
      if (advance && valid_q[Latency]) begin
        if (!high_q[Latency]) operand_data_o <= '0;
        for (int unsigned lane = 0; lane < Lanes; lane++) begin
          if (!last_q[Latency] || lane < LastLanes) begin
            operand_data_o[8*(high_q[Latency]?Lanes+lane : lane)+:8] <= value8[lane];
          end
        end
      end
    end
  end else begin : gen_pass
    localparam int unsigned ScalarBeats = operator_pkg::ceil_divide(
        4 * Scalars, transfab_pkg::BeatBytes
    );
    localparam int unsigned ScalarBeatBits = operator_pkg::index_bits(ScalarBeats);

    logic [ScalarBeatBits-1:0] scalar_beat_q;

    logic unused_parameters;

    assign unused_parameters = ^parameters_data_i;
    assign empty = 1'b1;
    assign parameters_ready_o = state_q == Load;
    assign loaded = state_q == Load && parameters_valid_i &&
        scalar_beat_q == ScalarBeatBits'(ScalarBeats - 1);

    always_ff @(posedge clk_i) begin
      if (state_q != Load) scalar_beat_q <= '0;
      else if (parameters_valid_i) scalar_beat_q <= scalar_beat_q + 1'b1;
    end

    always_ff @(posedge clk_i) begin
      if (!rst_ni) operand_valid_o <= 1'b0;
      else if (advance) operand_valid_o <= take;
      if (take)
        operand_data_o <= last_word ? BeatBits'(hidden_data_i[8*LastLanes-1:0]) : hidden_data_i;
    end
  end

endmodule : narrow
