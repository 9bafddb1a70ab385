/// Sequences that have entered a unit and whose packet is not whole: their lengths, oldest first,
/// and how many beats of the oldest one's packet have passed.
module packets #(
    parameter  int unsigned Depth   = 2,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               enter_i,
    input logic [RowBits-1:0] rows_i,
    input logic               beat_i,
    input logic               last_i,   // the beat ends its packet

    output logic [3:0] held_o,
    output logic [Depth-1:0][RowBits-1:0] rows_o,
    output logic [7:0] index_o
);

  logic leave;
  logic [3:0] rest;

  assign leave = beat_i && last_i;
  assign rest  = held_o - 4'(leave);

  always_ff @(posedge clk_i) begin
    for (int unsigned i = 0; i < Depth; i++) begin
      if (enter_i && rest == 4'(i)) rows_o[i] <= rows_i;
      else if (leave && i < Depth - 1) rows_o[i] <= rows_o[i+1];
    end
    if (!rst_ni) begin
      held_o  <= '0;
      index_o <= '0;
    end else begin
      held_o <= rest + 4'(enter_i);
      if (beat_i) index_o <= last_i ? '0 : index_o + 1'b1;
    end
  end

endmodule : packets
