/// attention: the properties of a top, whose one stage counts what it has.
bind attention top_properties #(
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
    .in_valid_i({qkv_TVALID, hidden_TVALID, attention_parameters_TVALID}),
    .in_ready_o({qkv_TREADY, hidden_TREADY, attention_parameters_TREADY}),
    .in_data_i({qkv_TDATA, hidden_TDATA, attention_parameters_TDATA}),
    .out_valid_o(attention_output_TVALID),
    .out_ready_i(attention_output_TREADY),
    .out_data_o(attention_output_TDATA),
    .out_keep_o(attention_output_TKEEP),
    .out_last_o(attention_output_TLAST),
    .sequences(u_stage.u_contract.u_core.held),
    .running(u_control.running_q),
    .*
);
