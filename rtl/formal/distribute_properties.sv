/// distribute: beat n of a packet goes once to each output of its section, and to no other.
///
/// Assumed: the input is stable.
module distribute_properties #(
    localparam int unsigned MaxSteps = 6,
    parameter int unsigned Outputs = 1,
    parameter int unsigned Steps = 1,
    parameter int unsigned First = 0,
    parameter int unsigned Body = 1,
    parameter int unsigned Repeat = 1,
    parameter int unsigned Counts[MaxSteps] = '{default: 1},
    parameter bit [7:0] Targets[MaxSteps] = '{default: '1},
    parameter int unsigned CountBits = 1,
    localparam int unsigned StepBits = operator_pkg::index_bits(MaxSteps),
    localparam int unsigned RepeatBits = operator_pkg::index_bits(Repeat)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic in_valid_i,
    input logic in_ready_o,

    input logic [Outputs-1:0] out_valid_o,
    input logic [Outputs-1:0] out_ready_i,

    input logic [  StepBits-1:0] step_q,
    input logic [ CountBits-1:0] beat_q,
    input logic [RepeatBits-1:0] repeat_q,
    input logic [   Outputs-1:0] taken_q
);

  // Beats of the packet before a section.
  function automatic int unsigned begins(int unsigned step, int unsigned repeated);
    int unsigned body;
    body   = 0;
    begins = 0;
    for (int unsigned i = First; i < First + Body; i++) body += Counts[i];
    for (int unsigned i = 0; i < MaxSteps; i++) if (i < step) begins += Counts[i];
    begins += (step < First ? 0 : step < First + Body ? repeated : Repeat - 1) * body;
  endfunction

  localparam int unsigned Total = begins(Steps, Repeat);

  logic started;
  logic [Outputs-1:0] takes, got_q, expected;
  logic [31:0] index_q;  // of the beat in its packet

  assign takes = out_valid_o & out_ready_i;

  // The outputs of beat index_q, by the packet's layout.
  always_comb begin
    expected = '0;
    for (int unsigned step = 0; step < Steps; step++) begin
      for (int unsigned i = 0; i < Repeat; i++) begin
        if ((i == 0 || (step >= First && step < First + Body)) && index_q >= begins(
                step, i
            ) && index_q < begins(
                step, i
            ) + Counts[step]) begin
          expected = Outputs'(Targets[step]);
        end
      end
    end
  end

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_input u_input (
      .clk_i,
      .started_i(started),
      .valid_i(in_valid_i),
      .ready_i(in_ready_o),
      .data_i('0)
  );

  for (genvar i = 0; i < Outputs; i++) begin : gen_output
    stable_output u_stable (
        .clk_i,
        .started_i(started),
        .valid_i(out_valid_o[i]),
        .ready_i(out_ready_i[i]),
        .data_i('0)
    );
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      got_q   <= '0;
      index_q <= '0;
    end else if (in_valid_i) begin
      got_q <= in_ready_o ? '0 : got_q | takes;
      if (in_ready_o) index_q <= index_q == Total - 1 ? 0 : index_q + 1;
    end
    if (started) begin
      assert ((out_valid_o & ~expected) == '0);
      assert ((takes & got_q) == '0);
      if (in_valid_i && in_ready_o) assert ((takes | got_q) == expected);
      if (!in_valid_i) assert (out_valid_o == '0);
    end
  end

  // What holds inside.
  always_ff @(posedge clk_i) begin
    if (started) begin
      assert (32'(step_q) < Steps && 32'(repeat_q) < Repeat && index_q < Total);
      if (32'(step_q) < First) assert (repeat_q == '0);
      if (32'(step_q) >= First + Body) assert (32'(repeat_q) == Repeat - 1);
      assert (32'(beat_q) < Counts[step_q] || (Counts[step_q] == 0 && beat_q == '0));
      assert (begins(32'(step_q), 32'(repeat_q)) + 32'(beat_q) == index_q);
      assert (got_q == taken_q && (got_q & ~expected) == '0);
      if (Counts[step_q] == 0) assert (taken_q == '0);
    end
  end

endmodule : distribute_properties

bind distribute distribute_properties #(
    .Outputs(Outputs),
    .Steps(Steps),
    .First(First),
    .Body(Body),
    .Repeat(Repeat),
    .Counts(Counts),
    .Targets(Targets),
    .CountBits(CountBits)
) u_properties (.*);
