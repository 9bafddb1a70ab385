/// Pe x Simd int8 weights that are held while rows of Simd int8 pass: Pe sums of Simd products each.
///
/// The next tile is written into a shadow while the current one is in use; swap_i, with the first
/// row of the next tile, puts it in place. Latency operator_pkg::ArrayLatency, one row a cycle, no
/// back-pressure. Packed: two products share one 27 x 18 multiplier, (w1 * 2**18 + w0) * x.
module gemm_array #(
    parameter int unsigned Pe = 1,
    parameter int unsigned Simd = 1,
    parameter bit Packed = 1'b1,
    localparam int unsigned BeatBytes = transfab_pkg::BeatBytes,
    localparam int unsigned Groups = BeatBytes / Simd,
    localparam int unsigned RowIndexBits = operator_pkg::index_bits(Pe),
    localparam int unsigned ColumnBits = operator_pkg::index_bits(Simd),
    localparam int unsigned IndexBits = operator_pkg::larger(RowIndexBits, ColumnBits),
    localparam int unsigned SumBits = 16 + $clog2(Simd)
) (
    input logic clk_i,
    input logic rst_ni,

    // Groups rows of weights from beat index write_index_i of a tile, or the row write_index_i
    // alone (its bytes are the lowest), or the column write_index_i.
    input logic write_beat_i,
    input logic write_row_i,
    input logic write_column_i,
    input logic [IndexBits-1:0] write_index_i,
    input logic [8*BeatBytes-1:0] write_data_i,
    input logic [8*Pe-1:0] write_lanes_i,

    input logic row_valid_i,
    input logic row_swap_i,
    input logic [8*Simd-1:0] row_i,

    output logic sum_valid_o,
    output logic signed [SumBits-1:0] sum_o[Pe]
);

  // Sums of four, three times: Simd is a power of two, at most 64.
  localparam int unsigned Quarter = operator_pkg::ceil_divide(Simd, 4);
  localparam int unsigned Sixteenth = operator_pkg::ceil_divide(Quarter, 4);

  // A cycle for the wires to all multipliers, and one behind them: a device is wide. What enables
  // many registers comes from a register itself.
  logic write_beat_q, write_row_q, write_column_q, swap_q;
  logic [IndexBits-1:0] write_index_q;
  logic [8*BeatBytes-1:0] write_data_q;
  logic [8*Pe-1:0] write_lanes_q;
  logic [8*Simd-1:0] row_q;

  logic signed [7:0] shadow_q[Pe][Simd];
  logic signed [7:0] x_q[Simd];
  logic signed [SumBits-1:0] quarter_q[Pe][Quarter], sixteenth_q[Pe][Sixteenth];
  logic [operator_pkg::ArrayLatency-1:0] valid_q;

  if (Simd == 0 || BeatBytes % Simd != 0 || BeatBytes > 64) begin : gen_rule
    $fatal(1, "simd must divide beat_bytes %0d, at most 64, not %0d", BeatBytes, Simd);
  end

  always_ff @(posedge clk_i) begin
    write_beat_q   <= write_beat_i;
    write_row_q    <= write_row_i;
    write_column_q <= write_column_i;
    write_index_q  <= write_index_i;
    write_data_q   <= write_data_i;
    write_lanes_q  <= write_lanes_i;
    swap_q         <= row_valid_i && row_swap_i;
    row_q          <= row_i;
  end

  always_ff @(posedge clk_i) begin
    if (write_beat_q) begin
      for (int unsigned g = 0; g < Groups; g++) begin
        if (32'(write_index_q) * Groups + g < Pe) begin
          for (int unsigned i = 0; i < Simd; i++) begin
            shadow_q[RowIndexBits'(32'(write_index_q)*Groups+g)][i] <=
                write_data_q[8*(g*Simd+i)+:8];
          end
        end
      end
    end
    if (write_row_q) begin
      for (int unsigned i = 0; i < Simd; i++) begin
        shadow_q[RowIndexBits'(write_index_q)][i] <= write_data_q[8*i+:8];
      end
    end
    if (write_column_q) begin
      for (int unsigned p = 0; p < Pe; p++) begin
        shadow_q[p][ColumnBits'(write_index_q)] <= write_lanes_q[8*p+:8];
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (valid_q[0]) begin
      for (int unsigned i = 0; i < Simd; i++) x_q[i] <= row_q[8*i+:8];
    end
  end

  if (Packed) begin : gen_packed
    // Four products of 127 * 128 stay below 2**17, so that the low field cannot reach the high one.
    localparam int unsigned Pairs = operator_pkg::ceil_divide(Pe, 2);
    logic signed [26:0] weight_q[Pairs][Simd];
    logic signed [44:0] product_q[Pairs][Simd], product_2q[Pairs][Simd];

    always_ff @(posedge clk_i) begin
      if (swap_q) begin
        for (int unsigned p = 0; p < Pairs; p++) begin
          for (int unsigned i = 0; i < Simd; i++) begin
            weight_q[p][i] <= 27'(shadow_q[2*p][i]) +
                (2 * p + 1 < Pe ? 27'(shadow_q[(2*p+1)%Pe][i]) <<< 18 : 27'sd0);
          end
        end
      end
      if (valid_q[1]) begin
        for (int unsigned p = 0; p < Pairs; p++) begin
          for (int unsigned i = 0; i < Simd; i++) begin
            product_q[p][i] <= 45'(weight_q[p][i]) * 45'(x_q[i]);
          end
        end
      end
      if (valid_q[2]) product_2q <= product_q;
      if (valid_q[3]) begin
        for (int unsigned p = 0; p < Pairs; p++) begin
          for (int unsigned i = 0; i < Quarter; i++) begin
            automatic logic signed [44:0] both = '0;
            for (int unsigned j = 0; j < operator_pkg::smaller(4, Simd); j++) begin
              both += product_2q[p][4*i+j];
            end
            quarter_q[2*p][i] <= SumBits'($signed(both[17:0]));
            // A negative low field took one from the high one.
            if (2 * p + 1 < Pe) begin
              quarter_q[(2*p+1)%Pe][i] <= SumBits'(both >>> 18) + SumBits'(both[17]);
            end
          end
        end
      end
    end
  end else begin : gen_single
    logic signed [7:0] weight_q[Pe][Simd];
    logic signed [15:0] product_q[Pe][Simd], product_2q[Pe][Simd];

    always_ff @(posedge clk_i) begin
      if (swap_q) weight_q <= shadow_q;
      if (valid_q[1]) begin
        for (int unsigned p = 0; p < Pe; p++) begin
          for (int unsigned i = 0; i < Simd; i++) begin
            product_q[p][i] <= 16'(weight_q[p][i]) * 16'(x_q[i]);
          end
        end
      end
      if (valid_q[2]) product_2q <= product_q;
      if (valid_q[3]) begin
        for (int unsigned p = 0; p < Pe; p++) begin
          for (int unsigned i = 0; i < Quarter; i++) begin
            automatic logic signed [SumBits-1:0] sum = '0;
            for (int unsigned j = 0; j < operator_pkg::smaller(4, Simd); j++) begin
              sum += SumBits'(product_2q[p][4*i+j]);
            end
            quarter_q[p][i] <= sum;
          end
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (valid_q[4]) begin
      for (int unsigned p = 0; p < Pe; p++) begin
        for (int unsigned i = 0; i < Sixteenth; i++) begin
          automatic logic signed [SumBits-1:0] sum = '0;
          for (int unsigned j = 0; j < operator_pkg::smaller(4, Quarter); j++) begin
            sum += quarter_q[p][4*i+j];
          end
          sixteenth_q[p][i] <= sum;
        end
      end
    end
    if (valid_q[5]) begin
      for (int unsigned p = 0; p < Pe; p++) begin
        automatic logic signed [SumBits-1:0] sum = '0;
        for (int unsigned j = 0; j < Sixteenth; j++) sum += sixteenth_q[p][j];
        sum_o[p] <= sum;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[operator_pkg::ArrayLatency-2:0], row_valid_i};
  end
  assign sum_valid_o = valid_q[operator_pkg::ArrayLatency-1];

endmodule : gemm_array
