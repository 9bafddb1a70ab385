/// The properties of attention_core in their place: what they see of it and of what it holds.
bind attention_core attention_core_properties u_properties (
    .section_taken({
      u_end.parameters_valid_i & u_end.parameters_ready_o,
      u_weights.enter,
      u_records.enter,
      u_softmax.parameters_valid_i && u_softmax.parameters_ready_o
    }),
    .section_data({
      u_end.parameters_data_i, u_weights.in_data_i, u_records.in_data_i, u_softmax.parameters_data_i
    }),
    .part_takes({
      u_engine.value_valid_i && u_engine.value_ready_o,
      u_engine.key_valid_i && u_engine.key_ready_o,
      u_engine.query_valid_i && u_engine.query_ready_o
    }),
    .moves({
      waits_valid && waits_ready,
      u_softmax.mask_valid_i && u_softmax.mask_ready_o,
      queue_valid && queue_ready,
      u_end.skip_valid_i && u_end.skip_ready_o
    }),
    .queued({u_masks.enter, u_masks.leave, u_skip.enter, u_skip.out_valid_o && u_skip.out_ready_i}),
    .moved_data({skip_data_i, u_softmax.mask_data_i, skip_data_i, u_end.skip_data_i}),
    .queued_data({u_masks.in_data_i, u_masks.out_data_o, u_skip.in_data_i, u_skip.out_data_o}),
    .skip_count(8'(u_skip.count_q) + 8'(u_skip.out_valid_o)),
    .skip_waiting(8'(u_skip.count_q)),
    .mask_write(8'(u_masks.write_q)),
    .mask_read(8'(u_masks.read_q)),
    .mask_count(8'(u_masks.count_q)),
    .step(u_distribute.step_q),
    .split_part(u_split.part_q),
    .in_mask(u_mask.in_mask_q),
    .mask_covered(u_mask.covered_q),
    .skip_row(u_mask.row_q),
    .skip_beat(8'(u_mask.beat_q)),
    .skip_passed(u_mask.u_fork.taken_q),
    .taken_q(u_rows.u_fork.taken_q),
    .memory(
    '{
        u_rows.gen_output[0].u_fifo.memory,
        u_rows.gen_output[1].u_fifo.memory,
        u_rows.gen_output[2].u_fifo.memory,
        u_rows.gen_output[3].u_fifo.memory,
        u_rows.gen_output[4].u_fifo.memory,
        u_rows.gen_output[5].u_fifo.memory,
        u_rows.gen_output[6].u_fifo.memory,
        u_rows.gen_output[7].u_fifo.memory
    }
    ),
    .first({
      u_rows.gen_output[7].u_fifo.read_q,
      u_rows.gen_output[6].u_fifo.read_q,
      u_rows.gen_output[5].u_fifo.read_q,
      u_rows.gen_output[4].u_fifo.read_q,
      u_rows.gen_output[3].u_fifo.read_q,
      u_rows.gen_output[2].u_fifo.read_q,
      u_rows.gen_output[1].u_fifo.read_q,
      u_rows.gen_output[0].u_fifo.read_q
    }),
    .ends({
      u_rows.gen_output[7].u_fifo.write_q,
      u_rows.gen_output[6].u_fifo.write_q,
      u_rows.gen_output[5].u_fifo.write_q,
      u_rows.gen_output[4].u_fifo.write_q,
      u_rows.gen_output[3].u_fifo.write_q,
      u_rows.gen_output[2].u_fifo.write_q,
      u_rows.gen_output[1].u_fifo.write_q,
      u_rows.gen_output[0].u_fifo.write_q
    }),
    .count({
      u_rows.gen_output[7].u_fifo.count_q,
      u_rows.gen_output[6].u_fifo.count_q,
      u_rows.gen_output[5].u_fifo.count_q,
      u_rows.gen_output[4].u_fifo.count_q,
      u_rows.gen_output[3].u_fifo.count_q,
      u_rows.gen_output[2].u_fifo.count_q,
      u_rows.gen_output[1].u_fifo.count_q,
      u_rows.gen_output[0].u_fifo.count_q
    }),
    .enters({
      u_rows.gen_output[7].u_fifo.enter,
      u_rows.gen_output[6].u_fifo.enter,
      u_rows.gen_output[5].u_fifo.enter,
      u_rows.gen_output[4].u_fifo.enter,
      u_rows.gen_output[3].u_fifo.enter,
      u_rows.gen_output[2].u_fifo.enter,
      u_rows.gen_output[1].u_fifo.enter,
      u_rows.gen_output[0].u_fifo.enter
    }),
    .leaves({
      u_rows.gen_output[7].u_fifo.leave,
      u_rows.gen_output[6].u_fifo.leave,
      u_rows.gen_output[5].u_fifo.leave,
      u_rows.gen_output[4].u_fifo.leave,
      u_rows.gen_output[3].u_fifo.leave,
      u_rows.gen_output[2].u_fifo.leave,
      u_rows.gen_output[1].u_fifo.leave,
      u_rows.gen_output[0].u_fifo.leave
    }),
    .held(u_contract.u_core.held),
    .rows(u_contract.u_core.rows),
    .index(u_contract.u_core.index),
    .data({u_contract.u_core.data_taken, u_contract.u_core.data_done}),
    .skip(u_contract.u_core.skip),
    .engine_held(u_engine.u_contract.held),
    .engine_rows(u_engine.u_contract.rows),
    .engine_index(u_engine.u_contract.index),
    .engine_ends(u_engine.u_contract.u_packets.leave),
    .engine_taken({
      u_engine.u_contract.gen_part[2].u_part.taken_o,
      u_engine.u_contract.gen_part[1].u_part.taken_o,
      u_engine.u_contract.gen_part[0].u_part.taken_o
    }),
    .engine_done({
      u_engine.u_contract.gen_part[2].u_part.done_o,
      u_engine.u_contract.gen_part[1].u_part.done_o,
      u_engine.u_contract.gen_part[0].u_part.done_o
    }),
    .engine_others(u_engine.u_contract.others_q),
    .end_held(u_end.u_contract.held),
    .end_rows(u_end.u_contract.rows),
    .end_index(u_end.u_contract.index),
    .end_residual(u_end.u_contract.residual_q),
    .end_ends(u_end.u_contract.u_packets.leave),
    .end_sums({u_end.u_contract.sums_taken, u_end.u_contract.sums_done}),
    .end_skip(u_end.u_contract.skip),
    .*
);
