/// board_a: the properties of its stages and of a top.
bind board_a stages_properties #(
    .Stages(2)
) u_stages (
    .clk_i(ap_clk),
    .rst_ni(ap_rst_n),
    .taken_q(u_rows.u_fork.taken_q),
    .memory('{u_rows.gen_output[0].u_fifo.memory, u_rows.gen_output[1].u_fifo.memory}),
    .first({u_rows.gen_output[1].u_fifo.read_q, u_rows.gen_output[0].u_fifo.read_q}),
    .ends({u_rows.gen_output[1].u_fifo.write_q, u_rows.gen_output[0].u_fifo.write_q}),
    .count({u_rows.gen_output[1].u_fifo.count_q, u_rows.gen_output[0].u_fifo.count_q}),
    .enters({u_rows.gen_output[1].u_fifo.enter, u_rows.gen_output[0].u_fifo.enter}),
    .leaves({u_rows.gen_output[1].u_fifo.leave, u_rows.gen_output[0].u_fifo.leave}),
    .held({u_attention.u_contract.u_core.held, u_qkv.u_contract.held}),
    .rows({u_attention.u_contract.u_core.rows, u_qkv.u_contract.rows}),
    .index({u_attention.u_contract.u_core.index, u_qkv.u_contract.index}),
    .taken({u_attention.u_contract.u_core.data_taken, 8'd0}),
    .done({u_attention.u_contract.u_core.data_done, 8'd0}),
    .gives({1'b0, heads_valid && heads_ready}),
    .row_beats({8'd0, 8'(3 * transfab_pkg::Heads * attention_pkg::RowBeats)}),
    .state_gives(1'b0),
    .state_valid(1'b0),
    .state_taken('0),
    .skip_taken('0),
    .skip_done('0),
    .sequences_o(),
    .*
);

bind board_a top_properties #(
    .Inputs(3)
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
    .in_valid_i({hidden_TVALID, qkv_parameters_TVALID, attention_parameters_TVALID}),
    .in_ready_o({hidden_TREADY, qkv_parameters_TREADY, attention_parameters_TREADY}),
    .in_data_i({hidden_TDATA, qkv_parameters_TDATA, attention_parameters_TDATA}),
    .out_valid_o(attention_output_TVALID),
    .out_ready_i(attention_output_TREADY),
    .out_data_o(attention_output_TDATA),
    .out_keep_o(attention_output_TKEEP),
    .out_last_o(attention_output_TLAST),
    .sequences(u_stages.sequences_o),
    .running(u_control.running_q),
    .*
);
