/// qkv: the properties of a top, whose one stage counts what it has.
bind qkv top_properties #(
    .Inputs(2)
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
    .in_valid_i({hidden_TVALID, qkv_parameters_TVALID}),
    .in_ready_o({hidden_TREADY, qkv_parameters_TREADY}),
    .in_data_i({hidden_TDATA, qkv_parameters_TDATA}),
    .out_valid_o(qkv_TVALID),
    .out_ready_i(qkv_TREADY),
    .out_data_o(qkv_TDATA),
    .out_keep_o(qkv_TKEEP),
    .out_last_o(qkv_TLAST),
    .sequences(u_stage.u_contract.held),
    .running(u_control.running_q),
    .*
);
