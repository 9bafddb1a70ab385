/// parameter_reader: beat n of a sequence is its scalars', then one of a section's, then of the next.
///
/// Any one scalar is watched: it holds what its beat brought. Beats are numbered as they are taken.
module parameter_reader_properties #(
    parameter int unsigned Lanes = 1,
    parameter int unsigned Scalars = 1,
    parameter int unsigned Sections = 1,
    localparam int unsigned BeatBytes = transfab_pkg::BeatBytes,
    localparam int unsigned PerBeat = BeatBytes / operator_pkg::RecordBytes,
    localparam int unsigned Groups = operator_pkg::ceil_divide(Lanes, PerBeat),
    localparam int unsigned Words = operator_pkg::ceil_divide(transfab_pkg::Hidden, Lanes),
    localparam int unsigned WordBits = operator_pkg::index_bits(Words),
    localparam int unsigned GroupBits = operator_pkg::index_bits(Groups),
    localparam int unsigned PerScalarBeat = BeatBytes / 4,
    localparam int unsigned ScalarBeats = operator_pkg::ceil_divide(Scalars, PerScalarBeat),
    localparam int unsigned SectionBits = operator_pkg::index_bits(Sections),
    localparam int unsigned ScalarBeatBits = $clog2(ScalarBeats + 1)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic load_i,
    input logic loaded_o,

    input logic                   parameters_valid_i,
    input logic                   parameters_ready_o,
    input logic [8*BeatBytes-1:0] parameters_data_i,

    input logic [31:0] scalars_o[Scalars],

    input logic [ Sections-1:0] write_o,
    input logic [ WordBits-1:0] write_word_o,
    input logic [GroupBits-1:0] write_group_o,

    input logic [ScalarBeatBits-1:0] scalar_beat_q,
    input logic [SectionBits-1:0] section_q
);

  localparam int unsigned SectionBeats = operator_pkg::ceil_divide(transfab_pkg::Hidden, PerBeat);

  logic started, take, read_q;
  logic [ 7:0] scalar;  // the watched one
  logic [15:0] beat_q;  // taken of this sequence
  logic [15:0] section, place;  // of a beat behind the scalars
  logic [31:0] scalar_q;

  assign take = parameters_valid_i && parameters_ready_o;
  assign section = (beat_q - 16'(ScalarBeats)) / 16'(SectionBeats);
  assign place = (beat_q - 16'(ScalarBeats)) % 16'(SectionBeats);

  any_constant #(
      .Width(8),
      .Count(Scalars)
  ) u_scalar (
      .clk_i,
      .value_o(scalar)
  );

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      beat_q <= '0;
      read_q <= 1'b0;
    end else if (take) begin
      beat_q <= loaded_o ? '0 : beat_q + 1'b1;
      if (beat_q == 16'(scalar) / 16'(PerScalarBeat)) begin
        read_q   <= 1'b1;
        scalar_q <= parameters_data_i[32*(32'(scalar)%PerScalarBeat)+:32];
      end
    end
    if (started) begin
      assert (parameters_ready_o == load_i);
      assert (loaded_o == (take && beat_q == 16'(ScalarBeats + Sections * SectionBeats - 1)));
      // A beat is written once, into its section, where record_memory keeps its records.
      if (!take || beat_q < 16'(ScalarBeats))
        assert (write_o == '0);
        else begin
          assert (write_o == Sections'(1) << section);
          assert (16'(write_word_o) * 16'(Groups) + 16'(write_group_o) == place);
          assert (16'(write_group_o) < 16'(Groups));
        end
      if (read_q) assert (scalars_o[scalar] == scalar_q);
      // What holds inside.
      assert (beat_q < 16'(ScalarBeats + Sections * SectionBeats));
      if (beat_q < 16'(ScalarBeats)) begin
        assert (16'(scalar_beat_q) == beat_q && write_word_o == '0 && write_group_o == '0);
        assert (section_q == '0);
      end else begin
        assert (16'(scalar_beat_q) == 16'(ScalarBeats) && 16'(section_q) == section);
        assert (16'(write_word_o) * 16'(Groups) + 16'(write_group_o) == place);
        assert (16'(write_group_o) < 16'(Groups));
      end
    end
  end

endmodule : parameter_reader_properties

bind parameter_reader parameter_reader_properties #(
    .Lanes(Lanes),
    .Scalars(Scalars),
    .Sections(Sections)
) u_properties (.*);
