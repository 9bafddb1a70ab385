/// Sums of a tile -> int8 of its channels: requantize, or requantize, GELU, requantize.
///
/// 27-bit sums without bias, one row of Pe lanes a cycle and no back-pressure: a permit, one a tile,
/// says that the tile's constants stand ready. Without Activation the shift is that of a channel's
/// part (query, key, value), Block channels each.
module channel_lanes #(
    parameter int unsigned Pe = 1,
    parameter int unsigned Channels = 1,
    parameter int unsigned Block = 1,
    parameter bit Activation = 1'b0,
    localparam int unsigned RowIndexBits = operator_pkg::index_bits(transfab_pkg::Sequence),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic                records_valid_i,
    output logic                records_ready_o,
    input  logic [BeatBits-1:0] records_data_i,

    output logic permit_valid_o,
    input  logic permit_ready_i,

    input logic                           sums_valid_i,
    input logic        [RowIndexBits-1:0] sums_row_i,
    input logic                           sums_last_i,
    input logic signed [            26:0] sums_data_i [Pe],

    output logic                           lanes_valid_o,
    output logic        [RowIndexBits-1:0] lanes_row_o,
    output logic                           lanes_last_o,
    output logic signed [             7:0] lanes_data_o [Pe]
);

  localparam int unsigned Tiles = operator_pkg::ceil_divide(Channels, Pe);
  localparam int unsigned TileBits = operator_pkg::index_bits(Tiles);
  localparam int unsigned Sections = Activation ? 2 : 1;
  localparam int unsigned Latency = 1 + operator_pkg::RequantizeLatency +
      (Activation ? operator_pkg::GeluLatency + operator_pkg::RequantizeLatency : 0);
  // A head's three parts follow one another: a channel's part is its index / Block mod 3.
  localparam int unsigned Head = 3 * Block;
  localparam int unsigned HeadBits = operator_pkg::index_bits(Head);
  localparam int unsigned GeluIndexBits = operator_pkg::index_bits(transfab_pkg::GeluEntries);
  localparam int unsigned EntryBits = operator_pkg::index_bits(
      (Activation ? transfab_pkg::GeluEntries : 0) + 1
  );

  typedef struct packed {
    logic valid;
    logic last;
    logic [RowIndexBits-1:0] row;
  } step_t;

  step_t step_q[Latency];
  logic busy, loaded, ready_q, granted_q, release_tile;
  logic [31:0] scalars[4];
  logic signed [26:0] first[Pe], total_q[Pe];
  logic signed [17:0] multiplier[Sections][Pe];
  logic signed [47:0] offset[Sections][Pe];
  logic [5:0] shift_q[Pe];
  logic table_write;
  logic [EntryBits-1:0] table_index;
  logic signed [15:0] table_value;

  always_comb begin
    busy = sums_valid_i;
    for (int unsigned i = 0; i < Latency; i++) busy |= step_q[i].valid;
  end

  always_ff @(posedge clk_i) begin
    step_q[0] <= '{valid: sums_valid_i, last: sums_last_i, row: sums_row_i};
    for (int unsigned i = 1; i < Latency; i++) step_q[i] <= step_q[i-1];
    if (!rst_ni) for (int unsigned i = 0; i < Latency; i++) step_q[i].valid <= 1'b0;
    if (sums_valid_i) begin
      for (int unsigned p = 0; p < Pe; p++) total_q[p] <= sums_data_i[p] + first[p];
    end
  end

  assign lanes_valid_o = step_q[Latency-1].valid;
  assign lanes_row_o = step_q[Latency-1].row;
  assign lanes_last_o = step_q[Latency-1].last;
  assign release_tile = lanes_valid_o && lanes_last_o;
  assign permit_valid_o = ready_q && !granted_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || release_tile) begin
      ready_q   <= 1'b0;
      granted_q <= 1'b0;
    end else begin
      ready_q <= loaded;
      if (permit_valid_o && permit_ready_i) granted_q <= 1'b1;
    end
  end

  tile_records #(
      .Pe(Pe),
      .Tiles(Tiles),
      .Sections(Sections),
      .Scalars(4),
      .Entries(Activation ? transfab_pkg::GeluEntries : 0)
  ) u_records (
      .clk_i,
      .rst_ni,
      .records_valid_i,
      .records_ready_o,
      .records_data_i,
      .loaded_o(loaded),
      .release_i(release_tile),
      .scalars_o(scalars),
      .first_o(first),
      .multiplier_o(multiplier),
      .offset_o(offset),
      .write_o(table_write),
      .write_index_o(table_index),
      .write_value_o(table_value)
  );

  // Without Activation there is no table, with it no more than its entries.
  logic unused;
  assign unused = ^{table_write, table_index, table_value};

  if (Activation) begin : gen_activation
    logic signed [15:0] value[Pe], gelu[Pe];
    logic signed [26:0] wide[Pe];
    logic [5:0] activation_shift[Pe];

    always_ff @(posedge clk_i) begin
      if (loaded && !ready_q) begin
        for (int unsigned p = 0; p < Pe; p++) begin
          shift_q[p] <= scalars[1][5:0];
          activation_shift[p] <= scalars[2][5:0];
        end
      end
    end

    requantize #(
        .Lanes  (Pe),
        .OutBits(16)
    ) u_projection (
        .clk_i,
        .enable_i(busy),
        .value_i(total_q),
        .multiplier_i(multiplier[0]),
        .offset_i(offset[0]),
        .shift_i(shift_q),
        .value_o(value)
    );

    gelu #(
        .Lanes(Pe)
    ) u_gelu (
        .clk_i,
        .enable_i(busy),
        .value_i(value),
        .shift_i(6'(scalars[3] - transfab_pkg::GeluEntriesPerUnitBits)),
        .value_o(gelu),
        .write_i(table_write),
        .write_index_i(GeluIndexBits'(table_index)),
        .write_value_i(table_value)
    );

    always_comb for (int unsigned p = 0; p < Pe; p++) wide[p] = 27'(gelu[p]);

    requantize #(
        .Lanes  (Pe),
        .OutBits(8)
    ) u_activation (
        .clk_i,
        .enable_i(busy),
        .value_i(wide),
        .multiplier_i(multiplier[1]),
        .offset_i(offset[1]),
        .shift_i(activation_shift),
        .value_o(lanes_data_o)
    );
  end else begin : gen_parts
    logic [TileBits-1:0] tile_q;
    logic [HeadBits-1:0] position_q;  // of lane 0 in its head

    always_ff @(posedge clk_i) begin
      if (loaded && !ready_q) begin
        for (int unsigned p = 0; p < Pe; p++) begin
          automatic logic [1:0] part = 2'd0;
          for (int unsigned edge_at = Block; edge_at < Head + Pe; edge_at += Block) begin
            if (32'(position_q) + p >= edge_at) part = part == 2'd2 ? 2'd0 : part + 2'd1;
          end
          shift_q[p] <= scalars[32'(part)+1][5:0];
        end
      end
    end

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        tile_q <= '0;
        position_q <= '0;
      end else if (release_tile) begin
        tile_q <= tile_q == TileBits'(Tiles - 1) ? '0 : tile_q + 1'b1;
        if (tile_q == TileBits'(Tiles - 1)) position_q <= '0;
        else if (32'(position_q) + Pe % Head >= Head) begin
          position_q <= HeadBits'(32'(position_q) + Pe % Head - Head);
        end else position_q <= HeadBits'(32'(position_q) + Pe % Head);
      end
    end

    requantize #(
        .Lanes  (Pe),
        .OutBits(8)
    ) u_requantize (
        .clk_i,
        .enable_i(busy),
        .value_i(total_q),
        .multiplier_i(multiplier[0]),
        .offset_i(offset[0]),
        .shift_i(shift_q),
        .value_o(lanes_data_o)
    );
  end

endmodule : channel_lanes
