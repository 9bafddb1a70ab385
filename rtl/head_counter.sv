/// Counts the groups of every row of every head of a sequence, in this order.
///
/// first_i stands while a sequence is set up; step_i moves to the next group, never when done_o.
module head_counter #(
    parameter  int unsigned GroupBits = 1,
    parameter  int unsigned RowBits   = 1,
    localparam int unsigned HeadBits  = operator_pkg::index_bits(transfab_pkg::Heads)
) (
    input logic clk_i,

    input logic first_i,
    input logic step_i,
    input logic [GroupBits-1:0] last_group_i,
    input logic [RowBits-1:0] last_row_i,

    output logic [GroupBits-1:0] group_o,
    output logic [HeadBits-1:0] head_o,
    output logic row_ends_o,
    output logic done_o
);

  logic [RowBits-1:0] row_q;
  logic head_ends;

  assign row_ends_o = group_o == last_group_i;
  assign head_ends  = row_ends_o && row_q == last_row_i;

  always_ff @(posedge clk_i) begin
    if (first_i) begin
      group_o <= '0;
      row_q   <= '0;
      head_o  <= '0;
      done_o  <= 1'b0;
    end else if (step_i) begin
      group_o <= row_ends_o ? '0 : group_o + 1'b1;
      if (row_ends_o) row_q <= head_ends ? '0 : row_q + 1'b1;
      if (head_ends) begin
        head_o <= head_o + 1'b1;
        done_o <= head_o == HeadBits'(transfab_pkg::Heads - 1);
      end
    end
  end

endmodule : head_counter
