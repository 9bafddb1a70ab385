/// Ports and registers of a top around a kernel in C++; a template, filled in by shell.py.
module $module (
    input  logic ap_clk,
    input  logic ap_rst_n,
    output logic interrupt,
    input  logic s_axi_control_AWVALID,
    output logic s_axi_control_AWREADY,
    input  logic [5:0] s_axi_control_AWADDR,
    input  logic s_axi_control_WVALID,
    output logic s_axi_control_WREADY,
    input  logic [31:0] s_axi_control_WDATA,
    input  logic [3:0] s_axi_control_WSTRB,
    output logic s_axi_control_BVALID,
    input  logic s_axi_control_BREADY,
    output logic [1:0] s_axi_control_BRESP,
    input  logic s_axi_control_ARVALID,
    output logic s_axi_control_ARREADY,
    input  logic [5:0] s_axi_control_ARADDR,
    output logic s_axi_control_RVALID,
    input  logic s_axi_control_RREADY,
    output logic [31:0] s_axi_control_RDATA,
    output logic [1:0] s_axi_control_RRESP,
$inputs    output logic [$bits-1:0] ${output}_TDATA,
    output logic [$keep-1:0] ${output}_TKEEP,
    output logic ${output}_TLAST,
    output logic ${output}_TVALID,
    input  logic ${output}_TREADY
);

  import "DPI-C" function void shell_take(
      input int port, input bit [$bits-1:0] data, input bit last
  );
  import "DPI-C" function void shell_reset();
  import "DPI-C" function bit shell_complete();
  import "DPI-C" function void shell_run(input int length, input int beats);
  import "DPI-C" function void shell_give(output bit [$bits-1:0] data);

  function automatic int beats_of(int length);
    return $beats;
  endfunction

  logic rows_valid, rows_ready, finished, busy_q, run_q, complete_q;
  logic [$$clog2(transfab_pkg::Sequence + 1)-1:0] rows_data;
  int length_q, left_q;

  assign s_axi_control_BRESP = 2'b00;
  assign s_axi_control_RRESP = 2'b00;

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

  // The kernel: one sequence at a time.
$ready
  assign rows_ready = !busy_q;
  assign finished = ${output}_TVALID && ${output}_TREADY && ${output}_TLAST;
  assign ${output}_TKEEP = '1;

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      shell_reset();
      busy_q <= 1'b0;
      run_q <= 1'b0;
      complete_q <= 1'b0;
      ${output}_TVALID <= 1'b0;
    end else begin
$take      complete_q <= shell_complete();
      if (rows_valid && rows_ready) begin
        length_q <= 32'(rows_data);
        busy_q <= 1'b1;
      end
      if (busy_q && !run_q && complete_q) begin
        shell_run(length_q, beats_of(length_q));
        left_q <= beats_of(length_q);
        run_q <= 1'b1;
      end
      if (!${output}_TVALID || ${output}_TREADY) begin
        ${output}_TVALID <= run_q && left_q != 0;
        ${output}_TLAST <= left_q == 1;
        if (run_q && left_q != 0) begin
          shell_give(${output}_TDATA);
          left_q <= left_q - 1;
        end
      end
      if (finished) begin
        busy_q <= 1'b0;
        run_q <= 1'b0;
      end
    end
  end

endmodule : $module
