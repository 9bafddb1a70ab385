// Residual sum and LayerNorm at the end of stages 2 and 4.
//
// 27-bit sums and the residual stream, scaled by two products, rounded once to int16; 8 channels a
// cycle. Shape is that of the stage: kPe, kTiles, kScalars, kResidualScalars.
#pragma once

#include "layernorm.hpp"
#include "records.hpp"

namespace transfab {

// Sends the end of a stage's parameters to its two operators: residual records to the first, norm
// records to both (the first takes the skip multipliers). The scalars were sent before.
template <class Config>
void DistributeEnd(Stream<BeatOf<Config>>& parameters, Stream<BeatOf<Config>>& residual,
                   Stream<BeatOf<Config>>& norm) {
  Forward<Config>(parameters, residual, RecordBeats<Config>(Config::kHidden));
NORM:
  for (int beat = 0; beat < RecordBeats<Config>(Config::kHidden); ++beat) {
#pragma HLS PIPELINE II = 1
    const BeatOf<Config> word = parameters.read();
    residual.write(word);
    norm.write(word);
  }
}

// y = clamp16((acc m + ((skip n) << k) + o + 2**(s-1)) >> s).
inline Int<16> ResidualSum(Int<27> sum, Int<16> skip, const Record& record, Int<18> skip_multiplier,
                           UInt<6> shift, UInt<6> skip_shift) {
#pragma HLS INLINE
  const Int<27> total = Int<27>(sum + record.first);
  const Int<48> product = Multiply<48>(total, record.multiplier);
  const Int<48> skipped = ShiftLeft<48>(Multiply<48>(skip, skip_multiplier), skip_shift);
  const Int<48> both = Int<48>(product + skipped);
  return Clamp<16>(RoundShift<48>(Int<48>(both + record.offset), shift));
}

// Sums of the rows, tile by tile, and a residual packet -> int16 sums in channel order. Its mask
// goes ahead.
template <class Config, class Shape>
void AddResidual(int rows, Stream<BeatOf<Config>>& parameters,
                 Stream<Lanes<Int<27>, Shape::kPe>>& sums, Stream<BeatOf<Config>>& skip,
                 Stream<BeatOf<Config>>& mask, Stream<NormLanes>& totals) {
  constexpr int kBits = Config::kResidualBits, kPerBeat = Config::kBeatBytes / (kBits / 8);
  constexpr int kRowBeats = BeatsOf<Config, kBits>(Config::kHidden);
  static Record records[Config::kHidden], norm[Config::kHidden];
#pragma HLS ARRAY_PARTITION variable = records cyclic factor = kNormLanes
#pragma HLS ARRAY_PARTITION variable = norm cyclic factor = kNormLanes
  static Int<27> row_sums[Shape::kTiles * Shape::kPe];
#pragma HLS ARRAY_PARTITION variable = row_sums complete
  static Int<16> row_skip[kRowBeats * kPerBeat];
#pragma HLS ARRAY_PARTITION variable = row_skip complete
  Int<32> scalars[Shape::kScalars];
  ReadValues<Config, 32>(parameters, scalars);
  ReadRecords<Config>(parameters, records);
  ReadRecords<Config>(parameters, norm);
  const UInt<6> shift = UInt<6>(scalars[Shape::kResidualScalars]);
  const UInt<6> skip_shift = UInt<6>(scalars[Shape::kResidualScalars + 1]);
  Forward<Config>(skip, mask, BeatsOf<Config, 8>(rows));
ROWS:
  for (int row = 0; row < rows; ++row) {
  ROW_SUMS:
    for (int n = 0; n < Shape::kTiles; ++n) {
#pragma HLS PIPELINE II = 1
      const Lanes<Int<27>, Shape::kPe> lanes = sums.read();
      for (int pe = 0; pe < Shape::kPe; ++pe) {
#pragma HLS UNROLL
        row_sums[n * Shape::kPe + pe] = lanes.lane[pe];
      }
    }
  ROW_SKIP:
    for (int beat = 0; beat < kRowBeats; ++beat) {
#pragma HLS PIPELINE II = 1
      const BeatOf<Config> word = skip.read();
      for (int i = 0; i < kPerBeat; ++i) {
#pragma HLS UNROLL
        row_skip[beat * kPerBeat + i] = Int<16>(Element<kBits>(word, i));
      }
    }
  ADD:
    for (int base = 0; base < Config::kHidden; base += kNormLanes) {
#pragma HLS PIPELINE II = 1
      NormLanes out;
      for (int i = 0; i < kNormLanes; ++i) {
#pragma HLS UNROLL
        const int channel = base + i;
        out.lane[i] = channel < Config::kHidden
                          ? ResidualSum(row_sums[channel], row_skip[channel], records[channel],
                                        Int<18>(norm[channel].first), shift, skip_shift)
                          : Int<16>(0);
      }
      totals.write(out);
    }
  }
}

}  // namespace transfab
