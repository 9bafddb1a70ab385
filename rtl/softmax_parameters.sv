/// Reads what softmax holds for a sequence: shift, a multiplier a head, the table, the mask.
///
/// From load_i on it takes the scalars (the first is the shift), the multipliers, the table, four
/// entries a cycle, and then the mask beats; loaded_o comes with the last of them. What was read
/// holds until it is read again.
module softmax_parameters #(
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes,
    localparam int unsigned RowsBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned MaskBeats = operator_pkg::ceil_divide(
        transfab_pkg::Sequence, transfab_pkg::BeatBytes
    ),
    localparam int unsigned MaskKeys = MaskBeats * transfab_pkg::BeatBytes,
    localparam int unsigned Entry = transfab_pkg::ExponentialTableBits,
    localparam int unsigned TableWords = transfab_pkg::ExponentialEntries / 4,
    localparam int unsigned WordBits = $clog2(TableWords)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic load_i,
    output logic loaded_o,
    input logic [RowsBits-1:0] last_row_i,

    input  logic                parameters_valid_i,
    output logic                parameters_ready_o,
    input  logic [BeatBits-1:0] parameters_data_i,

    input  logic                mask_valid_i,
    output logic                mask_ready_o,
    input  logic [BeatBits-1:0] mask_data_i,

    output logic [5:0] shift_o,
    output logic signed [17:0] multiplier_o[transfab_pkg::Heads],
    output logic [MaskKeys-1:0] mask_o,  // 0 beyond the sequence

    output logic write_o,
    output logic [WordBits-1:0] write_word_o,
    output logic [4*Entry-1:0] write_entries_o
);

  localparam int unsigned Heads = transfab_pkg::Heads;
  localparam int unsigned Scalars = 7;
  localparam int unsigned PerBeat = transfab_pkg::BeatBytes / 4;
  localparam int unsigned ScalarBeats = operator_pkg::ceil_divide(Scalars, PerBeat);
  localparam int unsigned MultiplierBeats = operator_pkg::ceil_divide(Heads, PerBeat);
  localparam int unsigned PartBits = $clog2(transfab_pkg::BeatBytes / 8);  // words of a beat
  localparam int unsigned MaskShift = $clog2(transfab_pkg::BeatBytes);
  localparam int unsigned CountBits = $clog2(operator_pkg::larger(TableWords, MultiplierBeats) + 1);

  typedef enum logic [1:0] {
    ReadScalars,
    ReadMultipliers,
    ReadTable,
    ReadMask
  } section_e;

  section_e section_q;
  logic [CountBits-1:0] count_q, last;  // of beats, of words of the table
  logic step, section_ends;

  // Bit 0 of each byte, for the keys of the sequence.
  function automatic logic [transfab_pkg::BeatBytes-1:0] flags(
      logic [BeatBits-1:0] beat, int unsigned first_key, int unsigned last_key);
    for (int unsigned i = 0; i < transfab_pkg::BeatBytes; i++) begin
      flags[i] = beat[8*i] && first_key + i <= last_key;
    end
  endfunction

  always_comb begin
    unique case (section_q)
      ReadScalars: last = CountBits'(ScalarBeats - 1);
      ReadMultipliers: last = CountBits'(MultiplierBeats - 1);
      ReadTable: last = CountBits'(TableWords - 1);
      default: last = CountBits'(last_row_i >> MaskShift);
    endcase
  end

  assign section_ends = step && count_q == last;
  assign loaded_o = section_ends && section_q == ReadMask;
  assign mask_ready_o = load_i && section_q == ReadMask;
  assign parameters_ready_o = load_i && section_q != ReadMask &&
      (section_q != ReadTable || count_q[PartBits-1:0] == '1);
  assign step = load_i && (section_q == ReadMask ? mask_valid_i : parameters_valid_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      section_q <= ReadScalars;
      count_q   <= '0;
    end else if (step) begin
      count_q <= section_ends ? '0 : count_q + 1'b1;
      if (section_ends) begin
        unique case (section_q)
          ReadScalars: section_q <= ReadMultipliers;
          ReadMultipliers: section_q <= ReadTable;
          ReadTable: section_q <= ReadMask;
          default: section_q <= ReadScalars;
        endcase
      end
    end
  end

  always_ff @(posedge clk_i) begin
    write_o <= step && section_q == ReadTable;
    if (step && section_q == ReadScalars && count_q == '0) shift_o <= parameters_data_i[5:0];
    if (step && section_q == ReadMultipliers) begin
      for (int unsigned head = 0; head < Heads; head++) begin
        if (count_q == CountBits'(head / PerBeat)) begin
          multiplier_o[head] <= parameters_data_i[32*(head%PerBeat)+:18];
        end
      end
    end
    if (step && section_q == ReadTable) begin
      write_word_o <= count_q[WordBits-1:0];
      for (int unsigned i = 0; i < 4; i++) begin
        write_entries_o[i*Entry+:Entry] <=
            parameters_data_i[64*32'(count_q[PartBits-1:0])+16*i+:Entry];
      end
    end
    if (step && section_q == ReadMask) begin
      mask_o[32'(count_q)*transfab_pkg::BeatBytes+:transfab_pkg::BeatBytes] <=
          flags(mask_data_i, 32'(count_q) * transfab_pkg::BeatBytes, 32'(last_row_i));
    end
  end

endmodule : softmax_parameters
