// All four stages on one board.
#include "tops.hpp"

void layer(transfab::ConfigPort& hidden, transfab::ConfigPort& qkv_parameters,
           transfab::ConfigPort& attention_parameters,
           transfab::ConfigPort& intermediate_parameters, transfab::ConfigPort& output_parameters,
           transfab::ConfigPort& output_out, transfab::Sequence sequence,
           transfab::BuildHash& build_hash) {
#pragma HLS INTERFACE axis port = hidden
#pragma HLS INTERFACE axis port = qkv_parameters
#pragma HLS INTERFACE axis port = attention_parameters
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
  ConfigBeats hidden_beats("layer hidden"), qkv_parameters_beats("layer qkv_parameters"),
      attention_parameters_beats("layer attention_parameters"),
      intermediate_parameters_beats("layer intermediate_parameters"),
      output_parameters_beats("layer output_parameters"), output_out_beats("layer output_out");
  build_hash = BuildHash(Config::kBuildHash);
  FromPort<Config>(ResidualBeats<Config>(rows), hidden, hidden_beats);
  FromPort<Config>(Config::kQkvParametersBeats, qkv_parameters, qkv_parameters_beats);
  FromPort<Config>(Config::kAttentionParametersBeats, attention_parameters,
                   attention_parameters_beats);
  FromPort<Config>(Config::kIntermediateParametersBeats, intermediate_parameters,
                   intermediate_parameters_beats);
  FromPort<Config>(Config::kOutputParametersBeats, output_parameters, output_parameters_beats);
  Layer<Config>(rows, hidden_beats, qkv_parameters_beats, attention_parameters_beats,
                intermediate_parameters_beats, output_parameters_beats, output_out_beats);
  ToPort<Config>(ResidualBeats<Config>(rows), output_out_beats, output_out);
}
