/// y = clamp16((acc m + ((skip n) << k) + o + 2**(s-1)) >> s), acc the 27-bit sum and its bias.
///
/// Of a sequence it takes, in this order: its token of `rows`, its scalars and records, the mask
/// beats of the skip packet, which it passes on unregistered, then for each row RowBeats words of
/// sums and beats of skip together. A word of totals leaves 7 cycles after its sums, one a cycle
/// while nothing stalls; its lanes from Hidden on are 0. The next sequence's scalars stay in their
/// stream until the last word has left.
module residual #(
    parameter int unsigned Scalars = 7,
    parameter int unsigned ResidualScalars = 2,  // index of the shift; the skip shift follows
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

    input  logic               sums_valid_i,
    output logic               sums_ready_o,
    input  logic signed [26:0] sums_data_i [Lanes],

    input  logic                skip_valid_i,
    output logic                skip_ready_o,
    input  logic [BeatBits-1:0] skip_data_i,

    output logic                mask_valid_o,
    input  logic                mask_ready_i,
    output logic [BeatBits-1:0] mask_data_o,

    output logic               totals_valid_o,
    input  logic               totals_ready_i,
    output logic signed [15:0] totals_data_o [Lanes]
);

  localparam int unsigned RowBeats = operator_pkg::ceil_divide(transfab_pkg::Hidden, Lanes);
  localparam int unsigned LastLanes = transfab_pkg::Hidden - (RowBeats - 1) * Lanes;
  localparam int unsigned WordBits = operator_pkg::index_bits(RowBeats);
  localparam int unsigned PerBeat = transfab_pkg::BeatBytes / operator_pkg::RecordBytes;
  localparam int unsigned GroupBits = operator_pkg::index_bits(
      operator_pkg::ceil_divide(Lanes, PerBeat)
  );
  localparam int unsigned MaskShift = $clog2(transfab_pkg::BeatBytes);
  localparam int unsigned SkipBits = transfab_pkg::ResidualBits;
  localparam int unsigned Latency = 7;
  localparam logic signed [47:0] Limit = 48'sd32767;

  typedef enum logic [2:0] {
    Idle,
    Load,
    Mask,
    Rows,
    Drain
  } state_e;

  state_e state_q;
  logic [RowsBits-1:0] last_row_q, row_q;
  logic [WordBits-1:0] word_q;
  logic advance, take, last_word, loaded;
  logic [Latency:1] valid_q;
  logic [Latency-1:1] ragged_q;  // the last word of a row

  logic [31:0] scalars[Scalars];
  logic [5:0] shift_q;
  logic [4:0] skip_shift_q;  // at most 18
  logic signed [47:0] half_q;
  logic [1:0] write;
  logic [WordBits-1:0] write_word;
  logic [GroupBits-1:0] write_group;
  logic [BeatBits-1:0] norm_beat;

  logic signed [26:0] first[Lanes];
  logic signed [26:0] skip_multiplier[Lanes];
  logic signed [17:0] multiplier[Lanes];
  logic signed [47:0] offset[Lanes];
  logic signed [17:0] unused_multiplier[Lanes];
  logic signed [47:0] unused_offset[Lanes];

  assign rows_ready_o = state_q == Idle;
  assign mask_valid_o = state_q == Mask && skip_valid_i;
  assign mask_data_o = skip_data_i;
  assign totals_valid_o = valid_q[Latency];
  assign advance = !totals_valid_o || totals_ready_i;
  assign take = state_q == Rows && sums_valid_i && skip_valid_i && advance;
  assign sums_ready_o = state_q == Rows && skip_valid_i && advance;
  assign skip_ready_o = state_q == Mask ? mask_ready_i : state_q == Rows && sums_valid_i && advance;
  assign last_word = word_q == WordBits'(RowBeats - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
    end else begin
      unique case (state_q)
        Idle: if (rows_valid_i) state_q <= Load;
        Load: if (loaded) state_q <= Mask;
        Mask: if (mask_valid_o && mask_ready_i && row_q == last_row_q >> MaskShift) state_q <= Rows;
        Rows: if (take && last_word && row_q == last_row_q) state_q <= Drain;
        default: if (valid_q == '0) state_q <= Idle;
      endcase
    end
  end

  // Counts mask beats, then rows.
  always_ff @(posedge clk_i) begin
    if (state_q == Idle) last_row_q <= rows_data_i - 1'b1;
    if (state_q == Load) begin
      row_q  <= '0;
      word_q <= '0;
    end else if (mask_valid_o && mask_ready_i) begin
      row_q <= row_q == last_row_q >> MaskShift ? '0 : row_q + 1'b1;
    end else if (take) begin
      word_q <= last_word ? '0 : word_q + 1'b1;
      if (last_word) row_q <= row_q + 1'b1;
    end
  end

  parameter_reader #(
      .Lanes(Lanes),
      .Scalars(Scalars),
      .Sections(2)
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
  ) u_residual_records (
      .clk_i,
      .write_i(write[0]),
      .write_word_i(write_word),
      .write_group_i(write_group),
      .write_beat_i(parameters_data_i),
      .enable_i(advance),
      .read_i(take),
      .read_word_i(word_q),
      .first_o(first),
      .multiplier_o(multiplier),
      .offset_o(offset)
  );

  // Of a norm record only the skip multiplier is stored: constant bits take no memory.
  always_comb begin
    norm_beat = '0;
    for (int unsigned i = 0; i < PerBeat; i++) begin
      norm_beat[128*i+:18] = parameters_data_i[128*i+:18];
    end
  end

  record_memory #(
      .Lanes(Lanes),
      .Words(RowBeats)
  ) u_norm_records (
      .clk_i,
      .write_i(write[1]),
      .write_word_i(write_word),
      .write_group_i(write_group),
      .write_beat_i(norm_beat),
      .enable_i(advance),
      .read_i(take),
      .read_word_i(word_q),
      .first_o(skip_multiplier),
      .multiplier_o(unused_multiplier),
      .offset_o(unused_offset)
  );

  always_ff @(posedge clk_i) begin
    shift_q <= scalars[ResidualScalars][5:0];
    skip_shift_q <= scalars[ResidualScalars+1][4:0];
    half_q <= signed'((48'd1 << shift_q) >> 1);
    if (!rst_ni) valid_q <= '0;
    else if (advance) valid_q <= {valid_q[Latency-1:1], take};
    if (advance) ragged_q <= {ragged_q[Latency-2:1], last_word};
  end

  // What waits for the records, whose word is read in the first step.
  logic signed [26:0] sum_1q[Lanes], sum_2q[Lanes];
  logic signed [15:0] skip_2q[Lanes], skip_3q[Lanes];
  logic [BeatBits-1:0] skip_1q;
  logic signed [26:0] total_q[Lanes];
  logic signed [17:0] multiplier_q[Lanes], skip_multiplier_q[Lanes];
  logic signed [47:0] addend_3q[Lanes], addend_4q[Lanes];
  logic signed [44:0] product_q[Lanes];
  logic signed [33:0] skip_product_q[Lanes];
  logic signed [47:0] scaled_q[Lanes], skipped_q[Lanes], both_q[Lanes];

  function automatic logic signed [15:0] shift_and_clamp(logic signed [47:0] sum,
                                                         logic [5:0] shift);
    logic signed [47:0] shifted;
    shifted = sum >>> shift;
    if (shifted > Limit) return Limit[15:0];
    if (shifted < -Limit) return -Limit[15:0];
    return shifted[15:0];
  endfunction

  always_ff @(posedge clk_i) begin
    if (take) begin
      skip_1q <= skip_data_i;
      sum_1q  <= sums_data_i;
    end
    if (advance && valid_q[1]) begin
      sum_2q <= sum_1q;
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        skip_2q[lane] <= 16'(signed'(skip_1q[lane*SkipBits+:SkipBits]));
      end
    end
    if (advance && valid_q[2]) begin
      skip_3q <= skip_2q;
      multiplier_q <= multiplier;
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        total_q[lane] <= sum_2q[lane] + first[lane];
        skip_multiplier_q[lane] <= skip_multiplier[lane][17:0];
        addend_3q[lane] <= offset[lane] + half_q;
      end
    end
    if (advance && valid_q[3]) begin
      addend_4q <= addend_3q;
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        product_q[lane] <= 45'(total_q[lane]) * 45'(multiplier_q[lane]);
        skip_product_q[lane] <= 34'(skip_3q[lane]) * 34'(skip_multiplier_q[lane]);
      end
    end
    if (advance && valid_q[4]) begin
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        scaled_q[lane]  <= 48'(product_q[lane]) + addend_4q[lane];
        skipped_q[lane] <= 48'(skip_product_q[lane]) <<< skip_shift_q;
      end
    end
    if (advance && valid_q[5]) begin
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        both_q[lane] <= scaled_q[lane] + skipped_q[lane];
      end
    end
    if (advance && valid_q[6]) begin
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        totals_data_o[lane] <= ragged_q[6] && lane >= LastLanes ? '0 :
            shift_and_clamp(both_q[lane], shift_q);
      end
    end
  end

endmodule : residual
