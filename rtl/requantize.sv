/// y = clamp((x m + o + 2**(s-1)) >> s): 27 x 18 bits into 48, half up, saturated to OutBits.
///
/// Latency operator_pkg::RequantizeLatency enabled cycles; one word of lanes each of them. A lane's
/// multiplier and offset enter with its value; its shift, in [0, 47], is constant while values
/// are inside. |x m + o| + 2**(s-1) < 2**47 is a property of the constants, checked when packed.
module requantize #(
    parameter int unsigned Lanes   = 1,
    parameter int unsigned OutBits = 8
) (
    input logic clk_i,
    input logic enable_i,

    input logic signed [26:0] value_i[Lanes],
    input logic signed [17:0] multiplier_i[Lanes],
    input logic signed [47:0] offset_i[Lanes],
    input logic [5:0] shift_i[Lanes],

    output logic signed [OutBits-1:0] value_o[Lanes]
);

  localparam logic signed [47:0] Limit = (48'sd1 <<< (OutBits - 1)) - 48'sd1;

  logic signed [26:0] value_q[Lanes];
  logic signed [17:0] multiplier_q[Lanes];
  logic signed [47:0] offset_q[Lanes];
  logic signed [44:0] product_q[Lanes];
  logic signed [47:0] addend_q[Lanes];
  logic signed [47:0] sum_q[Lanes];
  logic signed [47:0] half_q[Lanes];
  logic [5:0] shift_q[Lanes];

  function automatic logic signed [OutBits-1:0] shift_and_clamp(logic signed [47:0] sum,
                                                                logic [5:0] shift);
    logic signed [47:0] shifted;
    shifted = sum >>> shift;
    if (shifted > Limit) return Limit[OutBits-1:0];
    if (shifted < -Limit) return -Limit[OutBits-1:0];
    return shifted[OutBits-1:0];
  endfunction

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      for (int unsigned lane = 0; lane < Lanes; lane++) begin
        half_q[lane] <= signed'((48'd1 << shift_i[lane]) >> 1);
        shift_q[lane] <= shift_i[lane];
        value_q[lane] <= value_i[lane];
        multiplier_q[lane] <= multiplier_i[lane];
        offset_q[lane] <= offset_i[lane];
        product_q[lane] <= 45'(value_q[lane]) * 45'(multiplier_q[lane]);
        addend_q[lane] <= offset_q[lane] + half_q[lane];
        sum_q[lane] <= 48'(product_q[lane]) + addend_q[lane];
        value_o[lane] <= shift_and_clamp(sum_q[lane], shift_q[lane]);
      end
    end
  end

endmodule : requantize
