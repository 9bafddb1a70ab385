// Stage 2: scores, softmax and context of one head after the other, output projection, residual
// sum and LayerNorm.
//
// int8 query, key, value -> 22-bit scores -> 14-bit exponentials -> 31-bit context sums -> int8
// context -> 27-bit sums -> int16 residual sums -> residual stream.
#pragma once

#include "context.hpp"
#include "gemm.hpp"
#include "layernorm.hpp"
#include "residual.hpp"
#include "scores.hpp"
#include "softmax.hpp"

namespace transfab {

template <class Config>
struct AttentionShape {
  static constexpr int kPe = Config::kAttentionPe, kSimd = Config::kAttentionSimd;
  static constexpr int kSize = Config::kHeadSize;
  // The projection: E channels, one head's context a block.
  static constexpr int kChannels = Config::kHidden;
  static constexpr int kBlocks = Config::kHeads, kBlock = kSize, kLastBlock = kSize;
  static constexpr int kDepthTiles = CeilDivide(kSize, kSimd);
  static constexpr int kTiles = CeilDivide(kChannels, kPe);
  static constexpr int kScalars = 7;
  static constexpr int kScoresShift = 0, kContextShift = 1, kResidualScalars = 2;
};

template <class Config>
void DistributeAttention(Stream<BeatOf<Config>>& parameters, Stream<BeatOf<Config>>& softmax,
                         Stream<BeatOf<Config>>& context, Stream<BeatOf<Config>>& weights,
                         Stream<BeatOf<Config>>& residual, Stream<BeatOf<Config>>& norm) {
  using Shape = AttentionShape<Config>;
SCALARS:
  for (int beat = 0; beat < ScalarBeats<Config>(Shape::kScalars); ++beat) {
#pragma HLS PIPELINE II = 1
    const BeatOf<Config> word = parameters.read();
    softmax.write(word);
    context.write(word);
    residual.write(word);
    norm.write(word);
  }
  Forward<Config>(
      parameters, softmax,
      BeatsOf<Config, 32>(Config::kHeads) + BeatsOf<Config, 16>(Config::kExponentialEntries));
HEADS:
  for (int h = 0; h < Config::kHeads; ++h) {
    Forward<Config>(parameters, context, RecordBeats<Config>(Shape::kSize));
    Forward<Config>(parameters, weights,
                    Shape::kDepthTiles * Shape::kTiles *
                        TileBeats<Shape::kPe, Shape::kSimd, Config::kBeatBytes>());
  }
  DistributeEnd<Config>(parameters, residual, norm);
}

// Sends query and key one way, value the other.
template <class Config>
void SplitHeads(int rows, Stream<BeatOf<Config>>& heads, Stream<BeatOf<Config>>& query_key,
                Stream<BeatOf<Config>>& value) {
  constexpr int kBeats = BeatsOf<Config, 8>(Config::kHeadSize);
HEADS:
  for (int h = 0; h < Config::kHeads; ++h) {
    Forward<Config>(heads, query_key, 2 * rows * kBeats);
    Forward<Config>(heads, value, rows * kBeats);
  }
}

// Sends the mask two ways, then the rows to the residual sum.
template <class Config>
void SplitMask(int rows, Stream<BeatOf<Config>>& hidden, Stream<BeatOf<Config>>& mask,
               Stream<BeatOf<Config>>& skip) {
MASK:
  for (int beat = 0; beat < BeatsOf<Config, 8>(rows); ++beat) {
#pragma HLS PIPELINE II = 1
    const BeatOf<Config> word = hidden.read();
    mask.write(word);
    skip.write(word);
  }
  Forward<Config>(hidden, skip, rows * BeatsOf<Config, Config::kResidualBits>(Config::kHidden));
}

// qkv packet, hidden packet, attention_parameters -> attention_output packet.
template <class Config>
void Attention(int rows, Stream<BeatOf<Config>>& heads, Stream<BeatOf<Config>>& hidden,
               Stream<BeatOf<Config>>& parameters, Stream<BeatOf<Config>>& attention_output) {
#pragma HLS DATAFLOW
  using Shape = AttentionShape<Config>;
  Stream<BeatOf<Config>> softmax("attention softmax"), records("attention records");
  Stream<BeatOf<Config>> weights("attention weights"), residual("attention residual");
  Stream<BeatOf<Config>> query_key("attention query and key"), value("attention value");
  Stream<BeatOf<Config>> norm("attention norm"), mask("attention mask");
  Stream<BeatOf<Config>> skip("attention skip"), output_mask("attention output mask");
  Stream<SoftmaxLanes<22>> scores("attention scores");
  Stream<SoftmaxLanes<16>> exponentials("attention exponentials");
  Stream<Int<24>> totals("attention totals");
  Stream<BeatOf<Config>> context("attention context");
  Stream<Lanes<Int<27>, Shape::kPe>> sums("attention sums");
  Stream<NormLanes> residual_sums("attention residual sums");
  // A head's value waits for its scores, and the next head's records for this one's context.
  [[maybe_unused]] constexpr int kValueDepth = Config::kSequence * BeatsOf<Config, 8>(Shape::kSize);
  [[maybe_unused]] constexpr int kRecordsDepth = 2 * RecordBeats<Config>(Shape::kSize);
  // The skip input waits for the whole projection.
  [[maybe_unused]] constexpr int kSkipDepth = ResidualBeats<Config>(Config::kSequence);
  [[maybe_unused]] constexpr int kMaskDepth = BeatsOf<Config, 8>(Config::kSequence);
#pragma HLS STREAM variable = value depth = kValueDepth
#pragma HLS STREAM variable = records depth = kRecordsDepth
#pragma HLS STREAM variable = skip depth = kSkipDepth
#pragma HLS STREAM variable = output_mask depth = kMaskDepth
  DistributeAttention<Config>(parameters, softmax, records, weights, residual, norm);
  SplitHeads<Config>(rows, heads, query_key, value);
  SplitMask<Config>(rows, hidden, mask, skip);
  Scores<Config, Shape>(rows, query_key, scores);
  Softmax<Config, Shape>(rows, softmax, mask, scores, exponentials, totals);
  Context<Config, Shape>(rows, records, value, exponentials, totals, context);
  GemmByDepth<Config, Shape>(rows, context, weights, sums);
  AddResidual<Config, Shape>(rows, residual, sums, skip, output_mask, residual_sums);
  Normalize<Config, Shape>(rows, norm, output_mask, residual_sums, attention_output);
}

}  // namespace transfab
