/// layer: the properties of its stages and of a top.
bind layer stages_properties #(
    .Stages(4)
) u_stages (
    .clk_i(ap_clk),
    .rst_ni(ap_rst_n),
    .taken_q(u_rows.u_fork.taken_q),
    .memory(
    '{
        u_rows.gen_output[0].u_fifo.memory,
        u_rows.gen_output[1].u_fifo.memory,
        u_rows.gen_output[2].u_fifo.memory,
        u_rows.gen_output[3].u_fifo.memory
    }
    ),
    .first({
      u_rows.gen_output[3].u_fifo.read_q,
      u_rows.gen_output[2].u_fifo.read_q,
      u_rows.gen_output[1].u_fifo.read_q,
      u_rows.gen_output[0].u_fifo.read_q
    }),
    .ends({
      u_rows.gen_output[3].u_fifo.write_q,
      u_rows.gen_output[2].u_fifo.write_q,
      u_rows.gen_output[1].u_fifo.write_q,
      u_rows.gen_output[0].u_fifo.write_q
    }),
    .count({
      u_rows.gen_output[3].u_fifo.count_q,
      u_rows.gen_output[2].u_fifo.count_q,
      u_rows.gen_output[1].u_fifo.count_q,
      u_rows.gen_output[0].u_fifo.count_q
    }),
    .enters({
      u_rows.gen_output[3].u_fifo.enter,
      u_rows.gen_output[2].u_fifo.enter,
      u_rows.gen_output[1].u_fifo.enter,
      u_rows.gen_output[0].u_fifo.enter
    }),
    .leaves({
      u_rows.gen_output[3].u_fifo.leave,
      u_rows.gen_output[2].u_fifo.leave,
      u_rows.gen_output[1].u_fifo.leave,
      u_rows.gen_output[0].u_fifo.leave
    }),
    .held({
      u_output.u_contract.u_core.held,
      u_intermediate.u_contract.held,
      u_attention.u_contract.u_core.held,
      u_qkv.u_contract.held
    }),
    .rows({
      u_output.u_contract.u_core.rows,
      u_intermediate.u_contract.rows,
      u_attention.u_contract.u_core.rows,
      u_qkv.u_contract.rows
    }),
    .index({
      u_output.u_contract.u_core.index,
      u_intermediate.u_contract.index,
      u_attention.u_contract.u_core.index,
      u_qkv.u_contract.index
    }),
    .taken({
      u_output.u_contract.u_core.data_taken, 8'd0, u_attention.u_contract.u_core.data_taken, 8'd0
    }),
    .done({
      u_output.u_contract.u_core.data_done, 8'd0, u_attention.u_contract.u_core.data_done, 8'd0
    }),
    .gives({1'b0, blocks_valid && blocks_ready, 1'b0, heads_valid && heads_ready}),
    .row_beats({
      8'd0,
      8'(operator_pkg::ceil_divide(transfab_pkg::Inner, transfab_pkg::BeatBytes)),
      8'd0,
      8'(3 * transfab_pkg::Heads * attention_pkg::RowBeats)
    }),
    .state_gives(state_valid && state_ready),
    .state_taken(u_state.taken_q),
    .skip_taken(u_output.u_contract.u_core.skip_taken),
    .skip_done(u_output.u_contract.u_core.skip_done),
    .sequences_o(),
    .*
);

bind layer top_properties #(
    .Inputs(5)
) u_properties (
    .clk_i(ap_clk),
    .rst_ni(ap_rst_n),
    .b_valid_o(s_axi_control_BVALID),
    .b_ready_i(s_axi_control_BREADY),
    .b_resp_o(s_axi_control_BRESP),
    .r_valid_o(s_axi_control_RVALID),
    .r_ready_i(s_axi_control_RREADY),
    .r_data_o(s_axi_control_RDATA),
    .r_resp_o(s_axi_control_RRESP),
    .in_valid_i({
      hidden_TVALID,
      qkv_parameters_TVALID,
      attention_parameters_TVALID,
      intermediate_parameters_TVALID,
      output_parameters_TVALID
    }),
    .in_ready_o({
      hidden_TREADY,
      qkv_parameters_TREADY,
      attention_parameters_TREADY,
      intermediate_parameters_TREADY,
      output_parameters_TREADY
    }),
    .in_data_i({
      hidden_TDATA,
      qkv_parameters_TDATA,
      attention_parameters_TDATA,
      intermediate_parameters_TDATA,
      output_parameters_TDATA
    }),
    .out_valid_o(output_TVALID),
    .out_ready_i(output_TREADY),
    .out_data_o(output_TDATA),
    .out_keep_o(output_TKEEP),
    .out_last_o(output_TLAST),
    .sequences(u_stages.sequences_o),
    .running(u_control.running_q),
    .*
);
