/// What a row's context sums are scaled by: 17-bit reciprocal of its exponentials' sum, two shifts.
///
/// Adds the words that are taken, a row after the other, without ever holding them up: at most
/// Waiting rows may lie between a row's first word and begun_o, a pulse when its division begins.
/// A scale comes 21 cycles after the row's last word, and 17 after the one before.
module row_scale #(
    parameter  int unsigned Lanes   = 1,
    parameter  int unsigned Waiting = 2,
    localparam int unsigned Entry   = transfab_pkg::ExponentialTableBits,
    localparam int unsigned Total   = transfab_pkg::ExponentialSumBits
) (
    input logic clk_i,
    input logic rst_ni,

    input logic taken_i,
    input logic row_ends_i,
    input logic [Entry-1:0] exponential_i[Lanes],
    output logic begun_o,

    output logic        scale_valid_o,
    input  logic        scale_ready_i,
    output logic [16:0] scale_reciprocal_o,
    output logic [ 2:0] scale_pre_shift_o,
    output logic [ 4:0] scale_post_shift_o
);

  // From 20 bits of the row sum on, the 31 bits of a context sum must come down to 27.
  localparam logic [4:0] PreShiftFrom = 5'd19;

  logic sum_valid_q, sum_ends_q, sum_begins_q, total_valid_q;
  logic [Total-1:0] sum_q, total_q, total;
  logic total_valid, total_ready, unused_ready;
  logic [4:0] bits;

  // In pairs, so that the path is log2 of Lanes additions long.
  function automatic logic [Total-1:0] sum_of(logic [Entry-1:0] entry[Lanes]);
    logic [Total-1:0] value[Lanes];
    for (int unsigned lane = 0; lane < Lanes; lane++) value[lane] = Total'(entry[lane]);
    for (int unsigned span = 1; span < Lanes; span *= 2) begin
      for (int unsigned lane = 0; lane + span < Lanes; lane += 2 * span) begin
        value[lane] = value[lane] + value[lane+span];
      end
    end
    return value[0];
  endfunction

  always_ff @(posedge clk_i) begin
    if (taken_i) sum_q <= sum_of(exponential_i);
    if (sum_valid_q) total_q <= sum_begins_q ? sum_q : total_q + sum_q;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      sum_valid_q <= 1'b0;
      sum_ends_q <= 1'b0;
      sum_begins_q <= 1'b1;
      total_valid_q <= 1'b0;
    end else begin
      sum_valid_q <= taken_i;
      sum_ends_q  <= taken_i && row_ends_i;
      if (sum_valid_q) sum_begins_q <= sum_ends_q;
      total_valid_q <= sum_ends_q;
    end
  end

  // Never full: it holds every row that may wait.
  stream_fifo #(
      .Width(Total),
      .Depth(Waiting)
  ) u_totals (
      .clk_i,
      .rst_ni,
      .in_valid_i (total_valid_q),
      .in_ready_o (unused_ready),
      .in_data_i  (total_q),
      .out_valid_o(total_valid),
      .out_ready_i(total_ready),
      .out_data_o (total)
  );

  assign begun_o = total_valid && total_ready;

  reciprocal u_reciprocal (
      .clk_i,
      .rst_ni,
      .in_valid_i(total_valid),
      .in_ready_o(total_ready),
      .value_i(total),
      .out_valid_o(scale_valid_o),
      .out_ready_i(scale_ready_i),
      .reciprocal_o(scale_reciprocal_o),
      .bits_o(bits)
  );

  assign scale_pre_shift_o  = bits > PreShiftFrom ? 3'(bits - PreShiftFrom) : '0;
  assign scale_post_shift_o = bits > PreShiftFrom ? PreShiftFrom : bits;

endmodule : row_scale
