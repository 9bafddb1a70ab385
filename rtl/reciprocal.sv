/// floor((2**(16 + bits) - 1) / value) for value in [1, 2**24), bits its bit length: 17 digits.
///
/// The result lies in [2**16, 2**17). One digit a cycle by restoring division: a result 18 cycles
/// after its value, the next value 17 cycles after the last while results are taken at once.
module reciprocal (
    input logic clk_i,
    input logic rst_ni,

    input  logic        in_valid_i,
    output logic        in_ready_o,
    input  logic [23:0] value_i,

    output logic        out_valid_o,
    input  logic        out_ready_i,
    output logic [16:0] reciprocal_o,
    output logic [ 4:0] bits_o
);

  localparam int unsigned Digits = 17;

  logic busy_q, last, finish;
  logic [ 4:0] step_q;
  logic [23:0] value_q;
  logic [23:0] rest_q;  // < value
  logic [24:0] doubled;
  logic [24:0] difference;
  logic [15:0] quotient_q;
  logic [ 4:0] bits_q;

  function automatic logic [4:0] bit_length(logic [23:0] value);
    bit_length = '0;
    for (int unsigned i = 0; i < 24; i++) if (value[i]) bit_length = 5'(i + 1);
  endfunction

  // The dividend is all ones: its first bits - 1 make a rest without a digit.
  assign doubled = {rest_q, 1'b1};
  assign difference = doubled - {1'b0, value_q};
  assign last = step_q == 5'(Digits - 1);
  assign finish = busy_q && last && !out_valid_o;
  assign in_ready_o = !busy_q || finish;

  always_ff @(posedge clk_i) begin
    if (in_valid_i && in_ready_o) begin
      value_q <= value_i;
      rest_q  <= ~(24'hffffff << bit_length(value_i)) >> 1;
      bits_q  <= bit_length(value_i);
    end else if (busy_q && !(last && !finish)) begin
      rest_q <= difference[24] ? doubled[23:0] : difference[23:0];
    end
    if (busy_q && !last) quotient_q <= {quotient_q[14:0], !difference[24]};
    if (finish) begin
      reciprocal_o <= {quotient_q, !difference[24]};
      bits_o <= bits_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q <= 1'b0;
      step_q <= '0;
      out_valid_o <= 1'b0;
    end else begin
      if (in_valid_i && in_ready_o) begin
        busy_q <= 1'b1;
        step_q <= '0;
      end else if (finish) begin
        busy_q <= 1'b0;
      end else if (busy_q && !last) begin
        step_q <= step_q + 1'b1;
      end
      if (finish) out_valid_o <= 1'b1;
      else if (out_ready_i) out_valid_o <= 1'b0;
    end
  end

endmodule : reciprocal
