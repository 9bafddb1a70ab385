/// requantize: y = clamp(floor((x m + o + half) / 2**s)) of what entered four enabled cycles before.
///
/// Written without a shift to the right: y 2**s <= t < (y + 1) 2**s. Assumed: the shift is constant
/// and |x m + o| + half < 2**47. The product is taken as `45'(x) * 45'(m)`, which holds 27 x 18 bits.
module requantize_properties #(
    parameter int unsigned Lanes   = 1,
    parameter int unsigned OutBits = 8
) (
    input logic clk_i,
    input logic enable_i,

    input logic signed [26:0] value_i[Lanes],
    input logic signed [17:0] multiplier_i[Lanes],
    input logic signed [47:0] offset_i[Lanes],
    input logic [5:0] shift_i[Lanes],

    input logic signed [OutBits-1:0] value_o[Lanes],

    input logic signed [44:0] product_q[Lanes],
    input logic signed [26:0] value_q[Lanes],
    input logic signed [17:0] multiplier_q[Lanes],
    input logic signed [47:0] offset_q[Lanes],
    input logic signed [47:0] half_q[Lanes],
    input logic signed [47:0] addend_q[Lanes],
    input logic signed [47:0] sum_q[Lanes],
    input logic [5:0] shift_q[Lanes]
);

  localparam logic signed [99:0] Limit = (100'sd1 <<< (OutBits - 1)) - 100'sd1;
  localparam int unsigned Latency = operator_pkg::RequantizeLatency;

  logic [2:0] ages_q;  // enabled cycles so far, at most Latency
  logic later_q = 1'b0;
  logic signed [26:0] value_1q;
  logic signed [17:0] multiplier_1q;
  logic signed [47:0] offset_1q, offset_2q;
  logic signed [44:0] product_2q;
  logic signed [99:0] total, total_3q, total_4q, low, y;
  logic [5:0] before_q;  // the shift a cycle ago
  logic signed [47:0] half;

  assign total = 100'(product_2q) + 100'(offset_2q) + 100'(half);
  assign half = signed'((48'd1 << shift_i[0]) >> 1);
  assign y = 100'(value_o[0]);
  assign low = y <<< shift_i[0];

  always_ff @(posedge clk_i) begin
    later_q  <= 1'b1;
    before_q <= shift_i[0];
    if (later_q) assume (shift_i[0] == before_q);
    assume (shift_i[0] < 6'd48);
    if (!later_q) ages_q <= 3'(enable_i);
    else if (enable_i && ages_q != 3'(Latency)) ages_q <= ages_q + 1'b1;
    if (enable_i) begin
      value_1q <= value_i[0];
      multiplier_1q <= multiplier_i[0];
      offset_1q <= offset_i[0];
      offset_2q <= offset_1q;
      // The product of the same registers, which are compared below.
      product_2q <= 45'(value_q[0]) * 45'(multiplier_q[0]);
      total_3q <= total;
      total_4q <= total_3q;
    end
    if (later_q && ages_q >= 3'd2) assume (total < 100'sd1 <<< 47 && total >= -(100'sd1 <<< 47));
    if (later_q && ages_q == 3'(Latency)) begin
      assert (y <= Limit && y >= -Limit);
      assert (y == Limit || total_4q < low + (100'sd1 <<< shift_i[0]));
      assert (y == -Limit || total_4q >= low);
      // At the limits as well: no larger one than what is beyond, no smaller.
      assert (y != Limit || total_4q >= low);
      assert (y != -Limit || total_4q < low + (100'sd1 <<< shift_i[0]));
    end
    // What holds inside.
    if (later_q && ages_q >= 3'd1) begin
      assert (value_q[0] == value_1q && multiplier_q[0] == multiplier_1q);
      assert (offset_q[0] == offset_1q && half_q[0] == half && shift_q[0] == shift_i[0]);
    end
    if (later_q && ages_q >= 3'd2) begin
      assert (product_q[0] == product_2q);
      assert (addend_q[0] == offset_2q + half);
    end
    if (later_q && ages_q >= 3'd3) begin
      assert (100'(sum_q[0]) == total_3q);
    end
  end

endmodule : requantize_properties

bind requantize requantize_properties #(
    .Lanes  (Lanes),
    .OutBits(OutBits)
) u_properties (.*);
