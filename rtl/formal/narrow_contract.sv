/// narrow: each row of each length taken leaves as its beats, none more; operand stable.
module narrow_contract #(
    parameter bit Stands = 1'b0,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid_i,
    input logic               rows_ready_o,
    input logic [RowBits-1:0] rows_data_i,

    input logic                operand_valid_o,
    input logic                operand_ready_i,
    input logic [BeatBits-1:0] operand_data_o
);

  localparam int unsigned RowBeats = operator_pkg::ceil_divide(
      transfab_pkg::Hidden, transfab_pkg::BeatBytes
  );

  logic started, enter, operand_stays, in_range;
  logic [7:0] due_q, given_q, owed;  // beats of the lengths taken; that left; that have not left

  assign owed = due_q - given_q;
  assign enter = rows_valid_i && rows_ready_o;
  assign in_range = rows_data_i != '0 && 32'(rows_data_i) <= transfab_pkg::Sequence;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      due_q   <= '0;
      given_q <= '0;
    end else begin
      if (enter) due_q <= due_q + 8'(RowBeats) * 8'(rows_data_i);
      given_q <= given_q + 8'(operand_valid_o && operand_ready_i);
    end
  end

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stays #(
      .Width(BeatBits)
  ) u_operand (
      .clk_i,
      .started_i(started),
      .valid_i(operand_valid_o),
      .ready_i(operand_ready_i),
      .data_i(operand_data_o),
      .stays_o(operand_stays)
  );

  contract_terms #(
      .Stands(Stands)
  ) u_terms (
      .clk_i,
      .rst_ni,
      .promised_i(operand_stays && (!operand_valid_o || owed != '0) &&
                  (!rows_ready_o || owed <= 8'd8)),
      .demanded_i(!rows_valid_i || in_range)
  );

endmodule : narrow_contract
