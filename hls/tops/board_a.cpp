// Stages 1 and 2: the first board of two.
#include "tops.hpp"

void board_a(transfab::ConfigPort& hidden, transfab::ConfigPort& qkv_parameters,
             transfab::ConfigPort& attention_parameters, transfab::ConfigPort& attention_output,
             transfab::Sequence sequence, transfab::BuildHash& build_hash) {
#pragma HLS INTERFACE axis port = hidden
#pragma HLS INTERFACE axis port = qkv_parameters
#pragma HLS INTERFACE axis port = attention_parameters
#pragma HLS INTERFACE axis port = attention_output
#pragma HLS INTERFACE s_axilite port = sequence
#pragma HLS INTERFACE s_axilite port = build_hash
#pragma HLS INTERFACE ap_none port = build_hash
#pragma HLS INTERFACE s_axilite port = return
#pragma HLS INTERFACE ap_ctrl_chain port = return
#pragma HLS DATAFLOW
  using namespace transfab;
  const int rows = int(sequence);
  ConfigBeats hidden_beats("board_a hidden"), qkv_parameters_beats("board_a qkv_parameters"),
      attention_parameters_beats("board_a attention_parameters"),
      attention_output_beats("board_a attention_output");
  build_hash = BuildHash(Config::kBuildHash);
  FromPort<Config>(ResidualBeats<Config>(rows), hidden, hidden_beats);
  FromPort<Config>(Config::kQkvParametersBeats, qkv_parameters, qkv_parameters_beats);
  FromPort<Config>(Config::kAttentionParametersBeats, attention_parameters,
                   attention_parameters_beats);
  BoardA<Config>(rows, hidden_beats, qkv_parameters_beats, attention_parameters_beats,
                 attention_output_beats);
  ToPort<Config>(ResidualBeats<Config>(rows), attention_output_beats, attention_output);
}
