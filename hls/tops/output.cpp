// Stage 4 alone.
#include "tops.hpp"

void output(transfab::ConfigPort& intermediate_in, transfab::ConfigPort& attention_output,
            transfab::ConfigPort& output_parameters, transfab::ConfigPort& output_out,
            transfab::Sequence sequence, transfab::BuildHash& build_hash) {
#pragma HLS INTERFACE axis port = intermediate_in
#pragma HLS INTERFACE axis port = attention_output
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
  ConfigBeats intermediate_in_beats("output intermediate_in"),
      attention_output_beats("output attention_output"),
      output_parameters_beats("output output_parameters"), output_out_beats("output output_out");
  build_hash = BuildHash(Config::kBuildHash);
  FromPort<Config>(BlocksBeats<Config>(rows), intermediate_in, intermediate_in_beats);
  FromPort<Config>(ResidualBeats<Config>(rows), attention_output, attention_output_beats);
  FromPort<Config>(Config::kOutputParametersBeats, output_parameters, output_parameters_beats);
  Output<Config>(rows, intermediate_in_beats, attention_output_beats, output_parameters_beats,
                 output_out_beats);
  ToPort<Config>(ResidualBeats<Config>(rows), output_out_beats, output_out);
}
