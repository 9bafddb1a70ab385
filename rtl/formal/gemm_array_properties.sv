/// gemm_array, packed: the sums of four products each of two channels, out of four products.
///
/// A product is taken as `one + other * 2**18` of two products of int8: what all of them give is
/// found by trying every one. The sums further up are plain additions.
module gemm_array_properties #(
    parameter int unsigned Pe = 1,
    parameter int unsigned Simd = 1,
    localparam int unsigned SumBits = 16 + $clog2(Simd)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic signed [SumBits-1:0] quarter_q[Pe][1],
    input logic [operator_pkg::ArrayLatency-1:0] valid_q,
    input logic signed [44:0] product_2q[1][Simd]
);

  logic started;
  logic signed [15:0] products[2][Simd], products_q[2][Simd];
  logic signed [SumBits-1:0] sums_q[2];

  for (genvar c = 0; c < 2; c++) begin : gen_channel
    for (genvar i = 0; i < Simd; i++) begin : gen_product
      any_value #(.Width(16)) u_product (.value_o(products[c][i]));
    end
  end

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  always_ff @(posedge clk_i) begin
    for (int unsigned c = 0; c < 2; c++) begin
      automatic logic signed [SumBits-1:0] sum = '0;
      for (int unsigned i = 0; i < Simd; i++) begin
        assume (products[c][i] >= -16'sd16256 && products[c][i] <= 16'sd16384);
        sum += SumBits'(products_q[c][i]);
      end
      if (valid_q[2]) products_q[c] <= products[c];
      if (valid_q[3]) sums_q[c] <= sum;
    end
    if (started && valid_q[3]) begin
      for (int unsigned i = 0; i < Simd; i++) begin
        assume (product_2q[0][i] == 45'(products_q[0][i]) + (45'(products_q[1][i]) <<< 18));
      end
    end
    if (started && valid_q[4]) begin
      for (int unsigned c = 0; c < 2; c++) assert (quarter_q[c][0] == sums_q[c]);
    end
  end

endmodule : gemm_array_properties

bind gemm_array gemm_array_properties #(
    .Pe  (Pe),
    .Simd(Simd)
) u_properties (
    .product_2q(gen_packed.product_2q),
    .*
);
