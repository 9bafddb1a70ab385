// Stage 4: second feed-forward projection, residual sum and LayerNorm.
//
// int8 blocks -> 27-bit sums -> int16 residual sums -> residual stream.
#pragma once

#include "gemm.hpp"
#include "layernorm.hpp"
#include "residual.hpp"

namespace transfab {

template <class Config>
struct OutputShape {
  static constexpr int kPe = Config::kOutputPe, kSimd = Config::kOutputSimd;
  static constexpr int kChannels = Config::kHidden;
  static constexpr int kTiles = CeilDivide(kChannels, kPe);
  // A block is one beat of channels of the operand.
  static constexpr int kBlock = Config::kBeatBytes;
  static constexpr int kBlocks = CeilDivide(Config::kInner, kBlock);
  static constexpr int kLastBlock = Config::kInner - (kBlocks - 1) * kBlock;
  static constexpr int kDepthTiles = CeilDivide(Config::kInner, kSimd);
  static constexpr int kScalars = 5, kResidualScalars = 0;
};

template <class Config>
void DistributeOutput(Stream<BeatOf<Config>>& parameters, Stream<BeatOf<Config>>& weights,
                      Stream<BeatOf<Config>>& residual, Stream<BeatOf<Config>>& norm) {
  using Shape = OutputShape<Config>;
SCALARS:
  for (int beat = 0; beat < ScalarBeats<Config>(Shape::kScalars); ++beat) {
#pragma HLS PIPELINE II = 1
    const BeatOf<Config> word = parameters.read();
    residual.write(word);
    norm.write(word);
  }
  Forward<Config>(parameters, weights,
                  Shape::kDepthTiles * Shape::kTiles *
                      TileBeats<Shape::kPe, Shape::kSimd, Config::kBeatBytes>());
  DistributeEnd<Config>(parameters, residual, norm);
}

// intermediate packet, attention_output packet, output_parameters -> output packet.
template <class Config>
void Output(int rows, Stream<BeatOf<Config>>& intermediate,
            Stream<BeatOf<Config>>& attention_output, Stream<BeatOf<Config>>& parameters,
            Stream<BeatOf<Config>>& output) {
#pragma HLS DATAFLOW
  using Shape = OutputShape<Config>;
  Stream<BeatOf<Config>> weights("output weights"), residual("output residual");
  Stream<BeatOf<Config>> norm("output norm"), mask("output mask");
  Stream<Lanes<Int<27>, Shape::kPe>> sums("output sums");
  Stream<NormLanes> residual_sums("output residual sums");
  [[maybe_unused]] constexpr int kMaskDepth = BeatsOf<Config, 8>(Config::kSequence);
#pragma HLS STREAM variable = mask depth = kMaskDepth
  DistributeOutput<Config>(parameters, weights, residual, norm);
  GemmByDepth<Config, Shape>(rows, intermediate, weights, sums);
  AddResidual<Config, Shape>(rows, residual, sums, attention_output, mask, residual_sums);
  Normalize<Config, Shape>(rows, norm, mask, residual_sums, output);
}

}  // namespace transfab
