// Stages joined by streams: what one board of a two-board plan runs, and the whole layer.
//
// A residual packet that two stages read is forked; the skip branch holds a whole packet, because
// its reader comes to it when its products are done.
#pragma once

#include "attention.hpp"
#include "intermediate.hpp"
#include "output.hpp"
#include "qkv.hpp"

namespace transfab {

// One residual packet to the operand and to the skip input of the stages after it.
template <class Config>
void Fork(int rows, Stream<BeatOf<Config>>& packet, Stream<BeatOf<Config>>& operand,
          Stream<BeatOf<Config>>& skip) {
FORK:
  for (int beat = 0; beat < ResidualBeats<Config>(rows); ++beat) {
#pragma HLS PIPELINE II = 1
    const BeatOf<Config> word = packet.read();
    operand.write(word);
    skip.write(word);
  }
}

// Stages 1 and 2: hidden packet -> attention_output packet.
template <class Config>
void BoardA(int rows, Stream<BeatOf<Config>>& hidden, Stream<BeatOf<Config>>& qkv_parameters,
            Stream<BeatOf<Config>>& attention_parameters,
            Stream<BeatOf<Config>>& attention_output) {
#pragma HLS DATAFLOW
  Stream<BeatOf<Config>> operand("board_a operand"), skip("board_a skip"), heads("board_a heads");
  [[maybe_unused]] constexpr int kSkipDepth = ResidualBeats<Config>(Config::kSequence);
#pragma HLS STREAM variable = skip depth = kSkipDepth
  Fork<Config>(rows, hidden, operand, skip);
  Qkv<Config>(rows, operand, qkv_parameters, heads);
  Attention<Config>(rows, heads, skip, attention_parameters, attention_output);
}

// Stages 3 and 4: attention_output packet -> output packet.
template <class Config>
void BoardB(int rows, Stream<BeatOf<Config>>& attention_output,
            Stream<BeatOf<Config>>& intermediate_parameters,
            Stream<BeatOf<Config>>& output_parameters, Stream<BeatOf<Config>>& output) {
#pragma HLS DATAFLOW
  Stream<BeatOf<Config>> operand("board_b operand"), skip("board_b skip");
  Stream<BeatOf<Config>> blocks("board_b blocks");
  [[maybe_unused]] constexpr int kSkipDepth = ResidualBeats<Config>(Config::kSequence);
#pragma HLS STREAM variable = skip depth = kSkipDepth
  Fork<Config>(rows, attention_output, operand, skip);
  Intermediate<Config>(rows, operand, intermediate_parameters, blocks);
  Output<Config>(rows, blocks, skip, output_parameters, output);
}

// All four: hidden packet -> output packet.
template <class Config>
void Layer(int rows, Stream<BeatOf<Config>>& hidden, Stream<BeatOf<Config>>& qkv_parameters,
           Stream<BeatOf<Config>>& attention_parameters,
           Stream<BeatOf<Config>>& intermediate_parameters,
           Stream<BeatOf<Config>>& output_parameters, Stream<BeatOf<Config>>& output) {
#pragma HLS DATAFLOW
  Stream<BeatOf<Config>> attention_output("layer attention_output");
  BoardA<Config>(rows, hidden, qkv_parameters, attention_parameters, attention_output);
  BoardB<Config>(rows, attention_output, intermediate_parameters, output_parameters, output);
}

}  // namespace transfab
