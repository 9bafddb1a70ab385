// Stage 3 alone.
#include "tops.hpp"

void intermediate(transfab::ConfigPort& attention_output,
                  transfab::ConfigPort& intermediate_parameters,
                  transfab::ConfigPort& intermediate_out, transfab::Sequence sequence,
                  transfab::BuildHash& build_hash) {
#pragma HLS INTERFACE axis port = attention_output
#pragma HLS INTERFACE axis port = intermediate_parameters
#pragma HLS INTERFACE axis port = intermediate_out
#pragma HLS INTERFACE s_axilite port = sequence
#pragma HLS INTERFACE s_axilite port = build_hash
#pragma HLS INTERFACE ap_none port = build_hash
#pragma HLS INTERFACE s_axilite port = return
#pragma HLS INTERFACE ap_ctrl_chain port = return
#pragma HLS DATAFLOW
  using namespace transfab;
  const int rows = int(sequence);
  ConfigBeats attention_output_beats("intermediate attention_output"),
      intermediate_parameters_beats("intermediate intermediate_parameters"),
      intermediate_out_beats("intermediate intermediate_out");
  build_hash = BuildHash(Config::kBuildHash);
  FromPort<Config>(ResidualBeats<Config>(rows), attention_output, attention_output_beats);
  FromPort<Config>(Config::kIntermediateParametersBeats, intermediate_parameters,
                   intermediate_parameters_beats);
  Intermediate<Config>(rows, attention_output_beats, intermediate_parameters_beats,
                       intermediate_out_beats);
  ToPort<Config>(BlocksBeats<Config>(rows), intermediate_out_beats, intermediate_out);
}
