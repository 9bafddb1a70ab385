// Stage 1 alone.
#include "tops.hpp"

void qkv(transfab::ConfigPort& hidden, transfab::ConfigPort& qkv_parameters,
         transfab::ConfigPort& qkv_out, transfab::Sequence sequence,
         transfab::BuildHash& build_hash) {
#pragma HLS INTERFACE axis port = hidden
#pragma HLS INTERFACE axis port = qkv_parameters
#pragma HLS INTERFACE axis port = qkv_out
#pragma HLS INTERFACE s_axilite port = sequence
#pragma HLS INTERFACE s_axilite port = build_hash
#pragma HLS INTERFACE ap_none port = build_hash
#pragma HLS INTERFACE s_axilite port = return
#pragma HLS INTERFACE ap_ctrl_chain port = return
#pragma HLS DATAFLOW
  using namespace transfab;
  const int rows = int(sequence);
  ConfigBeats hidden_beats("qkv hidden"), qkv_parameters_beats("qkv qkv_parameters"),
      qkv_out_beats("qkv qkv_out");
  build_hash = BuildHash(Config::kBuildHash);
  FromPort<Config>(ResidualBeats<Config>(rows), hidden, hidden_beats);
  FromPort<Config>(Config::kQkvParametersBeats, qkv_parameters, qkv_parameters_beats);
  Qkv<Config>(rows, hidden_beats, qkv_parameters_beats, qkv_out_beats);
  ToPort<Config>(HeadsBeats<Config>(rows), qkv_out_beats, qkv_out);
}
