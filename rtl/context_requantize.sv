/// 31-bit context sums, scaled by their row's reciprocal to 16 fraction bits, requantized to int8.
///
/// mean = (round(sum / 2**pre) * reciprocal) / 2**post, half up: 27 x 18 bits, 24 in the end.
/// Latency operator_pkg::ContextLatency enabled cycles, one word of lanes each of them. The row's
/// scale and the channels' records enter with their sums; shift_i, in [0, 47], is constant while
/// sums are inside.
module context_requantize #(
    parameter int unsigned Lanes = 1
) (
    input logic clk_i,
    input logic enable_i,

    input logic signed [30:0] sum_i[Lanes],

    input logic [16:0] reciprocal_i,
    input logic [ 2:0] pre_shift_i,
    input logic [ 4:0] post_shift_i,

    input logic signed [17:0] multiplier_i[Lanes],
    input logic signed [47:0] offset_i[Lanes],
    input logic [5:0] shift_i,

    output logic signed [7:0] value_o[Lanes]
);

  localparam int unsigned Steps = operator_pkg::ContextLatency - operator_pkg::RequantizeLatency;

  typedef struct packed {
    logic [16:0] reciprocal;
    logic [4:0]  post_shift;
  } scale_t;

  scale_t scale_1q, scale_2q;
  logic [2:0] pre_shift_q;
  logic [4:0] post_shift_3q, post_shift_4q;
  logic signed [31:0] pre_half_q;
  logic signed [44:0] post_half_q;

  logic signed [30:0] sum_q[Lanes];
  logic signed [26:0] narrow_q[Lanes];
  logic signed [44:0] product_q[Lanes];
  logic signed [44:0] rounded_q[Lanes];
  logic signed [26:0] mean_q[Lanes];
  logic signed [17:0] multiplier_q[Steps][Lanes];
  logic signed [47:0] offset_q[Steps][Lanes];

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      scale_1q <= '{reciprocal: reciprocal_i, post_shift: post_shift_i};
      scale_2q <= scale_1q;
      pre_shift_q <= pre_shift_i;
      pre_half_q <= signed'((32'd1 << pre_shift_i) >> 1);
      post_half_q <= signed'((45'd1 << scale_2q.post_shift) >> 1);
      post_shift_3q <= scale_2q.post_shift;
      post_shift_4q <= post_shift_3q;
      sum_q <= sum_i;
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        narrow_q[lane] <= 27'((32'(sum_q[lane]) + pre_half_q) >>> pre_shift_q);
        product_q[lane] <= 45'(narrow_q[lane]) * 45'(signed'({1'b0, scale_2q.reciprocal}));
        rounded_q[lane] <= product_q[lane] + post_half_q;
        mean_q[lane] <= 27'(24'(rounded_q[lane] >>> post_shift_4q));
      end
    end
  end

  // The records wait for their means.
  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      multiplier_q[0] <= multiplier_i;
      offset_q[0] <= offset_i;
      for (int unsigned i = 1; i < Steps; i++) begin
        multiplier_q[i] <= multiplier_q[i-1];
        offset_q[i] <= offset_q[i-1];
      end
    end
  end

  requantize #(
      .Lanes  (Lanes),
      .OutBits(8)
  ) u_requantize (
      .clk_i,
      .enable_i,
      .value_i(mean_q),
      .multiplier_i(multiplier_q[Steps-1]),
      .offset_i(offset_q[Steps-1]),
      .shift_i('{default: shift_i}),
      .value_o
  );

endmodule : context_requantize
