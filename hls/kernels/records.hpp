// Constants out of a parameter stream: scalars, records of 16 bytes, tables (stage_contract.md).
#pragma once

#include "../include/stream.hpp"

namespace transfab {

inline constexpr int kRecordBytes = 16;

// One channel's constants: 27-bit bias (or 18-bit skip multiplier), 18-bit multiplier (or gain),
// 48-bit offset.
struct Record {
  Int<27> first;
  Int<18> multiplier;
  Int<48> offset;
};

template <int kBytes>
Record RecordAt(const Beat<kBytes>& beat, int index) {
#pragma HLS INLINE
  return Record{Int<27>(Element<32>(beat, 4 * index)), Int<18>(Element<32>(beat, 4 * index + 1)),
                Int<48>(Element<64>(beat, 2 * index + 1))};
}

template <class Config>
constexpr int RecordBeats(int count) {
  return CeilDivide(count * kRecordBytes, Config::kBeatBytes);
}
template <class Config>
constexpr int ScalarBeats(int count) {
  return BeatsOf<Config, 32>(count);
}

// Reads kCount records, a section of their own.
template <class Config, int kCount>
void ReadRecords(Stream<BeatOf<Config>>& parameters, Record (&records)[kCount]) {
  constexpr int kPerBeat = Config::kBeatBytes / kRecordBytes;
READ_RECORDS:
  for (int beat = 0; beat < RecordBeats<Config>(kCount); ++beat) {
#pragma HLS PIPELINE II = 1
    const BeatOf<Config> word = parameters.read();
    for (int i = 0; i < kPerBeat; ++i) {
#pragma HLS UNROLL
      if (beat * kPerBeat + i < kCount) records[beat * kPerBeat + i] = RecordAt(word, i);
    }
  }
}

// Reads kCount elements of kBits, a section of their own.
template <class Config, int kBits, int kCount, typename Value>
void ReadValues(Stream<BeatOf<Config>>& parameters, Value (&values)[kCount]) {
  constexpr int kPerBeat = Config::kBeatBytes / (kBits / 8);
READ_VALUES:
  for (int beat = 0; beat < BeatsOf<Config, kBits>(kCount); ++beat) {
#pragma HLS PIPELINE II = 1
    const BeatOf<Config> word = parameters.read();
    for (int i = 0; i < kPerBeat; ++i) {
#pragma HLS UNROLL
      if (beat * kPerBeat + i < kCount) {
        values[beat * kPerBeat + i] = Value(Element<kBits>(word, i));
      }
    }
  }
}

// Reads a table of int16, a section of its own, into kCopies copies: two operators look up in one.
template <class Config, int kCopies, int kCount>
void ReadTable(Stream<BeatOf<Config>>& parameters, Int<16> (&table)[kCopies][kCount]) {
  constexpr int kPerBeat = Config::kBeatBytes / 2;
READ_TABLE:
  for (int beat = 0; beat < BeatsOf<Config, 16>(kCount); ++beat) {
    const BeatOf<Config> word = parameters.read();
  READ_ENTRIES:
    for (int i = 0; i < kPerBeat; ++i) {
#pragma HLS PIPELINE II = 1
      for (int copy = 0; copy < kCopies; ++copy) {
#pragma HLS UNROLL
        table[copy][beat * kPerBeat + i] = Element<16>(word, i);
      }
    }
  }
  static_assert(kCount % kPerBeat == 0, "a table fills its beats");
}

}  // namespace transfab
