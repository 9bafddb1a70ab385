/// output_core: the contract of core_terms, with its intermediate packet.
module output_core_contract #(
    parameter bit Stands = 1'b0,
    localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1),
    localparam int unsigned BeatBits = 8 * transfab_pkg::BeatBytes
) (
    input logic clk_i,
    input logic rst_ni,

    input logic               rows_valid_i,
    input logic               rows_ready_o,
    input logic [RowBits-1:0] rows_data_i,

    input logic                intermediate_valid_i,
    input logic                intermediate_ready_o,
    input logic [BeatBits-1:0] intermediate_data_i,

    input logic                skip_valid_i,
    input logic                skip_ready_o,
    input logic [BeatBits-1:0] skip_data_i,

    input logic                parameters_valid_i,
    input logic                parameters_ready_o,
    input logic [BeatBits-1:0] parameters_data_i,

    input logic                out_valid_o,
    input logic                out_ready_i,
    input logic [BeatBits-1:0] out_data_o,
    input logic                out_last_o
);

  core_terms #(
      .Stands(Stands),
      .DataBeats(operator_pkg::ceil_divide(transfab_pkg::Inner, transfab_pkg::BeatBytes))
  ) u_core (
      .clk_i,
      .rst_ni,
      .rows_valid_i,
      .rows_ready_o,
      .rows_data_i,
      .in_valid_i({intermediate_valid_i, skip_valid_i, parameters_valid_i}),
      .in_ready_o({intermediate_ready_o, skip_ready_o, parameters_ready_o}),
      .in_data_i ({intermediate_data_i, skip_data_i, parameters_data_i}),
      .out_valid_o,
      .out_ready_i,
      .out_data_o,
      .out_last_o
  );

endmodule : output_core_contract
