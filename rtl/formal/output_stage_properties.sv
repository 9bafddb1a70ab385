/// output_stage: the properties of a top, whose one stage counts what it has.
bind output_stage top_properties #(
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
    .in_valid_i({intermediate_TVALID, attention_output_TVALID, output_parameters_TVALID}),
    .in_ready_o({intermediate_TREADY, attention_output_TREADY, output_parameters_TREADY}),
    .in_data_i({intermediate_TDATA, attention_output_TDATA, output_parameters_TDATA}),
    .out_valid_o(output_TVALID),
    .out_ready_i(output_TREADY),
    .out_data_o(output_TDATA),
    .out_keep_o(output_TKEEP),
    .out_last_o(output_TLAST),
    .sequences(u_stage.u_contract.u_core.held),
    .running(u_control.running_q),
    .*
);
