/// Stage 3: first feed-forward projection and GELU.
///
/// The ports of docs/stage_contract.md under the names that Vitis HLS gives them. TLAST and TKEEP of
/// what comes in are not read: a packet's length follows from S.
module intermediate #(
    parameter bit Packed = 1'b1
) (
    input  logic ap_clk,
    input  logic ap_rst_n,
    output logic interrupt,

    input  logic        s_axi_control_AWVALID,
    output logic        s_axi_control_AWREADY,
    input  logic [ 5:0] s_axi_control_AWADDR,
    input  logic        s_axi_control_WVALID,
    output logic        s_axi_control_WREADY,
    input  logic [31:0] s_axi_control_WDATA,
    input  logic [ 3:0] s_axi_control_WSTRB,
    output logic        s_axi_control_BVALID,
    input  logic        s_axi_control_BREADY,
    output logic [ 1:0] s_axi_control_BRESP,
    input  logic        s_axi_control_ARVALID,
    output logic        s_axi_control_ARREADY,
    input  logic [ 5:0] s_axi_control_ARADDR,
    output logic        s_axi_control_RVALID,
    input  logic        s_axi_control_RREADY,
    output logic [31:0] s_axi_control_RDATA,
    output logic [ 1:0] s_axi_control_RRESP,

    input logic [8*transfab_pkg::BeatBytes-1:0] attention_output_TDATA,
    input logic [transfab_pkg::BeatBytes-1:0] attention_output_TKEEP,
    input logic attention_output_TVALID,
    output logic attention_output_TREADY,
    input logic attention_output_TLAST,

    input logic [8*transfab_pkg::BeatBytes-1:0] intermediate_parameters_TDATA,
    input logic [transfab_pkg::BeatBytes-1:0] intermediate_parameters_TKEEP,
    input logic intermediate_parameters_TVALID,
    output logic intermediate_parameters_TREADY,
    input logic intermediate_parameters_TLAST,

    output logic [8*transfab_pkg::BeatBytes-1:0] intermediate_TDATA,
    output logic [transfab_pkg::BeatBytes-1:0] intermediate_TKEEP,
    output logic intermediate_TVALID,
    input logic intermediate_TREADY,
    output logic intermediate_TLAST
);

  // What is at work in a cycle, for a picture of it.
  logic [1:0] activity  /* verilator public_flat_rd */;
  logic rows_valid, rows_ready, finished;
  logic [$clog2(transfab_pkg::Sequence + 1)-1:0] rows_data;
  logic unused;

  assign unused = ^{
    activity,
    attention_output_TKEEP,
    attention_output_TLAST,
    intermediate_parameters_TKEEP,
    intermediate_parameters_TLAST
  };
  assign intermediate_TKEEP = '1;
  assign s_axi_control_BRESP = 2'b00;
  assign s_axi_control_RRESP = 2'b00;
  assign finished = intermediate_TVALID && intermediate_TREADY && intermediate_TLAST;

  control u_control (
      .clk_i(ap_clk),
      .rst_ni(ap_rst_n),
      .aw_valid_i(s_axi_control_AWVALID),
      .aw_ready_o(s_axi_control_AWREADY),
      .aw_address_i(s_axi_control_AWADDR),
      .w_valid_i(s_axi_control_WVALID),
      .w_ready_o(s_axi_control_WREADY),
      .w_data_i(s_axi_control_WDATA),
      .w_strobe_i(s_axi_control_WSTRB),
      .b_valid_o(s_axi_control_BVALID),
      .b_ready_i(s_axi_control_BREADY),
      .ar_valid_i(s_axi_control_ARVALID),
      .ar_ready_o(s_axi_control_ARREADY),
      .ar_address_i(s_axi_control_ARADDR),
      .r_valid_o(s_axi_control_RVALID),
      .r_ready_i(s_axi_control_RREADY),
      .r_data_o(s_axi_control_RDATA),
      .rows_valid_o(rows_valid),
      .rows_ready_i(rows_ready),
      .rows_data_o(rows_data),
      .finished_i(finished),
      .interrupt_o(interrupt)
  );

  channel_stage #(
      .Pe(transfab_pkg::IntermediatePe),
      .Simd(transfab_pkg::IntermediateSimd),
      .Channels(transfab_pkg::Inner),
      .Block(transfab_pkg::BeatBytes),
      .Activation(1'b1),
      .Packed(Packed)
  ) u_stage (
      .clk_i(ap_clk),
      .rst_ni(ap_rst_n),
      .rows_valid_i(rows_valid),
      .rows_ready_o(rows_ready),
      .rows_data_i(rows_data),
      .hidden_valid_i(attention_output_TVALID),
      .hidden_ready_o(attention_output_TREADY),
      .hidden_data_i(attention_output_TDATA),
      .parameters_valid_i(intermediate_parameters_TVALID),
      .parameters_ready_o(intermediate_parameters_TREADY),
      .parameters_data_i(intermediate_parameters_TDATA),
      .blocks_valid_o(intermediate_TVALID),
      .blocks_ready_i(intermediate_TREADY),
      .blocks_data_o(intermediate_TDATA),
      .blocks_last_o(intermediate_TLAST),
      .activity_o(activity)
  );

endmodule : intermediate
