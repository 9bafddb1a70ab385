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
  import "DPI-C" function bit shell_complete();
  import "DPI-C" function void shell_run(input int length, input int beats);
  import "DPI-C" function void shell_give(output bit [$bits-1:0] data);

  function automatic int beats_of(int length);
    return $beats;
  endfunction

  // Registers: one access of each kind at a time.
  logic start_q, ready_q, done_q, restart_q;
  logic global_enable_q;
  logic [1:0] enable_q, status_q;
  logic [15:0] sequence_q;
  logic [5:0] address_q;
  logic [31:0] value_q;
  logic address_valid_q, value_valid_q, write, read;
  logic run, finished, busy_q, complete_q;
  int left_q;

  assign s_axi_control_AWREADY = !address_valid_q;
  assign s_axi_control_WREADY = !value_valid_q;
  assign write = address_valid_q && value_valid_q && !s_axi_control_BVALID;
  assign s_axi_control_ARREADY = !s_axi_control_RVALID;
  assign read = s_axi_control_ARVALID && s_axi_control_ARREADY;
  assign s_axi_control_BRESP = 2'b00;
  assign s_axi_control_RRESP = 2'b00;
  assign interrupt = global_enable_q && |status_q;

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      start_q <= 1'b0;
      ready_q <= 1'b0;
      done_q <= 1'b0;
      restart_q <= 1'b0;
      global_enable_q <= 1'b0;
      enable_q <= '0;
      status_q <= '0;
      sequence_q <= '0;
      address_valid_q <= 1'b0;
      value_valid_q <= 1'b0;
      s_axi_control_BVALID <= 1'b0;
      s_axi_control_RVALID <= 1'b0;
    end else begin
      if (s_axi_control_BREADY) s_axi_control_BVALID <= 1'b0;
      if (s_axi_control_RREADY) s_axi_control_RVALID <= 1'b0;
      if (s_axi_control_AWVALID && s_axi_control_AWREADY) begin
        address_q <= s_axi_control_AWADDR;
        address_valid_q <= 1'b1;
      end
      if (s_axi_control_WVALID && s_axi_control_WREADY) begin
        value_q <= s_axi_control_WDATA;
        value_valid_q <= 1'b1;
      end
      if (read) begin
        s_axi_control_RVALID <= 1'b1;
        case (s_axi_control_ARADDR)
          6'h00: begin
            s_axi_control_RDATA <= {
              24'b0, restart_q, 3'b0, ready_q, !busy_q && !start_q, done_q, start_q
            };
            ready_q <= 1'b0;
          end
          6'h04: s_axi_control_RDATA <= 32'(global_enable_q);
          6'h08: s_axi_control_RDATA <= 32'(enable_q);
          6'h0c: s_axi_control_RDATA <= 32'(status_q);
          6'h10: s_axi_control_RDATA <= 32'(sequence_q);
          6'h18: s_axi_control_RDATA <= 32'h$hash_low;
          6'h1c: s_axi_control_RDATA <= 32'h$hash_high;
          default: s_axi_control_RDATA <= '0;
        endcase
      end
      if (run) begin
        start_q <= restart_q;
        ready_q <= 1'b1;
        if (enable_q[1]) status_q[1] <= 1'b1;
      end
      if (finished) begin
        done_q <= 1'b1;
        if (enable_q[0]) status_q[0] <= 1'b1;
      end
      if (write) begin
        address_valid_q <= 1'b0;
        value_valid_q <= 1'b0;
        s_axi_control_BVALID <= 1'b1;
        case (address_q)
          6'h00: begin
            if (value_q[0]) start_q <= 1'b1;
            if (value_q[4]) done_q <= 1'b0;
            restart_q <= value_q[7];
          end
          6'h04: global_enable_q <= value_q[0];
          6'h08: enable_q <= value_q[1:0];
          6'h0c: status_q <= status_q ^ value_q[1:0];
          6'h10: sequence_q <= value_q[15:0];
          default: ;
        endcase
      end
    end
  end

  // The kernel: one sequence at a time.
$ready
  assign run = start_q && !busy_q && !done_q && complete_q;
  assign finished = ${output}_TVALID && ${output}_TREADY && ${output}_TLAST;
  assign ${output}_TKEEP = '1;

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      busy_q <= 1'b0;
      complete_q <= 1'b0;
      ${output}_TVALID <= 1'b0;
    end else begin
$take      complete_q <= shell_complete() && !run;
      if (run) begin
        shell_run(32'(sequence_q), beats_of(32'(sequence_q)));
        left_q <= beats_of(32'(sequence_q));
        busy_q <= 1'b1;
      end
      if (!${output}_TVALID || ${output}_TREADY) begin
        ${output}_TVALID <= busy_q && left_q != 0;
        ${output}_TLAST <= left_q == 1;
        if (busy_q && left_q != 0) begin
          shell_give(${output}_TDATA);
          left_q <= left_q - 1;
        end
      end
      if (finished) busy_q <= 1'b0;
    end
  end

endmodule : $module
