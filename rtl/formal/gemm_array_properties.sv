/// gemm_array, packed: sums of Simd products each of two channels, out of one product a pair.
///
/// Of a pair of channels and up to four of its weights, all int8: the tree above adds what is exact.
module gemm_array_properties #(
    parameter int unsigned Pe = 1,
    parameter int unsigned Simd = 1,
    localparam int unsigned SumBits = 16 + $clog2(Simd)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic row_valid_i,
    input logic row_swap_i,
    input logic [8*Simd-1:0] row_i,

    input logic sum_valid_o,
    input logic signed [SumBits-1:0] sum_o[Pe],

    input logic signed [7:0] shadow_q[Pe][Simd],
    input logic signed [7:0] x_q[Simd],
    input logic signed [SumBits-1:0] quarter_q[Pe][1],
    input logic [operator_pkg::ArrayLatency-1:0] valid_q,
    input logic signed [26:0] weight_q[1][Simd],
    input logic signed [44:0] product_q[1][Simd]
);

  logic started, swapped_q;
  logic signed [7:0] weights_q[2][Simd];  // in use
  logic signed [15:0] products_q[2][Simd];
  logic signed [SumBits-1:0] sums_q[2];

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) swapped_q <= 1'b0;
    else if (row_valid_i && row_swap_i) swapped_q <= 1'b1;
    // The first row brings the first tile.
    if (row_valid_i && !row_swap_i) assume (swapped_q);
    if (row_valid_i && row_swap_i) weights_q <= shadow_q;
    for (int unsigned c = 0; c < 2; c++) begin
      if (valid_q[0]) begin
        for (int unsigned i = 0; i < Simd; i++) begin
          products_q[c][i] <= 16'(weights_q[c][i]) * 16'(x_q[i]);
        end
      end
      if (valid_q[1]) begin
        automatic logic signed [SumBits-1:0] sum = '0;
        for (int unsigned i = 0; i < Simd; i++) sum += SumBits'(products_q[c][i]);
        sums_q[c] <= sum;
      end
    end
    if (started) begin
      if (valid_q[0]) assert (swapped_q);
      if (swapped_q) begin
        for (int unsigned i = 0; i < Simd; i++) begin
          assert (weight_q[0][i] == 27'(weights_q[0][i]) + (27'(weights_q[1][i]) <<< 18));
        end
      end
      if (valid_q[1]) begin
        for (int unsigned i = 0; i < Simd; i++) begin
          assert (product_q[0][i] == 45'(products_q[0][i]) + (45'(products_q[1][i]) <<< 18));
          for (int unsigned c = 0; c < 2; c++) begin
            assert (products_q[c][i] >= -16'sd16256 && products_q[c][i] <= 16'sd16384);
          end
        end
      end
      if (valid_q[2]) begin
        for (int unsigned c = 0; c < 2; c++) assert (quarter_q[c][0] == sums_q[c]);
      end
    end
  end

endmodule : gemm_array_properties

bind gemm_array gemm_array_properties #(
    .Pe  (Pe),
    .Simd(Simd)
) u_properties (
    .weight_q (gen_packed.weight_q),
    .product_q(gen_packed.product_q),
    .*
);
