/// Stages 1 and 2.
///
/// The ports of docs/stage_contract.md under the names that Vitis HLS gives them. TLAST and TKEEP of
/// what comes in are not read: a packet's length follows from S.
module board_a #(
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

    output logic [8*transfab_pkg::BeatBytes-1:0] attention_output_TDATA,
    output logic [transfab_pkg::BeatBytes-1:0] attention_output_TKEEP,
    output logic attention_output_TVALID,
    input logic attention_output_TREADY,
    output logic attention_output_TLAST
);

  // What is at work in a cycle, for a picture of it.
  logic [6:0] activity  /* verilator public_flat_rd */;
  logic rows_valid, rows_ready, finished;
  logic [$clog2(transfab_pkg::Sequence + 1)-1:0] rows_data;
  logic [1:0] stage_rows_valid, stage_rows_ready;
  logic [$clog2(transfab_pkg::Sequence + 1)-1:0] stage_rows_data[2];
  logic [1:0] hidden_valid, hidden_ready;
  logic heads_valid, heads_ready;
  logic [8*transfab_pkg::BeatBytes-1:0] heads_data;
  logic unused;

  assign unused = ^{
    activity,
    hidden_TKEEP,
    hidden_TLAST,
    qkv_parameters_TKEEP,
    qkv_parameters_TLAST,
    attention_parameters_TKEEP,
    attention_parameters_TLAST
  };
  assign attention_output_TKEEP = '1;
  assign s_axi_control_BRESP = 2'b00;
  assign s_axi_control_RRESP = 2'b00;
  assign finished = attention_output_TVALID && attention_output_TREADY && attention_output_TLAST;

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
      .Outputs(2)
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
      .out_valid_o(attention_output_TVALID),
      .out_ready_i(attention_output_TREADY),
      .out_data_o(attention_output_TDATA),
      .out_last_o(attention_output_TLAST),
      .activity_o(activity[6:2])
  );

endmodule : board_a
