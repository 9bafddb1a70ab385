/// Stages of a top behind one rows_fork: each has each length once, and no packet ends before all of
/// them have its length.
///
/// A data packet joins the second and the fourth stage to the one before. Its beats are counted where they pass; those
/// given are of lengths that the giver has, those taken of lengths that the taker has ended or more.
/// The last stage ends a packet when the data packets before it are whole.
module stages_properties #(
    parameter  int unsigned Stages  = 2,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned Length  = 10
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid,
    input logic [RowBits-1:0] rows_data,

    // The fork, its queues, what leaves them.
    input logic [Stages-1:0] taken_q,
    input logic [RowBits-1:0] memory[Stages][4],
    input logic [Stages-1:0][1:0] first,
    input logic [Stages-1:0][1:0] ends,
    input logic [Stages-1:0][2:0] count,
    input logic [Stages-1:0] enters,
    input logic [Stages-1:0] leaves,

    // What the stages' contracts count; of the beats given the last stage has none, of those taken
    // the first one.
    input logic [Stages-1:0][3:0] held,
    input logic [Stages-1:0][5:0][RowBits-1:0] rows,
    input logic [Stages-1:0][7:0] index,
    input logic [Stages-1:0][7:0] taken,
    input logic [Stages-1:0][7:0] done,
    input logic [Stages-1:0] gives,
    input logic [Stages-1:0][7:0] row_beats,  // of the data packet that a stage gives

    // Of four stages: the residual packet from the second to the last, taken there while it waits.
    input logic state_gives,
    input logic state_valid,
    input logic [1:0] state_taken,
    input logic [7:0] skip_taken,
    input logic [7:0] skip_done,

    output logic [3:0] sequences_o
);

  localparam int unsigned BeatBytes = transfab_pkg::BeatBytes;
  localparam int unsigned RowBeats = operator_pkg::ceil_divide(
      transfab_pkg::Hidden * transfab_pkg::ResidualBits / 8, BeatBytes
  );

  logic any_taken;
  logic [7:0] incoming;
  logic [Stages-1:0][3:0] line_count;
  logic [Stages-1:0][7:0] entered, left, present;
  logic [Stages-1:0][7:0] entered_beats, left_beats, present_beats;
  logic [Stages-1:0][7:0] given_q;  // data beats

  // By channel, to the stage that follows.
  function automatic bit gives_data(int unsigned stage);
    return stage % 2 == 0;
  endfunction

  assign any_taken = taken_q != '0;
  assign incoming = 8'(rows_data);
  assign sequences_o = line_count[Stages-1] - 4'(taken_q[Stages-1]);

  for (genvar i = 0; i < Stages; i++) begin : gen_stage
    line #(
        .Inside (6),
        .Length (Length),
        .Packets(Stages == 4)
    ) u_line (
        .clk_i,
        .rst_ni,
        .incoming_i(rows_data),
        .taken_i(taken_q[i]),
        .held_i(held[i]),
        .rows_i(rows[i]),
        .memory_i(memory[i]),
        .first_i(first[i]),
        .end_i(ends[i]),
        .count_i(count[i]),
        .enter_i(enters[i]),
        .leave_i(leaves[i]),
        .count_o(line_count[i]),
        .rows_o(),
        .entered_o(entered[i]),
        .left_o(left[i]),
        .entered_beats_o(entered_beats[i]),
        .left_beats_o(left_beats[i]),
        .present_beats_o(present_beats[i])
    );

    always_comb begin
      present[i] = '0;
      for (int unsigned j = 0; j < 6; j++) if (j < 32'(held[i])) present[i] += 8'(rows[i][j]);
    end

    always_ff @(posedge clk_i) begin
      if (!rst_ni) given_q[i] <= '0;
      else given_q[i] <= given_q[i] + 8'(gives[i]);
      if (rst_ni) begin
        assert (entered[i] - (taken_q[i] ? incoming : '0) ==
                entered[0] - (taken_q[0] ? incoming : '0));
        if (held[i] == '0) assert (index[i] == '0);
        if (gives_data(i)) assert (held[i] == '0 || index[i] < row_beats[i] * 8'(rows[i][0]));
        if (gives_data(i)) assert (given_q[i] == row_beats[i] * (left[i] - present[i]) + index[i]);
        if (i > 0 && gives_data(i - 1)) assert (taken[i] == given_q[i-1]);
        if (i > 0 && gives_data(i - 1)) assert (done[i] == row_beats[i-1] * (left[i] - present[i]));
      end
    end
  end

  if (Stages == 4) begin : gen_state
    logic [7:0]
        state_q, beats, present_first;  // of the residual packet; of that of the length at the fork

    assign present_first = (8'(rows[1][0]) + 8'(BeatBytes - 1)) / 8'(BeatBytes) +
        8'(RowBeats) * 8'(rows[1][0]);
    assign beats = (8'(rows_data) + 8'(BeatBytes - 1)) / 8'(BeatBytes) + 8'(RowBeats) * incoming;

    always_ff @(posedge clk_i) begin
      if (!rst_ni) state_q <= '0;
      else state_q <= state_q + 8'(state_gives);
      if (rst_ni) begin
        assert (entered_beats[1] - (taken_q[1] ? beats : '0) ==
                entered_beats[3] - (taken_q[3] ? beats : '0));
        assert (state_q == left_beats[1] - present_beats[1] + index[1]);
        assert (skip_taken == state_q + 8'(state_taken[1]));
        assert (state_taken != '1 && (state_taken == '0 || state_valid));
        assert (held[1] == '0 || index[1] < present_first);
        assert (skip_done == left_beats[3] - present_beats[3]);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni) assert (taken_q != '1 && (!any_taken || rows_valid));
  end

endmodule : stages_properties
