// LayerNorm of rows of int16 sums: one integer square root and one division a row.
//
// 17-bit mean, 43-bit sum of squares, 17-bit root and reciprocal, 27-bit normalised value with 25
// fraction bits, residual stream out; 8 channels a cycle.
#pragma once

#include "requantize.hpp"
#include "softmax.hpp"

namespace transfab {

inline constexpr int kNormLanes = 8;
using NormLanes = Lanes<Int<16>, kNormLanes>;

// floor(sqrt(value)) for value in [2**32, 2**34): 17 digits, one a step.
inline UInt<17> RootOf(UInt<34> value) {
#pragma HLS INLINE off
  UInt<34> rest = value, root = 0;
ROOT:
  for (int digit = 16; digit >= 0; --digit) {
#pragma HLS PIPELINE II = 1
    const UInt<34> bit = UInt<34>(UInt<34>(1) << (2 * digit));
    const UInt<34> trial = UInt<34>(root + bit);
    root = UInt<34>(root >> 1);
    if (rest >= trial) {
      rest = UInt<34>(rest - trial);
      root = UInt<34>(root + bit);
    }
  }
  return UInt<17>(root);
}

// What a row is normalised by.
struct RowNorm {
  Int<17> mean;
  Int<18> reciprocal;
  Int<6> drop;  // right shift that leaves 25 fraction bits; negative is a left shift
};

template <class Config>
Int<17> MeanOf(Int<27> sum) {
#pragma HLS INLINE
  const Int<18> multiplier = Int<18>(Config::kMeanMultiplier);
  return Int<17>(RoundShift<48>(Multiply<48>(sum, multiplier), UInt<6>(Config::kMeanShift)));
}

inline RowNorm NormOf(Int<17> mean, UInt<44> squares) {
#pragma HLS INLINE
  const int bits = int(BitLength<44>(squares));
  // Half of the even shift that brings the squares to 33 or 34 bits.
  const int half = (34 - bits) >> 1;
  const UInt<44> shifted =
      half >= 0 ? UInt<44>(squares << (2 * half)) : UInt<44>(squares >> (-2 * half));
  const UInt<17> root = RootOf(UInt<34>(shifted));
  return RowNorm{mean, Int<18>(Reciprocal(33, Int<35>(root))), Int<6>(8 - half)};
}

inline Int<27> NormalizedOf(Int<16> value, const RowNorm& norm) {
#pragma HLS INLINE
  const Int<18> deviation = Int<18>(value - norm.mean);
  const Int<48> product = Multiply<48>(deviation, norm.reciprocal);
  if (norm.drop >= 0) return Int<27>(RoundShift<48>(product, UInt<6>(norm.drop)));
  return Int<27>(ShiftLeft<48>(product, UInt<6>(-norm.drop)));
}

// Sums in channel order -> rows of the residual packet, whose mask comes first.
template <class Config, class Shape>
void Normalize(int rows, Stream<BeatOf<Config>>& parameters, Stream<BeatOf<Config>>& mask,
               Stream<NormLanes>& totals, Stream<BeatOf<Config>>& stream) {
  constexpr int kHidden = Config::kHidden, kBits = Config::kResidualBits;
  constexpr int kPerBeat = Config::kBeatBytes / (kBits / 8);
  constexpr int kGroups = CeilDivide(kHidden, kNormLanes);
  static Record records[kHidden];
#pragma HLS ARRAY_PARTITION variable = records cyclic factor = kNormLanes
  static NormLanes row[kGroups];
  Int<32> scalars[Shape::kScalars];
  ReadValues<Config, 32>(parameters, scalars);
  ReadRecords<Config>(parameters, records);
  constexpr int kFirst = Shape::kResidualScalars + 2;
  const UInt<6> shift = UInt<6>(scalars[kFirst]);
  const UInt<44> low = UInt<44>(UInt<32>(scalars[kFirst + 1]));
  const UInt<44> high = UInt<44>(UInt<8>(scalars[kFirst + 2]));
  const UInt<44> epsilon = UInt<44>(UInt<44>(high << 32) + low);
MASK:
  for (int beat = 0; beat < BeatsOf<Config, 8>(rows); ++beat) {
#pragma HLS PIPELINE II = 1
    BeatOf<Config> word = mask.read();
    for (int i = 0; i < Config::kBeatBytes; ++i) {
#pragma HLS UNROLL
      if (beat * Config::kBeatBytes + i >= rows) word.byte[i] = 0;
    }
    word.last = false;
    stream.write(word);
  }
ROWS:
  for (int r = 0; r < rows; ++r) {
    Int<27> sum = 0;
  SUM:
    for (int group = 0; group < kGroups; ++group) {
#pragma HLS PIPELINE II = 1
      row[group] = totals.read();
      for (int i = 0; i < kNormLanes; ++i) {
#pragma HLS UNROLL
        sum = Int<27>(sum + row[group].lane[i]);
      }
    }
    const Int<17> mean = MeanOf<Config>(sum);
    UInt<44> squares = epsilon;
  SQUARES:
    for (int group = 0; group < kGroups; ++group) {
#pragma HLS PIPELINE II = 1
      for (int i = 0; i < kNormLanes; ++i) {
#pragma HLS UNROLL
        const Int<18> deviation = Int<18>(row[group].lane[i] - mean);
        const Int<36> square = Multiply<36>(deviation, deviation);
        if (group * kNormLanes + i < kHidden) squares = UInt<44>(squares + UInt<36>(square));
      }
    }
    const RowNorm norm = NormOf(mean, squares);
    BeatOf<Config> beat = EmptyBeat<Config::kBeatBytes>();
  NORMALIZE:
    for (int group = 0; group < kGroups; ++group) {
#pragma HLS PIPELINE II = 1
      const int base = group * kNormLanes % kPerBeat;
      for (int i = 0; i < kNormLanes; ++i) {
#pragma HLS UNROLL
        const int channel = group * kNormLanes + i;
        Int<kBits> value = 0;
        if (channel < kHidden) {
          value =
              Requantize<kBits>(NormalizedOf(row[group].lane[i], norm), records[channel], shift);
        }
        SetElement<kBits>(beat, base + i, value);
      }
      if (base + kNormLanes == kPerBeat || group == kGroups - 1) {
        beat.last = r == rows - 1 && group == kGroups - 1;
        stream.write(beat);
        beat = EmptyBeat<Config::kBeatBytes>();
      }
    }
  }
}

}  // namespace transfab
