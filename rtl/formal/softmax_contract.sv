/// softmax: exponentials and scales stable; parameters, mask and scores must be, and lengths in range.
module softmax_contract #(
    parameter bit Stands = 1'b0,
    localparam int unsigned Lanes = operator_pkg::smaller(8, transfab_pkg::AttentionSimd),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes,
    localparam int unsigned RowsBits = $clog2(transfab_pkg::Sequence + 1)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic                rows_valid_i,
    input logic [RowsBits-1:0] rows_data_i,

    input logic                parameters_valid_i,
    input logic                parameters_ready_o,
    input logic [BeatBits-1:0] parameters_data_i,

    input logic                mask_valid_i,
    input logic                mask_ready_o,
    input logic [BeatBits-1:0] mask_data_i,

    input logic               scores_valid_i,
    input logic               scores_ready_o,
    input logic signed [21:0] scores_data_i [Lanes],

    input logic        exponentials_valid_o,
    input logic        exponentials_ready_i,
    input logic [13:0] exponentials_data_o [Lanes],

    input logic        scale_valid_o,
    input logic        scale_ready_i,
    input logic [16:0] scale_reciprocal_o,
    input logic [ 2:0] scale_pre_shift_o,
    input logic [ 4:0] scale_post_shift_o
);

  logic started, parameters_stays, mask_stays, scores_stays, exponentials_stays, scale_stays;
  logic in_range;
  logic [22*Lanes-1:0] scores;
  logic [14*Lanes-1:0] exponentials;

  assign in_range = rows_data_i != '0 && 32'(rows_data_i) <= transfab_pkg::Sequence;

  always_comb begin
    for (int unsigned i = 0; i < Lanes; i++) begin
      scores[22*i+:22] = scores_data_i[i];
      exponentials[14*i+:14] = exponentials_data_o[i];
    end
  end

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  stays #(
      .Width(BeatBits)
  ) u_parameters (
      .clk_i,
      .started_i(started),
      .valid_i(parameters_valid_i),
      .ready_i(parameters_ready_o),
      .data_i(parameters_data_i),
      .stays_o(parameters_stays)
  );

  stays #(
      .Width(BeatBits)
  ) u_mask (
      .clk_i,
      .started_i(started),
      .valid_i(mask_valid_i),
      .ready_i(mask_ready_o),
      .data_i(mask_data_i),
      .stays_o(mask_stays)
  );

  stays #(
      .Width(22 * Lanes)
  ) u_scores (
      .clk_i,
      .started_i(started),
      .valid_i(scores_valid_i),
      .ready_i(scores_ready_o),
      .data_i(scores),
      .stays_o(scores_stays)
  );

  stays #(
      .Width(14 * Lanes)
  ) u_exponentials (
      .clk_i,
      .started_i(started),
      .valid_i(exponentials_valid_o),
      .ready_i(exponentials_ready_i),
      .data_i(exponentials),
      .stays_o(exponentials_stays)
  );

  stays #(
      .Width(25)
  ) u_scale (
      .clk_i,
      .started_i(started),
      .valid_i(scale_valid_o),
      .ready_i(scale_ready_i),
      .data_i({scale_reciprocal_o, scale_pre_shift_o, scale_post_shift_o}),
      .stays_o(scale_stays)
  );

  contract_terms #(
      .Stands(Stands)
  ) u_terms (
      .clk_i,
      .rst_ni,
      .promised_i(exponentials_stays && scale_stays),
      .demanded_i(parameters_stays && mask_stays && scores_stays && (!rows_valid_i || in_range))
  );

endmodule : softmax_contract
