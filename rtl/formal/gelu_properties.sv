/// gelu: y = max(x, 0) - entry of |x| >> shift, or 0 beyond the table, three enabled cycles before.
///
/// Any one entry of the table is watched, and x whose index is its own; |x| >> shift is written
/// without a shift: i 2**shift <= |x| < (i + 1) 2**shift. Assumed: the shift is constant, the
/// table is not written while a value is inside.
module gelu_properties #(
    parameter int unsigned Lanes = 1,
    localparam int unsigned IndexBits = $clog2(transfab_pkg::GeluEntries)
) (
    input logic clk_i,
    input logic enable_i,

    input logic        [ 5:0] shift_i,
    input logic signed [15:0] value_i[Lanes],
    input logic signed [15:0] value_o[Lanes],

    input logic                 write_i,
    input logic [IndexBits-1:0] write_index_i,
    input logic [         15:0] write_value_i,

    input logic [15:0] memory[transfab_pkg::GeluEntries],
    input logic [15:0] index_q[Lanes],
    input logic signed [15:0] rectified_1q[Lanes],
    input logic signed [15:0] rectified_2q[Lanes],
    input logic [15:0] entry_q,
    input logic inside_q[Lanes]
);

  localparam int unsigned Latency = operator_pkg::GeluLatency;

  logic later_q = 1'b0;
  logic [IndexBits-1:0] watched;
  logic [1:0] ages_q;
  logic [5:0] shift_q;
  logic written_q;
  logic [15:0] last_q;  // last written to the watched one
  logic signed [15:0] value_1q, value_2q, value_3q;

  any_constant #(
      .Width(IndexBits)
  ) u_watched (
      .clk_i,
      .value_o(watched)
  );

  function automatic logic [79:0] magnitude(logic signed [15:0] value);
    return 80'(value < 0 ? -17'(value) : 17'(value));
  endfunction

  // The watched entry is the value's; the table has one.
  function automatic logic hits(logic signed [15:0] value);
    return magnitude(value) >= 80'(watched) << shift_i &&
        magnitude(value) < (80'(watched) + 80'd1) << shift_i;
  endfunction

  function automatic logic has_entry(logic signed [15:0] value);
    return magnitude(value) < 80'(transfab_pkg::GeluEntries) << shift_i;
  endfunction

  function automatic logic signed [15:0] positive(logic signed [15:0] value);
    return value < 0 ? 16'sd0 : value;
  endfunction

  always_ff @(posedge clk_i) begin
    later_q <= 1'b1;
    shift_q <= shift_i;
    if (later_q) assume (shift_i == shift_q);
    if (!later_q || write_i) ages_q <= '0;
    else if (enable_i && ages_q != 2'(Latency)) ages_q <= ages_q + 1'b1;
    if (!later_q) written_q <= 1'b0;
    else if (write_i && write_index_i == watched) begin
      written_q <= 1'b1;
      last_q <= write_value_i;
    end
    if (enable_i) begin
      value_1q <= value_i[0];
      value_2q <= value_1q;
      value_3q <= value_2q;
    end
    if (later_q && written_q) assert (memory[watched] == last_q);
    if (later_q && ages_q == 2'(Latency)) begin
      if (written_q && hits(value_3q)) assert (value_o[0] == positive(value_3q) - signed'(last_q));
      if (!has_entry(value_3q)) assert (value_o[0] == positive(value_3q));
    end
    // What holds inside.
    if (later_q && ages_q >= 2'd1) begin
      assert (index_q[0] == 16'(magnitude(value_1q) >> shift_i));
      assert (rectified_1q[0] == positive(value_1q));
    end
    if (later_q && ages_q >= 2'd2) begin
      assert (inside_q[0] == has_entry(value_2q));
      assert (rectified_2q[0] == positive(value_2q));
      if (written_q && hits(value_2q)) assert (entry_q == last_q);
    end
  end

endmodule : gelu_properties

bind gelu gelu_properties #(
    .Lanes(Lanes)
) u_properties (
    .entry_q(entry_q[0]),
    .*
);
