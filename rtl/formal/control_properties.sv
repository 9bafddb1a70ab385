/// control: one response an access, stable until taken; what starts is stable; no count wraps.
///
/// Of a finished sequence done stands until continue. Assumed: one finishes only while one runs.
module control_properties #(
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic        aw_valid_i,
    input logic        aw_ready_o,
    input logic [ 5:0] aw_address_i,
    input logic        w_valid_i,
    input logic        w_ready_o,
    input logic [31:0] w_data_i,
    input logic [ 3:0] w_strobe_i,
    input logic        b_valid_o,
    input logic        b_ready_i,

    input logic        ar_valid_i,
    input logic        ar_ready_o,
    input logic [ 5:0] ar_address_i,
    input logic        r_valid_o,
    input logic        r_ready_i,
    input logic [31:0] r_data_o,

    input logic               rows_valid_o,
    input logic               rows_ready_i,
    input logic [RowBits-1:0] rows_data_o,

    input logic finished_i,

    input logic address_held_q,
    input logic data_held_q,
    input logic write,
    input logic held_q,
    input logic [7:0] running_q,
    input logic [7:0] done_q
);

  logic started;
  logic [7:0] addresses_q, words_q, reads_q;  // accesses without their response
  logic [7:0] running;  // sequences sent and not finished
  logic given;

  assign given = b_valid_o && b_ready_i;

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stable_output u_b (
      .clk_i,
      .started_i(started),
      .valid_i(b_valid_o),
      .ready_i(b_ready_i),
      .data_i('0)
  );

  stable_output #(
      .Width(32)
  ) u_r (
      .clk_i,
      .started_i(started),
      .valid_i(r_valid_o),
      .ready_i(r_ready_i),
      .data_i(r_data_o)
  );

  stable_output #(
      .Width(RowBits)
  ) u_rows (
      .clk_i,
      .started_i(started),
      .valid_i(rows_valid_o),
      .ready_i(rows_ready_i),
      .data_i(rows_data_o)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      addresses_q <= '0;
      words_q <= '0;
      reads_q <= '0;
      running <= '0;
    end else begin
      addresses_q <= addresses_q + 8'(aw_valid_i && aw_ready_o) - 8'(given);
      words_q <= words_q + 8'(w_valid_i && w_ready_o) - 8'(given);
      reads_q <= reads_q + 8'(ar_valid_i && ar_ready_o) - 8'(r_valid_o && r_ready_i);
      running <= running + 8'(rows_valid_o && rows_ready_i) - 8'(finished_i);
    end
    if (rst_ni && finished_i) assume (running != '0);
    if (started) begin
      if (b_valid_o) assert (addresses_q != '0 && words_q != '0);
      assert (r_valid_o == (reads_q != '0) && reads_q <= 8'd1);
      assert (addresses_q <= 8'd2 && words_q <= 8'd2);
      // Every access gets its response: nothing but the response before it holds it up.
      if (addresses_q != '0 && words_q != '0 && !b_valid_o) assert (write);
    end
  end

  // What holds inside.
  always_ff @(posedge clk_i) begin
    if (started) begin
      assert (addresses_q == 8'(address_held_q) + 8'(b_valid_o));
      assert (words_q == 8'(data_held_q) + 8'(b_valid_o));
      assert (running == running_q);
      // Neither count wraps.
      assert (9'(running_q) + 9'(done_q) + 9'(held_q) <= 9'd255);
    end
  end

endmodule : control_properties

bind control control_properties u_properties (.*);
