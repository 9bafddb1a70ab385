/// attention_core: what its units give one another is what each was promised; nothing is lost or
/// invented between them. Its own promise stands in core_terms.
///
/// A length goes to each of eight units once. No packet ends before its words of sums are in, which need
/// the query, key and value beats of all heads, and before mask_fork has passed its skip packet.
///
/// Assumed: no length that the end has finished waits for head_split or the softmax.
module attention_core_properties
  import attention_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid_i,
    input logic [RowBits-1:0] rows_data_i,

    input logic                qkv_valid_i,
    input logic                qkv_ready_o,
    input logic                skip_valid_i,
    input logic                skip_ready_o,
    input logic [BeatBits-1:0] skip_data_i,
    input logic [BeatBits-1:0] parameters_data_i,

    // Taken from distribute, and by the softmax, the queues of records and weights, the residual
    // sum and LayerNorm, with what each of them sees.
    input logic [4:0] section_valid,
    input logic [4:0] section_ready,
    input logic [4:0] section_taken,
    input logic [3:0][BeatBits-1:0] section_data,

    // The beats of the qkv packet that the engine takes.
    input logic [2:0] part_takes,

    // What enters the skip queue and the masks' and leaves them, as its users see it.
    input logic [3:0] moves,
    input logic [3:0] queued,
    input logic [3:0][BeatBits-1:0] moved_data,
    input logic [3:0][BeatBits-1:0] queued_data,
    input logic [7:0] skip_count,
    input logic [7:0] skip_waiting,  // of these, not offered yet
    input logic [7:0] mask_write,
    input logic [7:0] mask_read,
    input logic [7:0] mask_count,

    input logic [2:0] step,  // of distribute
    // head_split's and mask_fork's places in their packets; what the fork of the latter has passed.
    input logic [1:0] split_part,
    input logic in_mask,
    input logic [31:0] mask_covered,
    input logic [RowBits-1:0] skip_row,
    input logic [7:0] skip_beat,
    input logic [1:0] skip_passed,

    // The queues of the lengths.
    input logic [7:0] taken_q,
    input logic [RowBits-1:0] memory[8][4],
    input logic [7:0][1:0] first,
    input logic [7:0][1:0] ends,
    input logic [7:0][2:0] count,
    input logic [7:0] enters,
    input logic [7:0] leaves,

    // What the contracts count: of the core, the engine, the end.
    input logic [3:0] held,
    input logic [5:0][RowBits-1:0] rows,
    input logic [7:0] index,
    input logic [1:0][7:0] data,  // taken, done
    input logic [7:0] skip,  // taken less done
    input logic [3:0] engine_held,
    input logic [5:0][RowBits-1:0] engine_rows,
    input logic [7:0] engine_index,
    input logic engine_ends,
    input logic [2:0][7:0] engine_taken,  // of {value, key, query}
    input logic [2:0][7:0] engine_done,
    input logic [1:0][7:0] engine_others,
    input logic [3:0] end_held,
    input logic [1:0][RowBits-1:0] end_rows,
    input logic [7:0] end_index,
    input logic [7:0] end_residual,
    input logic end_ends,
    input logic [1:0][7:0] end_sums,
    input logic [7:0] end_skip
);

  localparam int unsigned Engine = 0, Split = 3, Skip = 4, Softmax = 5, Residual = 6, End = 7;
  localparam int unsigned Length = 6;
  localparam int unsigned HeadsBeats = transfab_pkg::Heads * RowBeats;
  localparam int unsigned StateBeats = operator_pkg::ceil_divide(
      transfab_pkg::Hidden * transfab_pkg::ResidualBits / 8, BeatBytes
  );
  localparam int unsigned MaskBeats = operator_pkg::ceil_divide(Rows, BeatBytes);
  localparam int unsigned PacketBeats = MaskBeats + Rows * StateBeats;

  function automatic logic [7:0] mask_beats(logic [RowBits-1:0] length);
    return (8'(length) + 8'(BeatBytes - 1)) / 8'(BeatBytes);
  endfunction

  function automatic logic [7:0] packet_beats(logic [RowBits-1:0] length);
    return mask_beats(length) + 8'(StateBeats) * 8'(length);
  endfunction

  logic [7:0][3:0] owned, line_count;
  logic [7:0][5:0][RowBits-1:0] owned_rows;
  logic [7:0][Length-1:0][RowBits-1:0] line_rows;
  // Lengths that the engine, and mask_fork, have finished and the end has not.
  logic [3:0] between, ahead;
  logic [7:0] between_rows, ahead_beats;
  logic [7:0] engine_done_q, end_done_q;  // rows of the lengths that each has finished
  logic [7:0] skip_q;  // beats of the packet at mask_fork that have passed it
  logic [RowBits-1:0] skip_rows;

  // Lengths that a unit has and has not finished, without that at the fork.
  function automatic logic [3:0] open(int unsigned unit);
    return line_count[unit] - 4'(taken_q[unit]);
  endfunction

  always_comb begin
    owned = '0;
    owned_rows = '0;
    owned[Engine] = engine_held;
    owned_rows[Engine] = engine_rows;
    owned[End] = end_held;
    owned_rows[End][1:0] = end_rows;
  end

  for (genvar i = 0; i < 8; i++) begin : gen_queue
    localparam int unsigned Inside = i == Engine ? 6 : 2;
    localparam int unsigned Longest = i == Engine ? 6 : i == End ? 5 : 4;

    line #(
        .Inside(Inside),
        .Length(Longest)
    ) u_line (
        .clk_i,
        .rst_ni,
        .incoming_i(rows_data_i),
        .taken_i(taken_q[i]),
        .held_i(owned[i]),
        .rows_i(owned_rows[i][Inside-1:0]),
        .memory_i(memory[i]),
        .first_i(first[i]),
        .end_i(ends[i]),
        .count_i(count[i]),
        .enter_i(enters[i]),
        .leave_i(leaves[i]),
        .count_o(line_count[i]),
        .rows_o(line_rows[i][Longest-1:0]),
        .entered_o(),
        .left_o(),
        .entered_beats_o(),
        .left_beats_o(),
        .present_beats_o()
    );

    if (Longest < Length) begin : gen_rest
      assign line_rows[i][Length-1:Longest] = '0;
    end
  end

  assign between = open(End) - open(Engine);
  assign ahead   = open(End) - open(Skip);

  always_comb begin
    between_rows = '0;
    ahead_beats  = '0;
    for (int unsigned i = 0; i < Length; i++) begin
      // That at the fork may be finished, too.
      automatic logic [RowBits-1:0] length;
      length = i < 32'(line_count[End]) ? line_rows[End][i] : rows_data_i;
      if (i < 32'(between)) between_rows += 8'(length);
      if (i < 32'(ahead)) ahead_beats += packet_beats(length);
    end
  end

  assign skip_rows = line_rows[Skip][0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      engine_done_q <= '0;
      end_done_q <= '0;
    end else begin
      if (engine_ends) engine_done_q <= engine_done_q + 8'(engine_rows[0]);
      if (end_ends) end_done_q <= end_done_q + 8'(end_rows[0]);
    end
    if (!rst_ni) skip_q <= '0;
    else if (skip_valid_i && skip_ready_o) skip_q <= leaves[Skip] ? '0 : skip_q + 1'b1;
    if (rst_ni) begin
      assume (8'(count[Split]) + 8'(taken_q[End]) <= 8'(line_count[End]) + 8'(taken_q[Split]));
      assume (8'(count[Softmax]) + 8'(taken_q[End]) <= 8'(line_count[End]) + 8'(taken_q[Softmax]));
      // A beat of parameters enters where distribute sends it.
      assert (section_taken == (section_valid & section_ready));
      for (int unsigned i = 0; i < 4; i++) assert (section_data[i] == parameters_data_i);
      // One of the qkv packet is taken by one part, the skip packet goes by its queues.
      assert ($onehot0(part_takes) && (part_takes != '0) == (qkv_valid_i && qkv_ready_o));
      assert (queued == moves && queued_data == moved_data);
      // What holds inside: of lengths.
      assert (taken_q != '1 && (taken_q == '0 || rows_valid_i));
      for (int unsigned i = 0; i < 8; i++) begin
        if (taken_q != '0 && !taken_q[i]) assert (count[i] >= 3'd3);  // it was full
      end
      assert (held == open(End) && index == end_index);
      for (int unsigned i = 0; i < 6; i++) if (i < 32'(held)) assert (rows[i] == line_rows[End][i]);
      assert (end_residual == 8'(open(End)) - 8'(count[Residual]) + 8'(taken_q[Residual]));
      for (int unsigned i = 0; i < 2; i++) begin
        assert (engine_others[i] + 8'(count[i+1]) + 8'(taken_q[Engine]) ==
                8'(line_count[Engine]) + 8'(taken_q[i+1]));
      end
      assert (between <= line_count[End] + 4'd1 && ahead <= line_count[End] + 4'd1);
      for (int unsigned i = 0; i < Length; i++) begin
        if (i < 32'(line_count[Engine]) && i + 32'(between) < 32'(line_count[End])) begin
          assert (line_rows[Engine][i] == line_rows[End][3'(i+32'(between))]);
        end
        if (i < 32'(line_count[Skip]) && i + 32'(ahead) < 32'(line_count[End])) begin
          assert (line_rows[Skip][i] == line_rows[End][3'(i+32'(ahead))]);
        end
      end
      // Of beats and words.
      assert (engine_done_q == end_done_q + between_rows);
      assert (data[1] == engine_taken[0] + engine_taken[1] + engine_taken[2]);
      assert (data[0] == 8'(3 * HeadsBeats) * end_done_q);
      for (int unsigned i = 0; i < 3; i++) begin
        assert (engine_done[i] == 8'(HeadsBeats) * engine_done_q);
      end
      assert (end_sums[1] == 8'(Tiles) * engine_done_q + engine_index);
      assert (end_sums[0] == 8'(Tiles) * end_done_q);
      assert (engine_index == '0 ||
              (engine_held != '0 && engine_index < 8'(Tiles) * 8'(engine_rows[0])));
      assert (skip == ahead_beats + skip_q);
      assert (skip + 8'(skip_passed[0]) == end_skip + skip_count);
      assert (32'(skip_waiting) <= PacketBeats);
      assert (32'(mask_count) <= MaskBeats && 32'(mask_read) < MaskBeats &&
              32'(mask_write) == (32'(mask_read) + 32'(mask_count)) % MaskBeats);
    end
  end

  // Of distribute, head_split and mask_fork.
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      assert (step < 3'd6 && split_part != 2'd3);
      assert (skip_passed != '1 && (skip_passed == '0 || (skip_valid_i && count[Skip] != '0)));
      assert (!skip_passed[0] || in_mask);
      assert (32'(skip_beat) < StateBeats);
      assert (mask_covered == (in_mask ? 32'(skip_q) * BeatBytes : 0));
      assert (!in_mask || (skip_row == '0 && skip_beat == '0));
      if (count[Skip] == '0)
        assert (in_mask && skip_q == '0);
        else if (in_mask)
          assert (skip_q < mask_beats(skip_rows));
          else
            assert (skip_row < skip_rows && skip_q == mask_beats(
                skip_rows
            ) + 8'(StateBeats) * 8'(skip_row) + skip_beat);
    end
  end

endmodule : attention_core_properties
