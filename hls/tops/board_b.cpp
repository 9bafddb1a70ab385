// Stages 3 and 4: the second board of two.
#include "tops.hpp"

void board_b(transfab::ConfigPort& attention_output, transfab::ConfigPort& intermediate_parameters,
             transfab::ConfigPort& output_parameters, transfab::ConfigPort& output_out,
             transfab::Sequence sequence, transfab::BuildHash& build_hash) {
#pragma HLS INTERFACE axis port = attention_output
#pragma HLS INTERFACE axis port = intermediate_parameters
#pragma HLS INTERFACE axis port = output_parameters
#pragma HLS INTERFACE axis port = output_out
#pragma HLS INTERFACE s_axilite port = sequence
#pragma HLS INTERFACE s_axilite port = build_hash
#pragma HLS INTERFACE ap_none port = build_hash
#pragma HLS INTERFACE s_axilite port = return
#pragma HLS INTERFACE ap_ctrl_chain port = return
#pragma HLS DATAFLOW
  using namespace transfab;
  const int rows = int(sequence);
  ConfigBeats attention_output_beats("board_b attention_output"),
      intermediate_parameters_beats("board_b intermediate_parameters"),
      output_parameters_beats("board_b output_parameters"), output_out_beats("board_b output_out");
  build_hash = BuildHash(Config::kBuildHash);
  FromPort<Config>(ResidualBeats<Config>(rows), attention_output, attention_output_beats);
  FromPort<Config>(Config::kIntermediateParametersBeats, intermediate_parameters,
                   intermediate_parameters_beats);
  FromPort<Config>(Config::kOutputParametersBeats, output_parameters, output_parameters_beats);
  BoardB<Config>(rows, attention_output_beats, intermediate_parameters_beats,
                 output_parameters_beats, output_out_beats);
  ToPort<Config>(ResidualBeats<Config>(rows), output_out_beats, output_out);
}
