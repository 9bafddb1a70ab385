// Softmax of a row of 22-bit scores without its division: 14-bit exponentials, 23-bit sum.
//
// The context is summed with these exponentials and scaled once a row by a 17-bit reciprocal.
#pragma once

#include "records.hpp"

namespace transfab {

// Scores and exponentials travel in groups of 8 keys; the last group of a row is padded.
inline constexpr int kSoftmaxLanes = 8;
// Two lanes share a copy of the table: a memory has two ports.
inline constexpr int kTables = kSoftmaxLanes / 2;
template <int kBits>
using SoftmaxLanes = Lanes<Int<kBits>, kSoftmaxLanes>;

// floor((2**bits - 1) / value) for bits <= 39, the one division of a row.
inline Int<40> Reciprocal(int bits, Int<35> value) {
#pragma HLS INLINE off
  const Int<40> ones = Int<40>(Int<40>(Int<40>(1) << bits) - 1);
  return Int<40>(ones / value);
}

// One row: largest unmasked score, exponential of each distance to it, their sum.
//
// keys        key positions, at least one with mask 1
// multiplier  table steps per unit of score times 2**shift, 17 bits
template <class Config>
void ExponentialRow(int keys, const UInt<1> (&mask)[Config::kSequence], Int<18> multiplier,
                    UInt<6> shift, const Int<16> (&table)[kTables][Config::kExponentialEntries],
                    Stream<SoftmaxLanes<22>>& scores, Stream<SoftmaxLanes<16>>& exponentials,
                    Stream<Int<24>>& totals) {
  constexpr int kGroups = CeilDivide(Config::kSequence, kSoftmaxLanes);
  static SoftmaxLanes<22> row[kGroups];
  const int groups = CeilDivide(keys, kSoftmaxLanes);
  Int<22> maximum = Int<22>(-(1 << 21));
MAXIMUM:
  for (int group = 0; group < groups; ++group) {
#pragma HLS PIPELINE II = 1
    row[group] = scores.read();
    for (int i = 0; i < kSoftmaxLanes; ++i) {
#pragma HLS UNROLL
      const int key = group * kSoftmaxLanes + i;
      if (key < keys && mask[key] != 0 && row[group].lane[i] > maximum) {
        maximum = row[group].lane[i];
      }
    }
  }
  Int<24> total = 0;
EXPONENTIALS:
  for (int group = 0; group < groups; ++group) {
#pragma HLS PIPELINE II = 1
    SoftmaxLanes<16> out;
    for (int i = 0; i < kSoftmaxLanes; ++i) {
#pragma HLS UNROLL
      const int key = group * kSoftmaxLanes + i;
      Int<16> value = 0;
      if (key < keys && mask[key] != 0) {
        const Int<23> distance = Int<23>(maximum - row[group].lane[i]);
        const Int<48> index = RoundShift<48>(Multiply<48>(distance, multiplier), shift);
        const int last = Config::kExponentialEntries - 1;
        value = table[i / 2][index > last ? last : int(index)];
      }
      out.lane[i] = value;
      total = Int<24>(total + value);
    }
    exponentials.write(out);
  }
  totals.write(total);
}

// Exponentials and row sums of every head.
template <class Config, class Shape>
void Softmax(int rows, Stream<BeatOf<Config>>& parameters, Stream<BeatOf<Config>>& mask_beats,
             Stream<SoftmaxLanes<22>>& scores, Stream<SoftmaxLanes<16>>& exponentials,
             Stream<Int<24>>& totals) {
  static Int<16> table[kTables][Config::kExponentialEntries];
#pragma HLS ARRAY_PARTITION variable = table dim = 1 complete
  static UInt<1> mask[Config::kSequence];
#pragma HLS ARRAY_PARTITION variable = mask cyclic factor = Config::kBeatBytes
  Int<32> scalars[Shape::kScalars];
  Int<18> multiplier[Config::kHeads];
  ReadValues<Config, 32>(parameters, scalars);
  ReadValues<Config, 32>(parameters, multiplier);
  ReadTable<Config>(parameters, table);
MASK:
  for (int beat = 0; beat < BeatsOf<Config, 8>(rows); ++beat) {
#pragma HLS PIPELINE II = 1
    const BeatOf<Config> word = mask_beats.read();
    for (int i = 0; i < Config::kBeatBytes; ++i) {
#pragma HLS UNROLL
      const int key = beat * Config::kBeatBytes + i;
      if (key < rows) mask[key] = UInt<1>(word.byte[i] & 1);
    }
  }
HEADS:
  for (int h = 0; h < Config::kHeads; ++h) {
  ROWS:
    for (int row = 0; row < rows; ++row) {
      ExponentialRow<Config>(rows, mask, multiplier[h], UInt<6>(scalars[Shape::kScoresShift]),
                             table, scores, exponentials, totals);
    }
  }
}

// What a row's context sums are scaled by: 17-bit reciprocal of the row sum and two shifts.
struct RowScale {
  Int<18> reciprocal;
  UInt<6> pre_shift, post_shift;
};

inline RowScale ScaleOf(Int<24> total) {
#pragma HLS INLINE
  constexpr int kPreShiftFrom = 19;  // bits of the sum from which 31 bits must come down to 27
  const int bits = int(BitLength<24>(UInt<24>(total)));
  const bool wide = bits > kPreShiftFrom;
  return RowScale{Int<18>(Reciprocal(16 + bits, Int<35>(total))),
                  UInt<6>(wide ? bits - kPreShiftFrom : 0), UInt<6>(wide ? kPreShiftFrom : bits)};
}

// 31-bit context sum -> 24-bit mean with 16 fraction bits.
inline Int<24> ContextMean(Int<31> sum, const RowScale& scale) {
#pragma HLS INLINE
  const Int<27> narrow = Int<27>(RoundShift<32>(Int<32>(sum), scale.pre_shift));
  return Int<24>(RoundShift<48>(Multiply<48>(narrow, scale.reciprocal), scale.post_shift));
}

}  // namespace transfab
