/// root: root_o = floor(sqrt(value)) for every value, kept until taken; one root a value.
///
/// `square_q` goes with the root: 4 square + 4 root + 1 when a digit is 1 (lemmas.py shows that it is
/// then the root's square). So square <= value and value - square <= 2 root say the claim.
module root_properties (
    input logic clk_i,
    input logic rst_ni,

    input logic        in_valid_i,
    input logic        in_ready_o,
    input logic [33:0] value_i,

    input logic        out_valid_o,
    input logic        out_ready_i,
    input logic [16:0] root_o,

    input logic [ 4:0] left_q,
    input logic        busy_q,
    input logic [31:0] value_q,
    input logic [17:0] rest_q
);

  logic started, take, give, held_q;
  logic [33:0] whole_q, square_q;
  logic [16:0] before_q;  // the root a cycle ago
  logic [33:0] square;  // of root_o
  logic stepped_q;

  assign take = in_valid_i && in_ready_o;
  assign give = out_valid_o && out_ready_i;

  // The last digit is known when it stands in the root.
  always_comb begin
    square = square_q;
    if (stepped_q) begin
      square = 34'({square_q, 2'b00}) + (root_o[0] ? 34'({before_q, 2'b01}) : '0);
    end
  end

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_output #(
      .Width(17)
  ) u_stable (
      .clk_i,
      .started_i(started),
      .valid_i(out_valid_o),
      .ready_i(out_ready_i),
      .data_i(root_o)
  );

  always_ff @(posedge clk_i) begin
    if (in_valid_i) assume (value_i[33:32] != '0);
    before_q  <= root_o;
    square_q  <= square;
    stepped_q <= left_q != '0;
    if (take) begin
      whole_q   <= value_i;
      square_q  <= 34'd1;
      stepped_q <= 1'b0;
    end
    if (!rst_ni) held_q <= 1'b0;
    else held_q <= take || (held_q && !give);
    if (started) begin
      if (give) assert (held_q);
      if (in_ready_o) assert (!held_q || give);
      if (out_valid_o) begin
        assert (square <= whole_q);
        assert (35'(whole_q - square) <= {17'd0, root_o, 1'b0});
        assert (root_o[16]);
      end
    end
  end

  // What holds inside: square + rest are the value's digits so far, rest <= 2 root.
  always_ff @(posedge clk_i) begin
    if (started) begin
      assert (held_q == busy_q);
      if (busy_q) begin
        assert (left_q <= 5'd16);
        assert (18'(rest_q) <= {root_o, 1'b0});
        assert (36'(square) + 36'(rest_q) == 36'(whole_q) >> {left_q, 1'b0});
        assert (value_q == 32'(whole_q << (6'd32 - {left_q, 1'b0})));
        if (stepped_q) assert (root_o[16:1] == before_q[15:0] && !before_q[16]);
        assert (root_o >> (5'd16 - left_q) == 17'd1);
        assert (left_q != 5'd16 || !stepped_q);
      end
    end
  end

endmodule : root_properties

bind root root_properties u_properties (.*);
