/// output_core: what its units give one another is what each was promised; nothing is lost or
/// invented between them. Its own promise stands in core_terms.
///
/// A length goes to product, residual sum and LayerNorm once each. No packet ends before its words of
/// sums are in, whose product needs the whole data packet.
module output_core_properties #(
    localparam int unsigned RowBits  = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid_i,
    input logic [RowBits-1:0] rows_data_i,

    input logic [BeatBits-1:0] parameters_data_i,

    // Taken from distribute, and by the residual sum, LayerNorm and the weights' queue.
    input logic [2:0] section_valid,
    input logic [2:0] section_ready,
    input logic [2:0] section_taken,
    input logic [BeatBits-1:0] end_data,
    input logic [BeatBits-1:0] weights_data,

    // What enters the skip queue and leaves it, as its users see it.
    input logic [1:0] skip_moves,
    input logic [1:0] skip_queued,
    input logic [1:0][BeatBits-1:0] skip_data,
    input logic [1:0][BeatBits-1:0] skip_queued_data,
    input logic [7:0] skip_count,
    input logic [7:0] skip_waiting,  // of these, not offered yet

    input logic [2:0] taken_q,
    // The queues of product, residual sum, LayerNorm.
    input logic [RowBits-1:0] memory_0[4],
    input logic [RowBits-1:0] memory_1[4],
    input logic [RowBits-1:0] memory_2[4],
    input logic [2:0][1:0] first,
    input logic [2:0][1:0] ends,
    input logic [2:0][2:0] count,
    input logic [2:0] enters,
    input logic [2:0] leaves,

    // What the contracts count: of the core, the product, the end.
    input logic [3:0] held,
    input logic [5:0][RowBits-1:0] rows,
    input logic [7:0] index,
    input logic [1:0][7:0] data,  // taken, done
    input logic [1:0][7:0] skip,
    input logic [3:0] gemm_held,
    input logic [3:0][RowBits-1:0] gemm_rows,
    input logic [7:0] gemm_index,
    input logic [1:0][7:0] gemm_data,
    input logic gemm_ends,
    input logic [3:0] end_held,
    input logic [1:0][RowBits-1:0] end_rows,
    input logic [7:0] end_index,
    input logic end_ends,
    input logic [7:0] end_residual,
    input logic [1:0][7:0] end_sums,
    input logic [1:0][7:0] end_skip
);

  localparam int unsigned Words = operator_pkg::ceil_divide(
      transfab_pkg::Hidden, transfab_pkg::OutputPe
  );
  localparam int unsigned DataBeats = operator_pkg::ceil_divide(
      transfab_pkg::Inner, transfab_pkg::BeatBytes
  );
  localparam int unsigned PacketBeats = operator_pkg::ceil_divide(
      transfab_pkg::Sequence, transfab_pkg::BeatBytes
  ) + transfab_pkg::Sequence * operator_pkg::ceil_divide(
      transfab_pkg::Hidden * transfab_pkg::ResidualBits / 8, transfab_pkg::BeatBytes
  );
  localparam int unsigned Length = 8;

  logic [7:0] incoming, gemm_present, end_present, between_rows;
  logic [3:0] gemm_count, residual_count, end_count;
  logic [Length-1:0][RowBits-1:0] gemm_line, end_line;
  logic [7:0] gemm_entered, gemm_left, end_entered, end_left;
  logic [7:0] gemm_done_q, end_done_q;  // rows of the lengths that each has finished
  logic [3:0] between;  // lengths that the product has finished and the end has not

  assign incoming = 8'(rows_data_i);
  assign between = end_count - 4'(taken_q[2]) - gemm_count + 4'(taken_q[0]);
  assign end_present = end_held != '0 ? 8'(end_rows[0]) : '0;

  always_comb begin
    gemm_present = '0;
    for (int unsigned i = 0; i < 4; i++) begin
      if (i < 32'(gemm_held)) gemm_present += 8'(gemm_rows[i]);
    end
    between_rows = '0;
    for (int unsigned i = 0; i < Length; i++) begin
      // The product may have finished the length at the fork.
      if (i < 32'(between)) between_rows += i < 32'(end_count) ? 8'(end_line[i]) : incoming;
    end
  end

  line #(
      .Inside(4),
      .Length(Length)
  ) u_product (
      .clk_i,
      .rst_ni,
      .incoming_i(rows_data_i),
      .taken_i(taken_q[0]),
      .held_i(gemm_held),
      .rows_i(gemm_rows),
      .memory_i(memory_0),
      .first_i(first[0]),
      .end_i(ends[0]),
      .count_i(count[0]),
      .enter_i(enters[0]),
      .leave_i(leaves[0]),
      .count_o(gemm_count),
      .rows_o(gemm_line),
      .entered_o(gemm_entered),
      .left_o(gemm_left),
      .entered_beats_o(),
      .left_beats_o(),
      .present_beats_o()
  );

  line #(
      .Inside(2),
      .Length(4)
  ) u_residual (
      .clk_i,
      .rst_ni,
      .incoming_i(rows_data_i),
      .taken_i(taken_q[1]),
      .held_i('0),
      .rows_i('0),
      .memory_i(memory_1),
      .first_i(first[1]),
      .end_i(ends[1]),
      .count_i(count[1]),
      .enter_i(enters[1]),
      .leave_i(leaves[1]),
      .count_o(residual_count),
      .rows_o(),
      .entered_o(),
      .left_o(),
      .entered_beats_o(),
      .left_beats_o(),
      .present_beats_o()
  );

  line #(
      .Inside(2),
      .Length(Length)
  ) u_layernorm (
      .clk_i,
      .rst_ni,
      .incoming_i(rows_data_i),
      .taken_i(taken_q[2]),
      .held_i(end_held),
      .rows_i(end_rows),
      .memory_i(memory_2),
      .first_i(first[2]),
      .end_i(ends[2]),
      .count_i(count[2]),
      .enter_i(enters[2]),
      .leave_i(leaves[2]),
      .count_o(end_count),
      .rows_o(end_line),
      .entered_o(end_entered),
      .left_o(end_left),
      .entered_beats_o(),
      .left_beats_o(),
      .present_beats_o()
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      gemm_done_q <= '0;
      end_done_q  <= '0;
    end else begin
      if (gemm_ends) gemm_done_q <= gemm_done_q + 8'(gemm_rows[0]);
      if (end_ends) end_done_q <= end_done_q + 8'(end_rows[0]);
    end
    if (rst_ni) begin
      // A beat of parameters enters where distribute sends it; the skip packet goes by its queue.
      assert (section_taken == (section_valid & section_ready));
      if (section_taken[1:0] != '0) assert (end_data == parameters_data_i);
      if (section_taken[2]) assert (weights_data == parameters_data_i);
      assert (skip_queued == skip_moves && skip_queued_data == skip_data);
      // What holds inside: of lengths.
      assert (taken_q != '1 && (taken_q == '0 || rows_valid_i));
      assert (5'(held) + 5'(taken_q[2]) == 5'(end_count) && index == end_index);
      for (int unsigned i = 0; i < 6; i++) if (i < 32'(held)) assert (rows[i] == end_line[i]);
      assert (end_residual + 8'(residual_count) + 8'(taken_q[2]) == 8'(end_count) + 8'(taken_q[1]));
      assert (gemm_entered - (taken_q[0] ? incoming : '0) ==
              end_entered - (taken_q[2] ? incoming : '0));
      // The product's lengths follow those that it has finished.
      assert (between <= end_count + 4'd1);
      for (int unsigned i = 0; i < Length; i++) begin
        if (i < 32'(gemm_count) && i + 32'(between) < 32'(end_count)) begin
          assert (gemm_line[i] == end_line[3'(i+32'(between))]);
        end
      end
      assert (gemm_done_q == gemm_left - gemm_present && end_done_q == end_left - end_present);
      assert (gemm_done_q == end_done_q + between_rows);
      // Of beats and words.
      assert (skip[0] == end_skip[0] && skip[1] == end_skip[1] + skip_count);
      assert (data[1] == gemm_data[1] && data[0] == 8'(DataBeats) * end_done_q);
      assert (gemm_data[0] == 8'(DataBeats) * gemm_done_q);
      assert (end_sums[1] == 8'(Words) * gemm_done_q + gemm_index);
      assert (end_sums[0] == 8'(Words) * end_done_q);
      assert (gemm_index == '0 || (gemm_held != '0 && gemm_index < 8'(Words) * 8'(gemm_rows[0])));
      assert (32'(skip_waiting) <= PacketBeats);
    end
  end

endmodule : output_core_properties

bind output_core output_core_properties u_properties (
    .section_taken({u_weights.enter, u_end.parameters_valid_i & u_end.parameters_ready_o}),
    .end_data(u_end.parameters_data_i),
    .weights_data(u_weights.in_data_i),
    .skip_moves({skip_valid_i && skip_ready_o, u_end.skip_valid_i && u_end.skip_ready_o}),
    .skip_queued({u_skip.enter, u_skip.out_valid_o && u_skip.out_ready_i}),
    .skip_data({skip_data_i, u_end.skip_data_i}),
    .skip_queued_data({u_skip.in_data_i, u_skip.out_data_o}),
    .skip_count(8'(u_skip.count_q) + 8'(u_skip.out_valid_o)),
    .skip_waiting(8'(u_skip.count_q)),
    .taken_q(u_rows.u_fork.taken_q),
    .memory_0(u_rows.gen_output[0].u_fifo.memory),
    .memory_1(u_rows.gen_output[1].u_fifo.memory),
    .memory_2(u_rows.gen_output[2].u_fifo.memory),
    .first({
      u_rows.gen_output[2].u_fifo.read_q,
      u_rows.gen_output[1].u_fifo.read_q,
      u_rows.gen_output[0].u_fifo.read_q
    }),
    .ends({
      u_rows.gen_output[2].u_fifo.write_q,
      u_rows.gen_output[1].u_fifo.write_q,
      u_rows.gen_output[0].u_fifo.write_q
    }),
    .count({
      u_rows.gen_output[2].u_fifo.count_q,
      u_rows.gen_output[1].u_fifo.count_q,
      u_rows.gen_output[0].u_fifo.count_q
    }),
    .enters({
      u_rows.gen_output[2].u_fifo.enter,
      u_rows.gen_output[1].u_fifo.enter,
      u_rows.gen_output[0].u_fifo.enter
    }),
    .leaves({
      u_rows.gen_output[2].u_fifo.leave,
      u_rows.gen_output[1].u_fifo.leave,
      u_rows.gen_output[0].u_fifo.leave
    }),
    .held(u_contract.u_core.held),
    .rows(u_contract.u_core.rows),
    .index(u_contract.u_core.index),
    .data({u_contract.u_core.data_taken, u_contract.u_core.data_done}),
    .skip({u_contract.u_core.skip_taken, u_contract.u_core.skip_done}),
    .gemm_held(u_gemm.u_contract.u_sums.held),
    .gemm_rows(u_gemm.u_contract.u_sums.rows),
    .gemm_index(u_gemm.u_contract.u_sums.index),
    .gemm_ends(u_gemm.u_contract.u_sums.u_packets.leave),
    .end_ends(u_end.u_contract.u_packets.leave),
    .gemm_data({u_gemm.u_contract.u_sums.data_taken, u_gemm.u_contract.u_sums.data_done}),
    .end_held(u_end.u_contract.held),
    .end_rows(u_end.u_contract.rows),
    .end_index(u_end.u_contract.index),
    .end_residual(u_end.u_contract.residual_q),
    .end_sums({u_end.u_contract.sums_taken, u_end.u_contract.sums_done}),
    .end_skip({u_end.u_contract.skip_taken, u_end.u_contract.skip_done}),
    .*
);
