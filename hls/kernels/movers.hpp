// Data movers: packets from memory to a stream and back, in whole beats, TLAST on the last one.
//
// A beat is one word of the AXI4 port, byte 0 in its lowest bits; neighbouring words go in bursts.
#pragma once

#include "../include/stream.hpp"

namespace transfab {

#ifdef TRANSFAB_AP_INT
template <int kBytes>
using MemoryWord = UInt<8 * kBytes>;

template <int kBytes>
Beat<kBytes> BeatOfWord(const MemoryWord<kBytes>& word, bool last) {
#pragma HLS INLINE
  Beat<kBytes> beat;
  for (int i = 0; i < kBytes; ++i) {
#pragma HLS UNROLL
    beat.byte[i] = UInt<8>(word >> (8 * i));
  }
  beat.last = last;
  return beat;
}

template <int kBytes>
MemoryWord<kBytes> WordOfBeat(const Beat<kBytes>& beat) {
#pragma HLS INLINE
  MemoryWord<kBytes> word = 0;
  for (int i = 0; i < kBytes; ++i) {
#pragma HLS UNROLL
    word |= MemoryWord<kBytes>(beat.byte[i]) << (8 * i);
  }
  return word;
}
#else
template <int kBytes>
struct MemoryWord {
  UInt<8> byte[kBytes];
};

template <int kBytes>
Beat<kBytes> BeatOfWord(const MemoryWord<kBytes>& word, bool last) {
  Beat<kBytes> beat;
  for (int i = 0; i < kBytes; ++i) beat.byte[i] = word.byte[i];
  beat.last = last;
  return beat;
}

template <int kBytes>
MemoryWord<kBytes> WordOfBeat(const Beat<kBytes>& beat) {
  MemoryWord<kBytes> word;
  for (int i = 0; i < kBytes; ++i) word.byte[i] = beat.byte[i];
  return word;
}
#endif

// Sends `beats` words as one packet.
template <class Config>
void ReadMemory(const MemoryWord<Config::kBeatBytes>* memory, int beats, Port<Config>& stream) {
READ_MEMORY:
  for (int beat = 0; beat < beats; ++beat) {
#pragma HLS PIPELINE II = 1
    WritePort<Config::kBeatBytes>(stream,
                                  BeatOfWord<Config::kBeatBytes>(memory[beat], beat == beats - 1));
  }
}

// Stores `beats` beats. Its length is known, so TLAST is not looked at.
template <class Config>
void WriteMemory(Port<Config>& stream, int beats, MemoryWord<Config::kBeatBytes>* memory) {
WRITE_MEMORY:
  for (int beat = 0; beat < beats; ++beat) {
#pragma HLS PIPELINE II = 1
    memory[beat] = WordOfBeat<Config::kBeatBytes>(ReadPort<Config::kBeatBytes>(stream));
  }
}

}  // namespace transfab
