/// channel_stage: what its units give one another is what each was promised; nothing is lost or
/// invented between them. Its own promise stands in channel_stage_contract.
///
/// A length goes to narrow, product and order once each. No beat of a packet leaves before all of
/// them have its length: its tiles need the product's, which needs rows of the operand.
module channel_stage_properties #(
    parameter int unsigned Pe = 1,
    parameter int unsigned Channels = 1,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid_i,
    input logic [RowBits-1:0] rows_data_i,

    input logic [BeatBits-1:0] parameters_data_i,

    // Taken from distribute, and by narrow, the records' queue and the weights' queue.
    input logic [2:0] section_valid,
    input logic [2:0] section_ready,
    input logic [2:0] section_taken,
    input logic [BeatBits-1:0] narrow_data,
    input logic [BeatBits-1:0] records_enter_data,
    input logic [BeatBits-1:0] weights_enter_data,

    // What leaves narrow and enters the operand's queue; what leaves that and enters the product.
    input logic [1:0] operand_given,
    input logic [1:0] operand_taken,
    input logic [1:0][BeatBits-1:0] operand_data,
    input logic [1:0][BeatBits-1:0] operand_taken_data,

    // A permit as the product, the lanes and the order see it.
    input logic [2:0] permits,

    input logic [2:0] taken_q,  // outputs of the fork that have the length at the input
    // Their queues: of narrow, product, order.
    input logic [RowBits-1:0] memory_0[4],
    input logic [RowBits-1:0] memory_1[4],
    input logic [RowBits-1:0] memory_2[4],
    input logic [2:0][1:0] first,
    input logic [2:0][1:0] ends,
    input logic [2:0] enters,
    input logic [2:0] leaves,
    input logic [2:0][2:0] count,

    // What the contracts count.
    input logic [3:0] held,
    input logic [5:0][RowBits-1:0] rows,
    input logic [7:0] index,
    input logic [7:0] due,
    input logic [7:0] given,
    input logic [1:0] queued,
    input logic gemm_granted,
    input logic [3:0] gemm_held,
    input logic [1:0][RowBits-1:0] gemm_rows,
    input logic [RowBits-1:0] gemm_row,
    input logic [7:0] gemm_tile,
    input logic [7:0] operands,
    input logic [7:0] operands_taken,
    input logic [7:0] operands_done,
    input logic lanes_granted,
    input logic lanes_whole,
    input logic [7:0] lanes_in,
    input logic [7:0] lanes_out,
    input logic order_granted,
    input logic [3:0] order_held,
    input logic [1:0][RowBits-1:0] order_rows,
    input logic [7:0] order_index,
    input logic [7:0] tiles
);

  localparam int unsigned Tiles = operator_pkg::ceil_divide(Channels, Pe);
  localparam int unsigned RowBeats = operator_pkg::ceil_divide(
      transfab_pkg::Hidden, transfab_pkg::BeatBytes
  );
  localparam int unsigned Sequence = transfab_pkg::Sequence;
  localparam int unsigned Length = 6;

  logic any_taken;
  logic [3:0] narrow_count, gemm_count, order_count;
  logic [Length-1:0][RowBits-1:0] order_line;
  logic [7:0] narrow_entered, narrow_left, gemm_entered, gemm_left, gemm_inside;
  logic [7:0] incoming;

  assign any_taken = taken_q != '0;
  assign incoming = 8'(rows_data_i);
  assign gemm_inside = (gemm_held > 4'd0 ? 8'(gemm_rows[0]) : '0) +
      (gemm_held > 4'd1 ? 8'(gemm_rows[1]) : '0);

  line u_narrow (
      .clk_i,
      .rst_ni,
      .incoming_i(rows_data_i),
      .taken_i(taken_q[0]),
      .held_i('0),
      .rows_i('0),
      .memory_i(memory_0),
      .first_i(first[0]),
      .end_i(ends[0]),
      .count_i(count[0]),
      .enter_i(enters[0]),
      .leave_i(leaves[0]),
      .count_o(narrow_count),
      .rows_o(),
      .entered_o(narrow_entered),
      .left_o(narrow_left),
      .entered_beats_o(),
      .left_beats_o(),
      .present_beats_o()
  );

  line u_gemm (
      .clk_i,
      .rst_ni,
      .incoming_i(rows_data_i),
      .taken_i(taken_q[1]),
      .held_i(gemm_held),
      .rows_i(gemm_rows),
      .memory_i(memory_1),
      .first_i(first[1]),
      .end_i(ends[1]),
      .count_i(count[1]),
      .enter_i(enters[1]),
      .leave_i(leaves[1]),
      .count_o(gemm_count),
      .rows_o(),
      .entered_o(gemm_entered),
      .left_o(gemm_left),
      .entered_beats_o(),
      .left_beats_o(),
      .present_beats_o()
  );

  line u_order (
      .clk_i,
      .rst_ni,
      .incoming_i(rows_data_i),
      .taken_i(taken_q[2]),
      .held_i(order_held),
      .rows_i(order_rows),
      .memory_i(memory_2),
      .first_i(first[2]),
      .end_i(ends[2]),
      .count_i(count[2]),
      .enter_i(enters[2]),
      .leave_i(leaves[2]),
      .count_o(order_count),
      .rows_o(order_line),
      .entered_o(),
      .left_o(),
      .entered_beats_o(),
      .left_beats_o(),
      .present_beats_o()
  );

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      // A beat of parameters enters where distribute sends it, and a permit is one for all.
      assert (section_taken == (section_valid & section_ready));
      if (section_taken[0]) assert (narrow_data == parameters_data_i);
      if (section_taken[1]) assert (records_enter_data == parameters_data_i);
      if (section_taken[2]) assert (weights_enter_data == parameters_data_i);
      assert (operand_taken == operand_given && operand_taken_data == operand_data);
      assert (permits == '0 || permits == '1);
    end
    if (rst_ni) begin
      // What holds inside: of lengths.
      assert (taken_q != '1 && (!any_taken || rows_valid_i));
      for (int unsigned i = 0; i < Length; i++) begin
        if (i < 32'(held)) assert (rows[i] == order_line[i]);
      end
      assert (5'(held) + 5'(taken_q[2]) == 5'(order_count) && index == order_index);
      // Of the operand: rows that entered both queues; beats owed, queued and taken ahead.
      assert (narrow_entered - (taken_q[0] ? incoming : '0) ==
              gemm_entered - (taken_q[1] ? incoming : '0));
      assert (due == 8'(RowBeats) * narrow_left && given - operands_taken == 8'(queued));
      assert (operands_done == 8'(RowBeats) * (gemm_left - gemm_inside));
      assert (due - given <= 8'(RowBeats * Sequence + 8) && !operands[7] && queued <= 2'd2);
      if (gemm_tile != '0) assert (operands >= 8'(RowBeats) * 8'(gemm_rows[0]));
      // Of tiles: those of lengths that the product has finished and the order has not.
      assert (gemm_tile < 8'(Tiles) && (gemm_held != '0 || (gemm_tile == '0 && gemm_row == '0)));
      assert (tiles + 8'(lanes_whole) == gemm_tile + 8'(Tiles) * (8'(taken_q[1]) -
              8'(gemm_count) - 8'(taken_q[2]) + 8'(order_count)));
      // Of the tile under way.
      assert (order_granted == lanes_granted && gemm_granted == (lanes_granted && !lanes_whole));
      if (!lanes_granted) assert (!lanes_whole);
      if (!lanes_granted) assert (lanes_in == '0 && lanes_out == '0);
      assert (lanes_out <= lanes_in);
      if (lanes_whole) assert (lanes_out < lanes_in);
      if (lanes_whole)
        assert (gemm_row == '0);
        else assert (lanes_in == 8'(gemm_row));
      if (gemm_row != '0) assert (gemm_row < gemm_rows[0]);
    end
  end

endmodule : channel_stage_properties

bind channel_stage channel_stage_properties #(
    .Pe(Pe),
    .Channels(Channels)
) u_properties (
    .section_taken({
      u_weights.enter, u_records.enter, u_narrow.parameters_valid_i && u_narrow.parameters_ready_o
    }),
    .narrow_data(u_narrow.parameters_data_i),
    .records_enter_data(u_records.in_data_i),
    .weights_enter_data(u_weights.in_data_i),
    .operand_given({u_operand.leave, u_narrow.operand_valid_o && u_narrow.operand_ready_i}),
    .operand_taken({u_gemm.operand_valid_i && u_gemm.operand_ready_o, u_operand.enter}),
    .operand_data({u_operand.out_data_o, u_narrow.operand_data_o}),
    .operand_taken_data({u_gemm.operand_data_i, u_operand.in_data_i}),
    .permits({
      u_order.permit_valid_o && u_order.permit_ready_i,
      u_lanes.permit_valid_o && u_lanes.permit_ready_i,
      u_gemm.permit_valid_i && u_gemm.permit_ready_o
    }),
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
    .count({
      u_rows.gen_output[2].u_fifo.count_q,
      u_rows.gen_output[1].u_fifo.count_q,
      u_rows.gen_output[0].u_fifo.count_q
    }),
    .held(u_contract.held),
    .rows(u_contract.rows),
    .index(u_contract.index),
    .due(u_narrow.u_contract.due_q),
    .given(u_narrow.u_contract.given_q),
    .queued(u_operand.count_q),
    .gemm_granted(u_gemm.u_contract.granted_q),
    .gemm_held(u_gemm.u_contract.held),
    .gemm_rows(u_gemm.u_contract.rows),
    .gemm_row(u_gemm.u_contract.row_q),
    .gemm_tile(u_gemm.u_contract.tile),
    .operands(u_gemm.u_contract.operands),
    .operands_taken(u_gemm.u_contract.operands_taken),
    .operands_done(u_gemm.u_contract.operands_done),
    .lanes_granted(u_lanes.u_contract.granted_q),
    .lanes_whole(u_lanes.u_contract.whole_q),
    .lanes_in(u_lanes.u_contract.in_q),
    .lanes_out(u_lanes.u_contract.out_q),
    .order_granted(u_order.u_contract.granted_q),
    .order_held(u_order.u_contract.held),
    .order_rows(u_order.u_contract.rows),
    .order_index(u_order.u_contract.index),
    .tiles(u_order.u_contract.tiles),
    .*
);
