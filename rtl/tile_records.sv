/// Constants of one tile after the other: scalars and a table once a sequence, records a tile.
///
/// A tile has Sections runs of Pe records. loaded_o until release_i; then the next tile is read, or
/// after Tiles of them the next sequence's scalars. Table entries (int16) come one a cycle.
module tile_records #(
    parameter int unsigned Pe = 1,
    parameter int unsigned Tiles = 1,
    parameter int unsigned Sections = 1,
    parameter int unsigned Scalars = 1,
    parameter int unsigned Entries = 0,
    localparam int unsigned BeatBytes = transfab_pkg::BeatBytes,
    localparam int unsigned EntryBits = operator_pkg::index_bits(Entries + 1)
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic                   records_valid_i,
    output logic                   records_ready_o,
    input  logic [8*BeatBytes-1:0] records_data_i,

    output logic loaded_o,
    input  logic release_i,

    output logic        [31:0] scalars_o   [ Scalars],
    output logic signed [26:0] first_o     [      Pe],      // of the first section
    output logic signed [17:0] multiplier_o[Sections][Pe],
    output logic signed [47:0] offset_o    [Sections][Pe],

    output logic write_o,
    output logic [EntryBits-1:0] write_index_o,
    output logic signed [15:0] write_value_o
);

  localparam int unsigned PerBeat = BeatBytes / operator_pkg::RecordBytes;
  localparam int unsigned PerScalarBeat = BeatBytes / 4;
  localparam int unsigned PerTableBeat = BeatBytes / 2;
  localparam int unsigned ScalarBeats = operator_pkg::ceil_divide(Scalars, PerScalarBeat);
  localparam int unsigned SectionBeats = operator_pkg::ceil_divide(Pe, PerBeat);
  localparam int unsigned BeatIndexBits = operator_pkg::index_bits(
      operator_pkg::larger(ScalarBeats, SectionBeats)
  );
  localparam int unsigned SectionBits = operator_pkg::index_bits(Sections);
  localparam int unsigned TileBits = operator_pkg::index_bits(Tiles);
  localparam int unsigned PeBits = operator_pkg::index_bits(Pe);
  localparam int unsigned InBeatBits = operator_pkg::index_bits(PerTableBeat);

  typedef enum logic [1:0] {
    StateScalars,
    StateTable,
    StateRecords,
    StateLoaded
  } state_e;

  state_e state_q;
  logic [BeatIndexBits-1:0] beat_q;
  logic [SectionBits-1:0] section_q;
  logic [TileBits-1:0] tile_q;
  logic [EntryBits-1:0] entry_q;
  logic take, entry_last;

  assign entry_last = (32'(entry_q) + 1) % PerTableBeat == 0 || 32'(entry_q) + 1 == Entries;
  assign records_ready_o = state_q == StateTable ? entry_last : state_q != StateLoaded;
  assign take = records_valid_i && records_ready_o;
  assign loaded_o = state_q == StateLoaded;
  assign write_o = state_q == StateTable && records_valid_i;
  assign write_index_o = entry_q;
  assign write_value_o = records_data_i[16*32'(InBeatBits'(entry_q))+:16];

  always_ff @(posedge clk_i) begin
    if (take && state_q == StateScalars) begin
      for (int unsigned i = 0; i < PerScalarBeat; i++) begin
        if (32'(beat_q) * PerScalarBeat + i < Scalars) begin
          scalars_o[(32'(beat_q)*PerScalarBeat+i)%Scalars] <= records_data_i[32*i+:32];
        end
      end
    end
    if (take && state_q == StateRecords) begin
      for (int unsigned i = 0; i < PerBeat; i++) begin
        automatic int unsigned lane = 32'(beat_q) * PerBeat + i;
        if (lane < Pe) begin
          if (section_q == '0) first_o[PeBits'(lane)] <= records_data_i[128*i+:27];
          multiplier_o[section_q][PeBits'(lane)] <= records_data_i[128*i+32+:18];
          offset_o[section_q][PeBits'(lane)] <= records_data_i[128*i+64+:48];
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StateScalars;
      beat_q <= '0;
      section_q <= '0;
      tile_q <= '0;
      entry_q <= '0;
    end else begin
      unique case (state_q)
        StateScalars:
        if (take) begin
          beat_q <= beat_q + 1'b1;
          if (beat_q == BeatIndexBits'(ScalarBeats - 1)) begin
            beat_q  <= '0;
            state_q <= Entries == 0 ? StateRecords : StateTable;
          end
        end
        StateTable:
        if (write_o) begin
          entry_q <= entry_q + 1'b1;
          if (32'(entry_q) + 1 == Entries) begin
            entry_q <= '0;
            state_q <= StateRecords;
          end
        end
        StateRecords:
        if (take) begin
          beat_q <= beat_q + 1'b1;
          if (beat_q == BeatIndexBits'(SectionBeats - 1)) begin
            beat_q <= '0;
            section_q <= section_q + 1'b1;
            if (section_q == SectionBits'(Sections - 1)) begin
              section_q <= '0;
              state_q   <= StateLoaded;
            end
          end
        end
        StateLoaded:
        if (release_i) begin
          tile_q  <= tile_q == TileBits'(Tiles - 1) ? '0 : tile_q + 1'b1;
          state_q <= tile_q == TileBits'(Tiles - 1) ? StateScalars : StateRecords;
        end
        default: state_q <= StateScalars;
      endcase
    end
  end

endmodule : tile_records
