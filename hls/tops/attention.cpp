// Stage 2 alone.
#include "tops.hpp"

void attention(transfab::ConfigPort& qkv_in, transfab::ConfigPort& hidden,
               transfab::ConfigPort& attention_parameters, transfab::ConfigPort& attention_output,
               transfab::Sequence sequence, transfab::BuildHash& build_hash) {
#pragma HLS INTERFACE axis port = qkv_in
#pragma HLS INTERFACE axis port = hidden
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
  ConfigBeats qkv_in_beats("attention qkv_in"), hidden_beats("attention hidden"),
      attention_parameters_beats("attention attention_parameters"),
      attention_output_beats("attention attention_output");
  build_hash = BuildHash(Config::kBuildHash);
  FromPort<Config>(HeadsBeats<Config>(rows), qkv_in, qkv_in_beats);
  FromPort<Config>(ResidualBeats<Config>(rows), hidden, hidden_beats);
  FromPort<Config>(Config::kAttentionParametersBeats, attention_parameters,
                   attention_parameters_beats);
  Attention<Config>(rows, qkv_in_beats, hidden_beats, attention_parameters_beats,
                    attention_output_beats);
  ToPort<Config>(ResidualBeats<Config>(rows), attention_output_beats, attention_output);
}
