/// Sends the sections of a parameter stream to the operators that use them.
///
/// A packet is First steps once, Body steps Repeat times, then the rest once; step i is Counts[i]
/// beats, to each output whose bit Targets[i] has. No register on the data.
module distribute #(
    localparam int unsigned MaxSteps = 6,
    parameter int unsigned Outputs = 1,  // at most 8
    parameter int unsigned Steps = 1,
    parameter int unsigned First = 0,
    parameter int unsigned Body = 1,
    parameter int unsigned Repeat = 1,
    parameter int unsigned Counts[MaxSteps] = '{default: 1},
    parameter bit [7:0] Targets[MaxSteps] = '{default: '1}
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic in_valid_i,
    output logic in_ready_o,

    output logic [Outputs-1:0] out_valid_o,
    input  logic [Outputs-1:0] out_ready_i
);

  function automatic int unsigned largest();
    largest = 1;
    for (int unsigned i = 0; i < Steps; i++) largest = operator_pkg::larger(largest, Counts[i]);
  endfunction

  localparam int unsigned StepBits = operator_pkg::index_bits(MaxSteps);
  localparam int unsigned CountBits = $clog2(largest() + 1);
  localparam int unsigned RepeatBits = operator_pkg::index_bits(Repeat);

  logic [  StepBits-1:0] step_q;
  logic [ CountBits-1:0] beat_q;
  logic [RepeatBits-1:0] repeat_q;
  logic [Outputs-1:0] taken_q, targets;
  logic step_ends, body_ends, packet_ends, empty;

  assign targets = Outputs'(Targets[step_q]);
  assign empty = Counts[step_q] == 0;
  assign out_valid_o = {Outputs{in_valid_i && !empty}} & targets & ~taken_q;
  assign in_ready_o = !empty && &(taken_q | out_ready_i | ~targets);
  assign step_ends = empty ||
      (in_valid_i && in_ready_o && beat_q == CountBits'(Counts[step_q] - 1));
  assign body_ends = step_q == StepBits'(First + Body - 1);
  assign packet_ends = step_q == StepBits'(Steps - 1) &&
      (!body_ends || repeat_q == RepeatBits'(Repeat - 1));

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      step_q   <= '0;
      beat_q   <= '0;
      repeat_q <= '0;
      taken_q  <= '0;
    end else begin
      if (in_valid_i && !empty) taken_q <= in_ready_o ? '0 : taken_q | (out_ready_i & targets);
      if (step_ends) begin
        beat_q <= '0;
        if (packet_ends) begin
          step_q   <= '0;
          repeat_q <= '0;
        end else if (body_ends && repeat_q != RepeatBits'(Repeat - 1)) begin
          step_q   <= StepBits'(First);
          repeat_q <= repeat_q + 1'b1;
        end else begin
          step_q <= step_q + 1'b1;
        end
      end else if (in_valid_i && in_ready_o) begin
        beat_q <= beat_q + 1'b1;
      end
    end
  end

endmodule : distribute
