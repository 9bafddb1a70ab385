/// Stages 1 to 4: an encoder layer.
///
/// The ports of docs/stage_contract.md under the names that Vitis HLS gives them. TLAST and TKEEP of
/// what comes in are not read: a packet's length follows from S.
module layer #(
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

    input logic [8*transfab_pkg::BeatBytes-1:0] hidden_TDATA,
    input logic [transfab_pkg::BeatBytes-1:0] hidden_TKEEP,
    input logic hidden_TVALID,
    output logic hidden_TREADY,
    input logic hidden_TLAST,

    input logic [8*transfab_pkg::BeatBytes-1:0] qkv_parameters_TDATA,
    input logic [transfab_pkg::BeatBytes-1:0] qkv_parameters_TKEEP,
    input logic qkv_parameters_TVALID,
    output logic qkv_parameters_TREADY,
    input logic qkv_parameters_TLAST,

    input logic [8*transfab_pkg::BeatBytes-1:0] attention_parameters_TDATA,
    input logic [transfab_pkg::BeatBytes-1:0] attention_parameters_TKEEP,
    input logic attention_parameters_TVALID,
    output logic attention_parameters_TREADY,
    input logic attention_parameters_TLAST,

    input logic [8*transfab_pkg::BeatBytes-1:0] intermediate_parameters_TDATA,
    input logic [transfab_pkg::BeatBytes-1:0] intermediate_parameters_TKEEP,
    input logic intermediate_parameters_TVALID,
    output logic intermediate_parameters_TREADY,
    input logic intermediate_parameters_TLAST,

    input logic [8*transfab_pkg::BeatBytes-1:0] output_parameters_TDATA,
    input logic [transfab_pkg::BeatBytes-1:0] output_parameters_TKEEP,
    input logic output_parameters_TVALID,
    output logic output_parameters_TREADY,
    input logic output_parameters_TLAST,

    output logic [8*transfab_pkg::BeatBytes-1:0] output_TDATA,
    output logic [transfab_pkg::BeatBytes-1:0] output_TKEEP,
    output logic output_TVALID,
    input logic output_TREADY,
    output logic output_TLAST
);

  // What is at work in a cycle, for a picture of it.
  logic [10:0] activity  /* verilator public_flat_rd */;
  logic rows_valid, rows_ready, finished;
  logic [$clog2(transfab_pkg::Sequence + 1)-1:0] rows_data;
  logic [3:0] stage_rows_valid, stage_rows_ready;
  logic [$clog2(transfab_pkg::Sequence + 1)-1:0] stage_rows_data[4];
  logic [1:0] hidden_valid, hidden_ready;
  logic heads_valid, heads_ready;
  logic [8*transfab_pkg::BeatBytes-1:0] heads_data;
  logic [1:0] forked_valid, forked_ready;
  logic blocks_valid, blocks_ready;
  logic [8*transfab_pkg::BeatBytes-1:0] blocks_data;
  logic state_valid, state_ready;
  logic [8*transfab_pkg::BeatBytes-1:0] state_data;
  logic unused;

  assign unused = ^{
    activity,
    hidden_TKEEP,
    hidden_TLAST,
    qkv_parameters_TKEEP,
    qkv_parameters_TLAST,
    attention_parameters_TKEEP,
    attention_parameters_TLAST,
    intermediate_parameters_TKEEP,
    intermediate_parameters_TLAST,
    output_parameters_TKEEP,
    output_parameters_TLAST
  };
  assign output_TKEEP = '1;
  assign s_axi_control_BRESP = 2'b00;
  assign s_axi_control_RRESP = 2'b00;
  assign finished = output_TVALID && output_TREADY && output_TLAST;

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

  rows_fork #(
      .Outputs(4)
  ) u_rows (
      .clk_i(ap_clk),
      .rst_ni(ap_rst_n),
      .rows_valid_i(rows_valid),
      .rows_ready_o(rows_ready),
      .rows_data_i(rows_data),
      .rows_valid_o(stage_rows_valid),
      .rows_ready_i(stage_rows_ready),
      .rows_data_o(stage_rows_data)
  );

  stream_fork u_hidden (
      .clk_i(ap_clk),
      .rst_ni(ap_rst_n),
      .in_valid_i(hidden_TVALID),
      .in_ready_o(hidden_TREADY),
      .out_valid_o(hidden_valid),
      .out_ready_i(hidden_ready)
  );

  channel_stage #(
      .Pe(transfab_pkg::QkvPe),
      .Simd(transfab_pkg::QkvSimd),
      .Channels(3 * transfab_pkg::Hidden),
      .Block(transfab_pkg::HeadSize),
      .Activation(1'b0),
      .Packed(Packed)
  ) u_qkv (
      .clk_i(ap_clk),
      .rst_ni(ap_rst_n),
      .rows_valid_i(stage_rows_valid[0]),
      .rows_ready_o(stage_rows_ready[0]),
      .rows_data_i(stage_rows_data[0]),
      .hidden_valid_i(hidden_valid[0]),
      .hidden_ready_o(hidden_ready[0]),
      .hidden_data_i(hidden_TDATA),
      .parameters_valid_i(qkv_parameters_TVALID),
      .parameters_ready_o(qkv_parameters_TREADY),
      .parameters_data_i(qkv_parameters_TDATA),
      .blocks_valid_o(heads_valid),
      .blocks_ready_i(heads_ready),
      .blocks_data_o(heads_data),
      .blocks_last_o(),
      .activity_o(activity[1:0])
  );

  attention_core #(
      .Packed(Packed)
  ) u_attention (
      .clk_i(ap_clk),
      .rst_ni(ap_rst_n),
      .rows_valid_i(stage_rows_valid[1]),
      .rows_ready_o(stage_rows_ready[1]),
      .rows_data_i(stage_rows_data[1]),
      .qkv_valid_i(heads_valid),
      .qkv_ready_o(heads_ready),
      .qkv_data_i(heads_data),
      .skip_valid_i(hidden_valid[1]),
      .skip_ready_o(hidden_ready[1]),
      .skip_data_i(hidden_TDATA),
      .parameters_valid_i(attention_parameters_TVALID),
      .parameters_ready_o(attention_parameters_TREADY),
      .parameters_data_i(attention_parameters_TDATA),
      .out_valid_o(state_valid),
      .out_ready_i(state_ready),
      .out_data_o(state_data),
      .out_last_o(),
      .activity_o(activity[6:2])
  );

  stream_fork u_state (
      .clk_i(ap_clk),
      .rst_ni(ap_rst_n),
      .in_valid_i(state_valid),
      .in_ready_o(state_ready),
      .out_valid_o(forked_valid),
      .out_ready_i(forked_ready)
  );

  channel_stage #(
      .Pe(transfab_pkg::IntermediatePe),
      .Simd(transfab_pkg::IntermediateSimd),
      .Channels(transfab_pkg::Inner),
      .Block(transfab_pkg::BeatBytes),
      .Activation(1'b1),
      .Packed(Packed)
  ) u_intermediate (
      .clk_i(ap_clk),
      .rst_ni(ap_rst_n),
      .rows_valid_i(stage_rows_valid[2]),
      .rows_ready_o(stage_rows_ready[2]),
      .rows_data_i(stage_rows_data[2]),
      .hidden_valid_i(forked_valid[0]),
      .hidden_ready_o(forked_ready[0]),
      .hidden_data_i(state_data),
      .parameters_valid_i(intermediate_parameters_TVALID),
      .parameters_ready_o(intermediate_parameters_TREADY),
      .parameters_data_i(intermediate_parameters_TDATA),
      .blocks_valid_o(blocks_valid),
      .blocks_ready_i(blocks_ready),
      .blocks_data_o(blocks_data),
      .blocks_last_o(),
      .activity_o(activity[8:7])
  );

  output_core #(
      .Packed(Packed)
  ) u_output (
      .clk_i(ap_clk),
      .rst_ni(ap_rst_n),
      .rows_valid_i(stage_rows_valid[3]),
      .rows_ready_o(stage_rows_ready[3]),
      .rows_data_i(stage_rows_data[3]),
      .intermediate_valid_i(blocks_valid),
      .intermediate_ready_o(blocks_ready),
      .intermediate_data_i(blocks_data),
      .skip_valid_i(forked_valid[1]),
      .skip_ready_o(forked_ready[1]),
      .skip_data_i(state_data),
      .parameters_valid_i(output_parameters_TVALID),
      .parameters_ready_o(output_parameters_TREADY),
      .parameters_data_i(output_parameters_TDATA),
      .out_valid_o(output_TVALID),
      .out_ready_i(output_TREADY),
      .out_data_o(output_TDATA),
      .out_last_o(output_TLAST),
      .activity_o(activity[10:9])
  );

endmodule : layer
