// y = clamp((x m + o + 2**(s-1)) >> s): 27 x 18 bits into 48, half up, saturated to kBits.
#pragma once

#include "records.hpp"

namespace transfab {

template <int kBits>
Int<kBits> Requantize(Int<27> value, const Record& record, UInt<6> shift) {
#pragma HLS INLINE
  const Int<48> product = Int<48>(Multiply<48>(value, record.multiplier) + record.offset);
  return Clamp<kBits>(RoundShift<48>(product, shift));
}

// Skips the mask of a residual packet and turns its rows into int8 rows of whole beats.
//
// int16: requantized by a record a channel, two beats in for one out. int8: the rows as they are.
// Shape is that of the stage, whose scalars begin with the shift.
template <class Config, class Shape>
void Narrow(int rows, Stream<BeatOf<Config>>& stream, Stream<BeatOf<Config>>& parameters,
            Stream<BeatOf<Config>>& operand) {
  constexpr int kLanes = Config::kBeatBytes;
  constexpr int kBeats = BeatsOf<Config, 8>(Config::kHidden);
  constexpr int kInBits = Config::kResidualBits;
  constexpr int kPerBeat = kLanes / (kInBits / 8);
  constexpr int kIn = BeatsOf<Config, kInBits>(Config::kHidden);
  static Record records[Config::kHidden];
#pragma HLS ARRAY_PARTITION variable = records cyclic factor = kPerBeat
  Int<32> scalars[Shape::kScalars];
  ReadValues<Config, 32>(parameters, scalars);
  const UInt<6> shift = UInt<6>(scalars[0]);
  if (kInBits == 16) ReadRecords<Config>(parameters, records);

SKIP_MASK:
  for (int beat = 0; beat < BeatsOf<Config, 8>(rows); ++beat) stream.read();

NARROW_ROWS:
  for (int row = 0; row < rows; ++row) {
    BeatOf<Config> out = EmptyBeat<kLanes>();
  NARROW:
    for (int beat = 0; beat < kIn; ++beat) {
#pragma HLS PIPELINE II = 1
      const BeatOf<Config> word = stream.read();
      const int base = beat * kPerBeat % kLanes;
      for (int i = 0; i < kPerBeat; ++i) {
#pragma HLS UNROLL
        const int channel = beat * kPerBeat + i;
        Int<8> value = 0;
        if (channel < Config::kHidden) {
          const Int<kInBits> element = Element<kInBits>(word, i);
          value = kInBits == 16 ? Requantize<8>(Int<27>(element), records[channel], shift)
                                : Int<8>(element);
        }
        SetElement<8>(out, base + i, value);
      }
      if (base + kPerBeat == kLanes || beat == kIn - 1) {
        operand.write(out);
        out = EmptyBeat<kLanes>();
      }
    }
  }
  static_assert(kIn == kBeats || kInBits == 16, "int8 rows pass beat for beat");
}

}  // namespace transfab
