/// reciprocal: floor((2**(16 + bits) - 1) / value) for every value, kept until taken, in order.
///
/// `product_q` goes with the quotient: 2 product + value when a digit is 1 (lemmas.py shows
/// that it is then quotient * value). So product <= dividend < product + value say the claim.
module reciprocal_properties (
    input logic clk_i,
    input logic rst_ni,

    input logic        in_valid_i,
    input logic        in_ready_o,
    input logic [23:0] value_i,

    input logic        out_valid_o,
    input logic        out_ready_i,
    input logic [16:0] reciprocal_o,
    input logic [ 4:0] bits_o,

    input logic busy_q,
    input logic finish,
    input logic [4:0] step_q,
    input logic [23:0] value_q,
    input logic [23:0] rest_q,
    input logic [24:0] difference,
    input logic [15:0] quotient_q,
    input logic [4:0] bits_q
);

  logic started, take, give, digit;
  logic [1:0] held_q;  // values inside
  logic [40:0] product_q, next;
  logic [40:0] out_product_q;  // of reciprocal_o
  logic [23:0] divisor_q, out_divisor_q;
  logic [16:0] quotient_so_far_q, out_quotient_q;

  assign take  = in_valid_i && in_ready_o;
  assign give  = out_valid_o && out_ready_i;
  assign digit = !difference[24];
  assign next  = {product_q[39:0], 1'b0} + (digit ? 41'(divisor_q) : '0);

  function automatic logic [40:0] ones(logic [5:0] count);
    return (41'd1 << count) - 41'd1;
  endfunction

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_output #(
      .Width(22)
  ) u_stable (
      .clk_i,
      .started_i(started),
      .valid_i(out_valid_o),
      .ready_i(out_ready_i),
      .data_i({reciprocal_o, bits_o})
  );

  always_ff @(posedge clk_i) begin
    if (in_valid_i) assume (value_i != '0);
    if (take) begin
      divisor_q <= value_i;
      product_q <= '0;
      quotient_so_far_q <= '0;
    end else if (busy_q && step_q != 5'd16) begin
      product_q <= next;
      quotient_so_far_q <= {quotient_so_far_q[15:0], digit};
    end
    if (finish) begin
      out_product_q  <= next;
      out_quotient_q <= {quotient_so_far_q[15:0], digit};
      out_divisor_q  <= divisor_q;
    end
    if (!rst_ni) held_q <= '0;
    else held_q <= held_q + 2'(take) - 2'(give);
    if (started) begin
      if (give) assert (held_q != '0);
      if (out_valid_o) begin
        // bits is the value's bit length.
        assert (bits_o != '0 && bits_o <= 5'd24);
        assert (out_divisor_q >> bits_o == '0 && out_divisor_q >> (bits_o - 1'b1) == 24'd1);
        assert (reciprocal_o == out_quotient_q && reciprocal_o[16]);
        assert (out_product_q <= ones(6'd16 + bits_o));
        assert (ones(6'd16 + bits_o) - out_product_q < 41'(out_divisor_q));
      end
    end
  end

  // What holds inside: product + rest are the dividend's digits so far, rest < value.
  always_ff @(posedge clk_i) begin
    if (started) begin
      assert (held_q == 2'(busy_q) + 2'(out_valid_o));
      if (busy_q) begin
        assert (step_q <= 5'd16);
        assert (value_q == divisor_q && divisor_q != '0 && rest_q < value_q);
        assert (bits_q != '0 && bits_q <= 5'd24);
        assert (divisor_q >> bits_q == '0 && divisor_q >> (bits_q - 1'b1) == 24'd1);
        assert (product_q + 41'(rest_q) == ones(6'(bits_q) + 6'(step_q) - 1'b1));
        assert (16'(quotient_so_far_q) == (quotient_q & 16'(ones(6'(step_q)))));
        assert (quotient_so_far_q >> step_q == '0);
        if (step_q == '0)
          assert (product_q == '0);
          else assert (quotient_so_far_q[4'(step_q-1'b1)]);
      end
    end
  end

endmodule : reciprocal_properties

bind reciprocal reciprocal_properties u_properties (.*);
