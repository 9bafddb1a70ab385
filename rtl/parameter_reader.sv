/// Reads the scalars of a parameter stream, then sections of Hidden records each.
///
/// Takes beats while load_i is high; loaded_o comes with the beat that ends the last section, and
/// the next sequence's scalars are then the next to come. The data goes past this module: it says
/// where each beat's records belong, in record_memory's terms, one write enable a section.
/// The scalars hold until they are read again.
module parameter_reader #(
    parameter int unsigned Lanes = 1,
    parameter int unsigned Scalars = 1,
    parameter int unsigned Sections = 1,
    localparam int unsigned PerBeat = transfab_pkg::BeatBytes / operator_pkg::RecordBytes,
    localparam int unsigned Groups = operator_pkg::ceil_divide(Lanes, PerBeat),
    localparam int unsigned Words = operator_pkg::ceil_divide(transfab_pkg::Hidden, Lanes),
    localparam int unsigned WordBits = operator_pkg::index_bits(Words),
    localparam int unsigned GroupBits = operator_pkg::index_bits(Groups)
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic load_i,
    output logic loaded_o,

    input  logic                                 parameters_valid_i,
    output logic                                 parameters_ready_o,
    input  logic [8*transfab_pkg::BeatBytes-1:0] parameters_data_i,

    output logic [31:0] scalars_o[Scalars],

    output logic [ Sections-1:0] write_o,
    output logic [ WordBits-1:0] write_word_o,
    output logic [GroupBits-1:0] write_group_o
);

  localparam int unsigned PerScalarBeat = transfab_pkg::BeatBytes / 4;
  localparam int unsigned ScalarBeats = operator_pkg::ceil_divide(Scalars, PerScalarBeat);
  localparam int unsigned LastBeat = operator_pkg::ceil_divide(transfab_pkg::Hidden, PerBeat) - 1;
  localparam int unsigned LastWord = LastBeat / Groups;
  localparam int unsigned LastGroup = LastBeat % Groups;
  localparam int unsigned SectionBits = operator_pkg::index_bits(Sections);
  localparam int unsigned ScalarBeatBits = $clog2(ScalarBeats + 1);

  logic [ScalarBeatBits-1:0] scalar_beat_q;
  logic [SectionBits-1:0] section_q;
  logic [WordBits-1:0] word_q;
  logic [GroupBits-1:0] group_q;
  logic take, in_scalars, section_end;

  assign parameters_ready_o = load_i;
  assign take = load_i && parameters_valid_i;
  assign in_scalars = scalar_beat_q != ScalarBeatBits'(ScalarBeats);
  assign section_end = word_q == WordBits'(LastWord) && group_q == GroupBits'(LastGroup);
  assign loaded_o = write_o[Sections-1] && section_end;
  assign write_word_o = word_q;
  assign write_group_o = group_q;

  always_comb begin
    write_o = '0;
    write_o[section_q] = take && !in_scalars;
  end

  always_ff @(posedge clk_i) begin
    if (take && in_scalars) begin
      for (int unsigned i = 0; i < Scalars; i++) begin
        if (scalar_beat_q == ScalarBeatBits'(i / PerScalarBeat)) begin
          scalars_o[i] <= parameters_data_i[32*(i%PerScalarBeat)+:32];
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || loaded_o) begin
      scalar_beat_q <= '0;
      section_q <= '0;
      word_q <= '0;
      group_q <= '0;
    end else if (take) begin
      if (in_scalars) begin
        scalar_beat_q <= scalar_beat_q + 1'b1;
      end else if (section_end) begin
        section_q <= section_q + 1'b1;
        word_q <= '0;
        group_q <= '0;
      end else if (group_q == GroupBits'(Groups - 1)) begin
        word_q  <= word_q + 1'b1;
        group_q <= '0;
      end else begin
        group_q <= group_q + 1'b1;
      end
    end
  end

endmodule : parameter_reader
