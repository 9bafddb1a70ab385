// Stage 1: query, key and value of one head after the other.
//
// int8 rows -> 27-bit sums -> int8, 3 D channels a head. Four operators in a row: narrow, product
// by channel, requantize, order by row.
#pragma once

#include "gemm.hpp"
#include "requantize.hpp"

namespace transfab {

template <class Config>
struct QkvShape {
  static constexpr int kPe = Config::kQkvPe, kSimd = Config::kQkvSimd;
  static constexpr int kChannels = 3 * Config::kHeadSize;  // of one head
  static constexpr int kTiles = CeilDivide(kChannels, kPe);
  static constexpr int kDepth = Config::kHidden;
  static constexpr int kDepthTiles = CeilDivide(kDepth, kSimd);
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
  for (int tile = 0; tile < Config::kHeads * Shape::kTiles; ++tile) {
    Forward<Config>(parameters, records, RecordBeats<Config>(Shape::kPe));
    Forward<Config>(parameters, weights,
                    Shape::kDepthTiles * TileBeats<Shape::kPe, Shape::kSimd, Config::kBeatBytes>());
  }
}

// Requantizes a head's tiles and sends its query, key and value as rows of D int8.
template <class Config>
void RequantizeHeads(int rows, Stream<BeatOf<Config>>& parameters,
                     Stream<Lanes<Int<27>, Config::kQkvPe>>& sums, Stream<BeatOf<Config>>& heads) {
  using Shape = QkvShape<Config>;
  constexpr int kBytes = Config::kBeatBytes, kSize = Config::kHeadSize;
  static Int<8> head[Config::kSequence][Shape::kTiles * Shape::kPe];
#pragma HLS ARRAY_PARTITION variable = head dim = 2 complete
  Record records[Shape::kPe];
#pragma HLS ARRAY_PARTITION variable = records complete
  Int<32> scalars[Shape::kScalars];
  ReadValues<Config, 32>(parameters, scalars);
HEADS:
  for (int h = 0; h < Config::kHeads; ++h) {
  TILES:
    for (int n = 0; n < Shape::kTiles; ++n) {
      ReadRecords<Config>(parameters, records);
    ROWS:
      for (int row = 0; row < rows; ++row) {
#pragma HLS PIPELINE II = 1
        const Lanes<Int<27>, Shape::kPe> sum = sums.read();
        for (int pe = 0; pe < Shape::kPe; ++pe) {
#pragma HLS UNROLL
          const int channel = n * Shape::kPe + pe;
          // A tile may end one of the three and begin the next.
          const int which = channel < kSize ? 1 : (channel < 2 * kSize ? 2 : 3);
          const Int<27> total = Int<27>(sum.lane[pe] + records[pe].first);
          head[row][channel] = Requantize<8>(total, records[pe], UInt<6>(scalars[which]));
        }
      }
    }
  PARTS:
    for (int part = 0; part < 3; ++part) {
    PART_ROWS:
      for (int row = 0; row < rows; ++row) {
      PART_ROW:
        for (int base = 0; base < kSize; base += kBytes) {
#pragma HLS PIPELINE II = 1
          BeatOf<Config> beat = EmptyBeat<kBytes>();
          for (int i = 0; i < kBytes; ++i) {
#pragma HLS UNROLL
            if (base + i < kSize) SetElement<8>(beat, i, head[row][part * kSize + base + i]);
          }
          beat.last =
              h == Config::kHeads - 1 && part == 2 && row == rows - 1 && base + kBytes >= kSize;
          heads.write(beat);
        }
      }
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
  // The next tile's records pass before its weights, which are read while this tile is in use.
  [[maybe_unused]] constexpr int kRecordsDepth = 2 * RecordBeats<Config>(Shape::kPe);
#pragma HLS STREAM variable = records depth = kRecordsDepth
  DistributeQkv<Config>(parameters, narrow, weights, records);
  Narrow<Config, Shape>(rows, hidden, narrow, operand);
  GemmByChannel<Config, Shape>(rows, Config::kHeads * Shape::kTiles, operand, weights, sums);
  RequantizeHeads<Config>(rows, records, sums, heads);
}

}  // namespace transfab
