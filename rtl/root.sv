/// floor(sqrt(value)) for value in [2**32, 2**34): 17 digits, in [2**16, 2**17).
///
/// One digit a cycle, the first with the value (it is always 1): a root 17 cycles after its value,
/// the next value in the cycle in which the root is taken. The root holds until it is taken.
module root (
    input logic clk_i,
    input logic rst_ni,

    input  logic        in_valid_i,
    output logic        in_ready_o,
    input  logic [33:0] value_i,

    output logic        out_valid_o,
    input  logic        out_ready_i,
    output logic [16:0] root_o
);

  localparam int unsigned Steps = 16;

  logic [ 4:0] left_q;  // digits to come
  logic        busy_q;
  logic [31:0] value_q;  // bits to bring down, two a digit
  logic [17:0] rest_q;  // value so far - root**2, at most 2 root
  logic [19:0] rest;
  logic [19:0] trial;
  logic        take;

  assign out_valid_o = busy_q && left_q == '0;
  assign in_ready_o = !busy_q || (out_valid_o && out_ready_i);
  assign take = in_valid_i && in_ready_o;
  assign rest = {rest_q, value_q[31:30]};
  assign trial = {1'b0, root_o, 2'b01};

  always_ff @(posedge clk_i) begin
    if (take) begin
      value_q <= value_i[31:0];
      rest_q  <= {16'd0, value_i[33:32] - 2'd1};
      root_o  <= 17'd1;
    end else if (left_q != '0) begin
      value_q <= {value_q[29:0], 2'b00};
      rest_q  <= rest >= trial ? 18'(rest - trial) : 18'(rest);
      root_o  <= {root_o[15:0], rest >= trial};
    end
  end

  always_ff @(posedge clk_i) begin
    if (take) left_q <= 5'(Steps);
    else if (left_q != '0) left_q <= left_q - 1'b1;
    if (!rst_ni) busy_q <= 1'b0;
    else if (take) busy_q <= 1'b1;
    else if (out_valid_o && out_ready_i) busy_q <= 1'b0;
  end

endmodule : root
