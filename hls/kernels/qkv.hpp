// Stage 1: query, key and value of one head after the other.
//
// int8 rows -> 27-bit sums -> int8, 3 E channels: of each head query, key, value. Four operators in
// a row: narrow, product by channel, requantize, order by block, a part of a head.
#pragma once

#include "blocks.hpp"
#include "gemm.hpp"
#include "requantize.hpp"

namespace transfab {

template <class Config>
struct QkvShape {
  static constexpr int kPe = Config::kQkvPe, kSimd = Config::kQkvSimd;
  static constexpr int kChannels = 3 * Config::kHidden;
  static constexpr int kTiles = CeilDivide(kChannels, kPe);
  static constexpr int kDepth = Config::kHidden;
  static constexpr int kDepthTiles = CeilDivide(kDepth, kSimd);
  static constexpr int kBlock = Config::kHeadSize, kBlocks = 3 * Config::kHeads;
  static constexpr int kScalars = 4;
};

// Sends each section of the parameters to the operators that use it; all get the scalars.
template <class Config>
void DistributeQkv(Stream<BeatOf<Config>>& parameters, Stream<BeatOf<Config>>& narrow,
                   Stream<BeatOf<Config>>& weights, Stream<BeatOf<Config>>& records) {
  using Shape = QkvShape<Config>;
  constexpr int kScalarBeats = ScalarBeats<Config>(Shape::kScalars);
SCALARS:
  for (int beat = 0; beat < kScalarBeats; ++beat) {
#pragma HLS PIPELINE II = 1
    const BeatOf<Config> word = parameters.read();
    narrow.write(word);
    records.write(word);
  }
  if (Config::kResidualBits == 16) {
    Forward<Config>(parameters, narrow, RecordBeats<Config>(Config::kHidden));
  }
TILES:
  for (int tile = 0; tile < Shape::kTiles; ++tile) {
    Forward<Config>(parameters, records, RecordBeats<Config>(Shape::kPe));
    Forward<Config>(parameters, weights,
                    Shape::kDepthTiles * TileBeats<Shape::kPe, Shape::kSimd, Config::kBeatBytes>());
  }
}

// Sums of a tile -> int8, by the shift of the part to which each channel belongs.
template <class Config>
void RequantizeHeads(int rows, Stream<BeatOf<Config>>& parameters,
                     Stream<Lanes<Int<27>, Config::kQkvPe>>& sums,
                     Stream<Lanes<Int<8>, Config::kQkvPe>>& requantized) {
  using Shape = QkvShape<Config>;
  Record records[Shape::kPe];
#pragma HLS ARRAY_PARTITION variable = records complete
  Int<32> scalars[Shape::kScalars];
  ReadValues<Config, 32>(parameters, scalars);
TILES:
  for (int n = 0; n < Shape::kTiles; ++n) {
    ReadRecords<Config>(parameters, records);
  ROWS:
    for (int row = 0; row < rows; ++row) {
#pragma HLS PIPELINE II = 1
      const Lanes<Int<27>, Shape::kPe> sum = sums.read();
      Lanes<Int<8>, Shape::kPe> out;
      for (int pe = 0; pe < Shape::kPe; ++pe) {
#pragma HLS UNROLL
        // A tile may end a part, or a head, and begin the next.
        const int part = (n * Shape::kPe + pe) / Config::kHeadSize % 3;
        const Int<27> total = Int<27>(sum.lane[pe] + records[pe].first);
        out.lane[pe] = Requantize<8>(total, records[pe], UInt<6>(scalars[1 + part]));
      }
      requantized.write(out);
    }
  }
}

// hidden packet, qkv_parameters -> qkv packet.
template <class Config>
void Qkv(int rows, Stream<BeatOf<Config>>& hidden, Stream<BeatOf<Config>>& parameters,
         Stream<BeatOf<Config>>& heads) {
#pragma HLS DATAFLOW
  using Shape = QkvShape<Config>;
  Stream<BeatOf<Config>> narrow("qkv narrow"), weights("qkv weights"), records("qkv records");
  Stream<BeatOf<Config>> operand("qkv operand");
  Stream<Lanes<Int<27>, Shape::kPe>> sums("qkv sums");
  Stream<Lanes<Int<8>, Shape::kPe>> requantized("qkv requantized");
  // The next tile's records pass before its weights, which are read while this tile is in use.
  [[maybe_unused]] constexpr int kRecordsDepth = 2 * RecordBeats<Config>(Shape::kPe);
#pragma HLS STREAM variable = records depth = kRecordsDepth
  DistributeQkv<Config>(parameters, narrow, weights, records);
  Narrow<Config, Shape>(rows, hidden, narrow, operand);
  GemmByChannel<Config, Shape>(rows, operand, weights, sums);
  RequantizeHeads<Config>(rows, records, sums, requantized);
  OrderBlocks<Config, Shape>(rows, requantized, heads);
}

}  // namespace transfab
