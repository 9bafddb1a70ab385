/// intermediate: the properties of a top, whose one stage counts what it has.
bind intermediate top_properties #(
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
    .in_valid_i({attention_output_TVALID, intermediate_parameters_TVALID}),
    .in_ready_o({attention_output_TREADY, intermediate_parameters_TREADY}),
    .in_data_i({attention_output_TDATA, intermediate_parameters_TDATA}),
    .out_valid_o(intermediate_TVALID),
    .out_ready_i(intermediate_TREADY),
    .out_data_o(intermediate_TDATA),
    .out_keep_o(intermediate_TKEEP),
    .out_last_o(intermediate_TLAST),
    .sequences(u_stage.u_contract.held),
    .running(u_control.running_q),
    .*
);
