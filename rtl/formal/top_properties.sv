/// A top: its streams and its registers' responses are stable; a packet that ends has been started.
///
/// The last is what `control` assumes. TKEEP is all ones. Each packet's length and TLAST are the promise of the last stage, whose outputs
/// these are. Assumed: what comes in is stable, the sequence register in [1, Sequence] at a start.
module top_properties #(
    parameter  int unsigned Inputs   = 1,
    localparam int unsigned RowBits  = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes
) (
    input logic clk_i,
    input logic rst_ni,

    input logic        b_valid_o,
    input logic        b_ready_i,
    input logic [ 1:0] b_resp_o,
    input logic        r_valid_o,
    input logic        r_ready_i,
    input logic [31:0] r_data_o,
    input logic [ 1:0] r_resp_o,

    input logic [Inputs-1:0] in_valid_i,
    input logic [Inputs-1:0] in_ready_o,
    input logic [Inputs-1:0][BeatBits-1:0] in_data_i,

    input logic                               out_valid_o,
    input logic                               out_ready_i,
    input logic [               BeatBits-1:0] out_data_o,
    input logic [transfab_pkg::BeatBytes-1:0] out_keep_o,
    input logic                               out_last_o,

    input logic rows_valid,
    input logic [RowBits-1:0] rows_data,
    input logic finished,
    input logic [3:0] sequences,  // that all stages have and the last one has not ended
    input logic [7:0] running  // as the registers count them
);

  logic started;

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  for (genvar i = 0; i < Inputs; i++) begin : gen_input
    stable_input #(
        .Width(BeatBits)
    ) u_stable (
        .clk_i,
        .started_i(started),
        .valid_i(in_valid_i[i]),
        .ready_i(in_ready_o[i]),
        .data_i(in_data_i[i])
    );
  end

  stable_output #(
      .Width(BeatBits + 1)
  ) u_out (
      .clk_i,
      .started_i(started),
      .valid_i(out_valid_o),
      .ready_i(out_ready_i),
      .data_i({out_last_o, out_data_o})
  );

  stable_output #(
      .Width(2)
  ) u_b (
      .clk_i,
      .started_i(started),
      .valid_i(b_valid_o),
      .ready_i(b_ready_i),
      .data_i(b_resp_o)
  );

  stable_output #(
      .Width(34)
  ) u_r (
      .clk_i,
      .started_i(started),
      .valid_i(r_valid_o),
      .ready_i(r_ready_i),
      .data_i({r_resp_o, r_data_o})
  );

  always_ff @(posedge clk_i) begin
    if (rst_ni && rows_valid) begin
      assume (rows_data != '0 && 32'(rows_data) <= transfab_pkg::Sequence);
    end
    if (rst_ni) begin
      assert (out_keep_o == '1);
      assert (finished == (out_valid_o && out_ready_i && out_last_o));
      assert (running == 8'(sequences));
    end
  end

endmodule : top_properties
