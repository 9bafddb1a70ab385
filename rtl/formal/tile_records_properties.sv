/// tile_records: a tile is loaded after exactly its beats, until its release; the table once, in order.
///
/// Each scalar and each record changes with its own beat alone, to what that brings.
module tile_records_properties #(
    parameter int unsigned Pe = 1,
    parameter int unsigned Tiles = 1,
    parameter int unsigned Sections = 1,
    parameter int unsigned Scalars = 1,
    parameter int unsigned Entries = 0,
    localparam int unsigned BeatBytes = transfab_pkg::BeatBytes,
    localparam int unsigned EntryBits = operator_pkg::index_bits(Entries + 1),
    localparam int unsigned PerBeat = BeatBytes / operator_pkg::RecordBytes,
    localparam int unsigned PerScalarBeat = BeatBytes / 4,
    localparam int unsigned PerTableBeat = BeatBytes / 2,
    localparam int unsigned ScalarBeats = operator_pkg::ceil_divide(Scalars, PerScalarBeat),
    localparam int unsigned TableBeats = operator_pkg::ceil_divide(Entries, PerTableBeat),
    localparam int unsigned SectionBeats = operator_pkg::ceil_divide(Pe, PerBeat),
    localparam int unsigned BeatIndexBits = operator_pkg::index_bits(
        operator_pkg::larger(ScalarBeats, SectionBeats)
    ),
    localparam int unsigned SectionBits = operator_pkg::index_bits(Sections),
    localparam int unsigned TileBits = operator_pkg::index_bits(Tiles)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic                   records_valid_i,
    input logic                   records_ready_o,
    input logic [8*BeatBytes-1:0] records_data_i,

    input logic loaded_o,
    input logic release_i,

    input logic        [31:0] scalars_o   [ Scalars],
    input logic signed [26:0] first_o     [      Pe],
    input logic signed [17:0] multiplier_o[Sections][Pe],
    input logic signed [47:0] offset_o    [Sections][Pe],

    input logic write_o,
    input logic [EntryBits-1:0] write_index_o,
    input logic signed [15:0] write_value_o,

    input logic [1:0] state_q,
    input logic [BeatIndexBits-1:0] beat_q,
    input logic [SectionBits-1:0] section_q,
    input logic [TileBits-1:0] tile_q,
    input logic [EntryBits-1:0] entry_q
);

  localparam int unsigned First = ScalarBeats + TableBeats;  // of the records
  localparam int unsigned TileBeats = Sections * SectionBeats;

  logic started, take, releases;
  logic [8*BeatBytes-1:0] data_q;  // of the cycle before
  logic [7:0] head_q;  // beats of the sequence's scalars and table that were taken
  logic [7:0] place_q;  // of the beat that comes among those of its tile
  logic [7:0] tiles_q;  // of this sequence, that were released
  logic [7:0] entries_q;  // of its table, that were written

  assign take = records_valid_i && records_ready_o;
  assign releases = loaded_o && release_i;

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  for (genvar i = 0; i < Scalars; i++) begin : gen_scalar
    logic read_q;
    logic [31:0] scalar_q;

    always_ff @(posedge clk_i) begin
      read_q   <= take && head_q == 8'(i / PerScalarBeat);
      scalar_q <= scalars_o[i];
      if (started) assert (scalars_o[i] == (read_q ? data_q[32*(i%PerScalarBeat)+:32] : scalar_q));
    end
  end

  for (genvar i = 0; i < Sections * Pe; i++) begin : gen_record
    localparam int unsigned Section = i / Pe, Lane = i % Pe;
    logic read_q;
    logic [65:0] record, record_q;
    logic [127:0] brought;

    assign record  = {offset_o[Section][Lane], multiplier_o[Section][Lane]};
    assign brought = data_q[128*(Lane%PerBeat)+:128];

    always_ff @(posedge clk_i) begin
      read_q <= take && head_q == 8'(First) &&
          place_q == 8'(Section * SectionBeats + Lane / PerBeat);
      record_q <= record;
      if (started) begin
        assert (record == (read_q ? {brought[64+:48], brought[32+:18]} : record_q));
      end
    end
  end

  for (genvar i = 0; i < Pe; i++) begin : gen_first
    logic [26:0] first_q;

    always_ff @(posedge clk_i) begin
      first_q <= first_o[i];
      if (started) begin
        assert (first_o[i] == (gen_record[i].read_q ? gen_record[i].brought[26:0] : first_q));
      end
    end
  end

  always_ff @(posedge clk_i) begin
    data_q <= records_data_i;
    if (!rst_ni) begin
      head_q <= '0;
      place_q <= '0;
      tiles_q <= '0;
      entries_q <= '0;
    end else begin
      if (releases) tiles_q <= tiles_q == 8'(Tiles - 1) ? '0 : tiles_q + 1'b1;
      if (releases) place_q <= '0;
      else place_q <= place_q + 8'(take && head_q == 8'(First));
      if (releases && tiles_q == 8'(Tiles - 1)) begin
        head_q <= '0;
        entries_q <= '0;
      end else begin
        head_q <= head_q + 8'(take && head_q != 8'(First));
        entries_q <= entries_q + 8'(write_o);
      end
    end
    if (started) begin
      // Loaded with the tile's last beat, and nothing is taken until its release.
      assert (loaded_o == (head_q == 8'(First) && place_q == 8'(TileBeats)));
      if (loaded_o) assert (!records_ready_o);
      // The entries of the table in order, each in its beat, while that stands.
      if (write_o) begin
        assert (entries_q < 8'(Entries) && 8'(write_index_o) == entries_q);
        assert (head_q == 8'(ScalarBeats) + entries_q / 8'(PerTableBeat));
        assert (write_value_o == records_data_i[16*(32'(entries_q)%PerTableBeat)+:16]);
      end
      if (head_q == 8'(First)) assert (entries_q == 8'(Entries));
      // What holds inside.
      assert (tiles_q == 8'(tile_q) && tiles_q < 8'(Tiles));
      if (state_q == 2'd0) begin
        assert (head_q == 8'(beat_q) && head_q < 8'(ScalarBeats));
        assert (section_q == '0 && entries_q == '0 && tiles_q == '0);
      end
      assert (state_q == 2'd1 || entry_q == '0);
      assert (head_q <= 8'(First) && (state_q > 2'd1) == (head_q == 8'(First)));
      if (state_q < 2'd2) assert (place_q == '0);
      if (state_q == 2'd1) begin
        assert (entries_q == 8'(entry_q) && entries_q < 8'(Entries));
        assert (head_q == 8'(ScalarBeats) + entries_q / 8'(PerTableBeat));
        assert (beat_q == '0 && section_q == '0 && tiles_q == '0);
      end
      if (state_q == 2'd2) begin
        assert (place_q == 8'(section_q) * 8'(SectionBeats) + 8'(beat_q));
        assert (8'(section_q) < 8'(Sections) && 8'(beat_q) < 8'(SectionBeats));
      end
      if (state_q == 2'd3) begin
        assert (place_q == 8'(TileBeats) && beat_q == '0 && section_q == '0);
      end
      if (state_q > 2'd1) assert (entries_q == 8'(Entries));
    end
  end

endmodule : tile_records_properties

bind tile_records tile_records_properties #(
    .Pe(Pe),
    .Tiles(Tiles),
    .Sections(Sections),
    .Scalars(Scalars),
    .Entries(Entries)
) u_properties (
    .state_q(state_q),
    .*
);
