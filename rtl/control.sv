/// AXI4-Lite registers of a top: AMD's ap_ctrl_chain block, the sequence length, the build hash.
///
/// A start sends S on the stream rows; ready is set when it is taken, so that the next sequence is
/// started while this one runs. done stands while a finished sequence has not been acknowledged by
/// continue; they are counted. One access at a time; an address that is no register reads zero.
module control #(
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1)
) (
    input logic clk_i,
    input logic rst_ni,

    input  logic        aw_valid_i,
    output logic        aw_ready_o,
    input  logic [ 5:0] aw_address_i,
    input  logic        w_valid_i,
    output logic        w_ready_o,
    input  logic [31:0] w_data_i,
    input  logic [ 3:0] w_strobe_i,
    output logic        b_valid_o,
    input  logic        b_ready_i,

    input  logic        ar_valid_i,
    output logic        ar_ready_o,
    input  logic [ 5:0] ar_address_i,
    output logic        r_valid_o,
    input  logic        r_ready_i,
    output logic [31:0] r_data_o,

    output logic               rows_valid_o,
    input  logic               rows_ready_i,
    output logic [RowBits-1:0] rows_data_o,

    input logic finished_i,  // a sequence's last beat has left

    output logic interrupt_o
);

  import transfab_pkg::*;

  localparam int unsigned CountBits = 8;

  logic start_q, ready_q, auto_restart_q, enable_q;
  logic [1:0] interrupt_enable_q, interrupt_status_q, toggles, events;
  logic [15:0] sequence_q;
  logic [CountBits-1:0] running_q, done_q;
  logic held_q, room;
  logic [RowBits-1:0] rows_q;
  logic address_held_q, data_held_q, write, read, taken, continues;
  logic [5:0] address_q;
  logic [31:0] data_q, block, value;
  logic [15:0] merged;
  logic [ 3:0] strobe_q;

  assign aw_ready_o = !address_held_q;
  assign w_ready_o = !data_held_q;
  assign write = address_held_q && data_held_q && !b_valid_o;
  assign ar_ready_o = !r_valid_o;
  assign read = ar_valid_i && ar_ready_o;

  // Starts wait while as many sequences as can be counted are under way or not acknowledged. One that
  // is offered stays, whatever finishes or is written before it is taken.
  assign room = {1'b0, running_q} + {1'b0, done_q} < {1'b0, {CountBits{1'b1}}};
  assign rows_valid_o = held_q || (start_q && room);
  assign rows_data_o = held_q ? rows_q : RowBits'(sequence_q);
  assign taken = rows_valid_o && rows_ready_i;
  assign events = {taken, finished_i};
  assign interrupt_o = enable_q && interrupt_status_q != '0;

  assign block = {
    24'b0, auto_restart_q, 2'b0, 1'b0, ready_q, running_q == '0 && !start_q, done_q != '0, start_q
  };

  // Strobes say which bytes of a word are written: the address of one of them means the word.
  function automatic logic [5:0] word_of(logic [5:0] address);
    return address & ~6'd3;
  endfunction

  function automatic logic [31:0] register(logic [5:0] address);
    unique case (32'(address))
      RegisterControl: return block;
      RegisterGlobalInterruptEnable: return 32'(enable_q);
      RegisterInterruptEnable: return 32'(interrupt_enable_q);
      RegisterInterruptStatus: return 32'(interrupt_status_q);
      RegisterSequence: return 32'(sequence_q);
      RegisterBuildHashLow: return BuildHash[31:0];
      RegisterBuildHashHigh: return BuildHash[63:32];
      default: return '0;
    endcase
  endfunction

  // What a write leaves in the low half: bytes without their strobe stay.
  always_comb begin
    value = register(address_q);
    for (int unsigned i = 0; i < 2; i++) begin
      merged[8*i+:8] = strobe_q[i] ? data_q[8*i+:8] : value[8*i+:8];
    end
  end
  assign continues = write && 32'(address_q) == RegisterControl && strobe_q[0] && data_q[4] &&
      done_q != '0;
  assign toggles =
      write && 32'(address_q) == RegisterInterruptStatus && strobe_q[0] ? data_q[1:0] : '0;

  always_ff @(posedge clk_i) begin
    if (aw_valid_i && aw_ready_o) address_q <= word_of(aw_address_i);
    if (w_valid_i && w_ready_o) begin
      data_q   <= w_data_i;
      strobe_q <= w_strobe_i;
    end
    if (read) r_data_o <= register(word_of(ar_address_i));
    rows_q <= rows_data_o;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      address_held_q <= 1'b0;
      data_held_q <= 1'b0;
      b_valid_o <= 1'b0;
      r_valid_o <= 1'b0;
      start_q <= 1'b0;
      ready_q <= 1'b0;
      held_q <= 1'b0;
      auto_restart_q <= 1'b0;
      enable_q <= 1'b0;
      interrupt_enable_q <= '0;
      interrupt_status_q <= '0;
      sequence_q <= '0;
      running_q <= '0;
      done_q <= '0;
    end else begin
      address_held_q <= (address_held_q && !write) || (aw_valid_i && aw_ready_o);
      data_held_q <= (data_held_q && !write) || (w_valid_i && w_ready_o);
      b_valid_o <= write || (b_valid_o && !b_ready_i);
      r_valid_o <= read || (r_valid_o && !r_ready_i);

      if (read && 32'(word_of(ar_address_i)) == RegisterControl) ready_q <= 1'b0;
      held_q <= rows_valid_o && !rows_ready_i;
      if (taken) begin
        ready_q <= 1'b1;
        start_q <= auto_restart_q;
      end
      if (write) begin
        unique case (32'(address_q))
          RegisterControl: begin
            if (merged[0]) start_q <= 1'b1;
            auto_restart_q <= merged[7];
          end
          RegisterGlobalInterruptEnable: enable_q <= merged[0];
          RegisterInterruptEnable: interrupt_enable_q <= merged[1:0];
          RegisterSequence: sequence_q <= merged;
          default: ;
        endcase
      end
      interrupt_status_q <= (interrupt_status_q ^ toggles) | (events & interrupt_enable_q);
      running_q <= running_q + CountBits'(taken) - CountBits'(finished_i);
      done_q <= done_q + CountBits'(finished_i) - CountBits'(continues);
    end
  end

endmodule : control
