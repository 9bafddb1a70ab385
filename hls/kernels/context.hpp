// Context of attention: 14-bit exponentials times int8 value, 31-bit sums, scaled once a row to
// int8.
#pragma once

#include "gemm.hpp"
#include "requantize.hpp"
#include "softmax.hpp"

namespace transfab {

// Context of every head: values are the held weights, exponentials the rows.
template <class Config, class Shape>
void Context(int rows, Stream<BeatOf<Config>>& parameters, Stream<BeatOf<Config>>& values,
             Stream<SoftmaxLanes<16>>& exponentials, Stream<Int<24>>& totals,
             Stream<BeatOf<Config>>& context) {
  constexpr int kPe = Shape::kPe, kSimd = Shape::kSimd, kBytes = Config::kBeatBytes;
  constexpr int kBeats = BeatsOf<Config, 8>(Shape::kSize);
  constexpr int kColumns = kBeats * kBytes;
  constexpr int kKeys = CeilDivide(Config::kSequence, kBytes) * kBytes;
  constexpr int kChannels = CeilDivide(Shape::kSize, kPe) * kPe;
  static Held<8> value[Config::kSequence][kColumns];
#pragma HLS ARRAY_PARTITION variable = value dim = 2 complete
  static Held<16> weight[Config::kSequence][kKeys];
#pragma HLS ARRAY_PARTITION variable = weight dim = 2 cyclic factor = kSimd
  static Int<31> partial[Config::kSequence][kChannels];
#pragma HLS ARRAY_PARTITION variable = partial dim = 2 cyclic factor = kPe
  static TileOf<kPe, kSimd> tile;
#pragma HLS ARRAY_PARTITION variable = tile complete
  static Int<24> total[Config::kSequence];
  static RowScale scale[Config::kSequence];
  Record records[Shape::kSize];
#pragma HLS ARRAY_PARTITION variable = records complete
  Int<32> scalars[Shape::kScalars];
  ReadValues<Config, 32>(parameters, scalars);
HEADS:
  for (int h = 0; h < Config::kHeads; ++h) {
    ReadRecords<Config>(parameters, records);
    HoldRows<Config, kColumns>(rows, kBeats, values, value);
  HOLD_ROWS:
    for (int row = 0; row < rows; ++row) {
    HOLD_ROW:
      for (int group = 0; group < CeilDivide(rows, kSoftmaxLanes); ++group) {
#pragma HLS PIPELINE II = 1
        const SoftmaxLanes<16> lanes = exponentials.read();
        for (int i = 0; i < kSoftmaxLanes; ++i) {
#pragma HLS UNROLL
          weight[row][group * kSoftmaxLanes + i] = Held<16>(lanes.lane[i]);
        }
      }
      total[row] = totals.read();
    }
  SCALES:
    for (int row = 0; row < rows; ++row) {
#pragma HLS PIPELINE II = 1
      scale[row] = ScaleOf(total[row]);
    }
  CHANNEL_TILES:
    for (int first = 0; first < Shape::kSize; first += kPe) {
    KEY_TILES:
      for (int key = 0; key < rows; key += kSimd) {
      TILE:
        for (int i = 0; i < kSimd; ++i) {
#pragma HLS PIPELINE II = 1
          // Keys beyond the sequence weigh zero whatever an older sequence left in `weight`.
          const bool valid = key + i < rows;
          for (int pe = 0; pe < kPe; ++pe) {
#pragma HLS UNROLL
            const bool inside = valid && first + pe < Shape::kSize;
            tile.weight[pe][i] = inside ? value[valid ? key + i : 0][first + pe] : Held<8>(0);
          }
        }
      ROWS:
        for (int row = 0; row < rows; ++row) {
#pragma HLS PIPELINE II = 1
#pragma HLS DEPENDENCE variable = partial inter false
          for (int pe = 0; pe < kPe; ++pe) {
#pragma HLS UNROLL
            const Int<31> start = key == 0 ? Int<31>(0) : partial[row][first + pe];
            partial[row][first + pe] =
                Int<31>(start + Dot<16, kSimd>(&weight[row][key], tile.weight[pe]));
          }
        }
      }
    }
  SEND_ROWS:
    for (int row = 0; row < rows; ++row) {
    SEND_ROW:
      for (int base = 0; base < Shape::kSize; base += kBytes) {
#pragma HLS PIPELINE II = 1
        BeatOf<Config> beat = EmptyBeat<kBytes>();
        for (int i = 0; i < kBytes; ++i) {
#pragma HLS UNROLL
          if (base + i < Shape::kSize) {
            const Int<24> mean = ContextMean(partial[row][base + i], scale[row]);
            SetElement<8>(beat, i,
                          Requantize<8>(Int<27>(mean), records[base + i],
                                        UInt<6>(scalars[Shape::kContextShift])));
          }
        }
        context.write(beat);
      }
    }
  }
}

}  // namespace transfab
