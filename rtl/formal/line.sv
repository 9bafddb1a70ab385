/// Lengths on their way to a unit and inside it, oldest first: its own, then those of its queue.
///
/// Asserts what holds of such a queue: the newest is the length at the fork if it has been taken.
module line #(
    parameter  int unsigned Inside  = 2,
    parameter  int unsigned Length  = 6,
    parameter  bit          Packets = 1'b0,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1)
) (
    input logic clk_i,
    input logic rst_ni,

    // At the fork: the length at its input, and whether this queue has it.
    input logic [RowBits-1:0] incoming_i,
    input logic taken_i,

    input logic [3:0] held_i,
    input logic [Inside-1:0][RowBits-1:0] rows_i,

    // The queue of a rows_fork.
    input logic [RowBits-1:0] memory_i[4],
    input logic [1:0] first_i,
    input logic [1:0] end_i,
    input logic [2:0] count_i,
    input logic enter_i,
    input logic leave_i,

    output logic [3:0] count_o,
    output logic [Length-1:0][RowBits-1:0] rows_o,
    output logic [7:0] entered_o,  // rows of all lengths that entered the queue, modulo 256
    output logic [7:0] left_o,  // and of those that left it
    // And of beats of their residual packets, with those of the unit itself.
    output logic [7:0] entered_beats_o,
    output logic [7:0] left_beats_o,
    output logic [7:0] present_beats_o
);

  localparam int unsigned BeatBytes = transfab_pkg::BeatBytes;
  localparam int unsigned RowBeats = operator_pkg::ceil_divide(
      transfab_pkg::Hidden * transfab_pkg::ResidualBits / 8, BeatBytes
  );

  function automatic logic [7:0] residual_beats(logic [RowBits-1:0] rows);
    return (8'(rows) + 8'(BeatBytes - 1)) / 8'(BeatBytes) + 8'(RowBeats) * 8'(rows);
  endfunction

  logic [7:0] waiting;

  assign count_o = held_i + 4'(count_i);

  always_comb begin
    waiting = '0;
    for (int unsigned i = 0; i < 4; i++) begin
      if (i < 32'(count_i)) waiting += 8'(memory_i[2'(first_i+2'(i))]);
    end
    for (int unsigned i = 0; i < Length; i++) begin
      rows_o[i] = memory_i[2'(32'(first_i)+i-32'(held_i))];
      if (i < Inside && i < 32'(held_i)) rows_o[i] = rows_i[i];
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      entered_o <= '0;
      left_o <= '0;
    end else begin
      if (enter_i) entered_o <= entered_o + 8'(incoming_i);
      if (leave_i) left_o <= left_o + 8'(memory_i[first_i]);
    end
    if (rst_ni) begin
      assert (entered_o == left_o + waiting);
      assert (count_i <= 3'd4 && end_i == first_i + count_i[1:0]);
      for (int unsigned i = 0; i < Length; i++) begin
        if (i < 32'(count_o)) assert (rows_o[i] != '0 && 32'(rows_o[i]) <= transfab_pkg::Sequence);
      end
      if (taken_i && count_o != '0) assert (rows_o[count_o-1'b1] == incoming_i);
    end
  end

  // The same of the beats of residual packets, where they are looked at.
  if (Packets) begin : gen_packets
    logic [7:0] waiting_beats;

    always_comb begin
      waiting_beats = '0;
      for (int unsigned i = 0; i < 4; i++) begin
        if (i < 32'(count_i)) waiting_beats += residual_beats(memory_i[2'(first_i+2'(i))]);
      end
      present_beats_o = '0;
      for (int unsigned i = 0; i < Inside; i++) begin
        if (i < 32'(held_i)) present_beats_o += residual_beats(rows_i[i]);
      end
    end

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        entered_beats_o <= '0;
        left_beats_o <= '0;
      end else begin
        if (enter_i) entered_beats_o <= entered_beats_o + residual_beats(incoming_i);
        if (leave_i) left_beats_o <= left_beats_o + residual_beats(memory_i[first_i]);
      end
      if (rst_ni) assert (entered_beats_o == left_beats_o + waiting_beats);
    end
  end else begin : gen_none
    assign {entered_beats_o, left_beats_o, present_beats_o} = '0;
  end

endmodule : line
