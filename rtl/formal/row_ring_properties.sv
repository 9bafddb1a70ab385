/// row_ring: a read gives the beat that entered, until reads of its row are released and done.
///
/// Any one beat is watched: it is beat `place` of row `row`, counted from the oldest row that is
/// not released. Assumed: reads and releases within loaded_o.
module row_ring_properties #(
    parameter int unsigned Rows = 1,
    parameter int unsigned RowBeats = 1,
    parameter int unsigned AddressBits = 1,
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes,
    localparam int unsigned CountBits = $clog2(Rows + 1),
    localparam int unsigned BeatIndexBits = operator_pkg::index_bits(RowBeats)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic                in_valid_i,
    input logic                in_ready_o,
    input logic [BeatBits-1:0] in_data_i,

    input logic [CountBits-1:0] loaded_o,

    input logic                     read_i,
    input logic [    CountBits-1:0] read_row_i,
    input logic [BeatIndexBits-1:0] read_beat_i,
    input logic [     BeatBits-1:0] read_data_o,

    input logic                 release_i,
    input logic [CountBits-1:0] release_count_i,

    input logic [BeatBits-1:0] memory[Rows*RowBeats],
    input logic [CountBits-1:0] base_q,
    input logic [CountBits-1:0] held_q,
    input logic [CountBits-1:0] freed_q[operator_pkg::RingLatency],
    input logic [BeatIndexBits-1:0] in_beat_q,
    input logic [AddressBits-1:0] write_address_q,
    input logic [AddressBits-1:0] read_address_q,
    input logic read_q
);

  logic picks;
  logic started, enter, row_ends, reads, watched_q, reads_q, shows_q;
  logic [7:0] rows_q, beats_q;  // whole rows and further beats that entered and are not released
  logic [7:0] row_q, place_q, address_q;
  logic [BeatBits-1:0] data_q, reads_data_q, shows_data_q;
  logic [7:0] going;  // rows released that may still be read

  assign enter = in_valid_i && in_ready_o;
  assign row_ends = enter && beats_q == 8'(RowBeats - 1);
  assign reads = read_i && watched_q && 8'(read_row_i) == row_q && 8'(read_beat_i) == place_q;
  assign going = 8'(freed_q[0]) + 8'(freed_q[1]);

  any_value u_picks (.value_o(picks));

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      rows_q <= '0;
      beats_q <= '0;
      watched_q <= 1'b0;
      reads_q <= 1'b0;
      shows_q <= 1'b0;
    end else begin
      rows_q <= rows_q + 8'(row_ends) - (release_i ? 8'(release_count_i) : '0);
      if (enter) beats_q <= row_ends ? '0 : beats_q + 1'b1;
      if (watched_q && release_i) begin
        watched_q <= row_q >= 8'(release_count_i);
        row_q <= row_q - 8'(release_count_i);
      end
      if (!watched_q && enter && picks) begin
        watched_q <= 1'b1;
        row_q <= rows_q - (release_i ? 8'(release_count_i) : '0);
        place_q <= beats_q;
        address_q <= 8'(write_address_q);
        data_q <= in_data_i;
      end
      reads_q <= reads;
      reads_data_q <= data_q;
      shows_q <= reads_q;
      shows_data_q <= reads_data_q;
    end
    if (read_i) assume (read_row_i < loaded_o && 32'(read_beat_i) < RowBeats);
    if (release_i) assume (release_count_i <= loaded_o);
    if (started) begin
      assert (8'(loaded_o) == rows_q);
      assert (in_ready_o == (rows_q + going < 8'(Rows)));
      if (shows_q) assert (read_data_o == shows_data_q);
    end
  end

  // What holds inside.
  always_ff @(posedge clk_i) begin
    if (started) begin
      assert (8'(in_beat_q) == beats_q && beats_q < 8'(RowBeats));
      assert (8'(held_q) == rows_q + going && 32'(held_q) <= Rows && 32'(base_q) < Rows);
      assert (freed_q[0] <= CountBits'(Rows) && freed_q[1] <= CountBits'(Rows));
      assert (32'(write_address_q) ==
              ((32'(base_q) + 32'(rows_q)) % Rows) * RowBeats + 32'(beats_q));
      if (rows_q + going == 8'(Rows)) assert (beats_q == '0);
      if (watched_q) begin
        assert (row_q < rows_q || (row_q == rows_q && place_q < beats_q));
        assert (place_q < 8'(RowBeats));
        assert (32'(address_q) == ((32'(base_q) + 32'(row_q)) % Rows) * RowBeats + 32'(place_q));
        assert (memory[AddressBits'(address_q)] == data_q);
      end
      assert (!reads_q || (read_q && memory[read_address_q] == reads_data_q));
    end
  end

endmodule : row_ring_properties

bind row_ring row_ring_properties #(
    .Rows(Rows),
    .RowBeats(RowBeats),
    .AddressBits(AddressBits)
) u_properties (.*);
