// Streams between operators, and beats: the words of the AXI4-Stream ports (stage_contract.md).
//
// In synthesis a port carries AMD's axis word and is turned into a beat on its way in. In C
// simulation a stream is a queue; reading an empty one is an error of the kernel, not a wait.
#pragma once

#include "types.hpp"

// Co-simulation compiles the test bench with AMD's streams as well.
#if defined(__SYNTHESIS__) || defined(TRANSFAB_VENDOR_STREAMS)
#define TRANSFAB_AXIS
#include <ap_axi_sdata.h>
#include <hls_stream.h>
#else
#include "../testbench/queue.hpp"
#endif

namespace transfab {

template <typename Word>
using Stream = hls::stream<Word>;

// kBytes little-endian bytes and TLAST.
template <int kBytes>
struct Beat {
  UInt<8> byte[kBytes];
  bool last;
};

template <class Config>
using BeatOf = Beat<Config::kBeatBytes>;

#ifdef TRANSFAB_AXIS
template <int kBytes>
using PortWord = ap_axiu<8 * kBytes, 0, 0, 0>;

template <int kBytes>
Beat<kBytes> ReadPort(Stream<PortWord<kBytes>>& port) {
#pragma HLS INLINE
  const PortWord<kBytes> word = port.read();
  Beat<kBytes> beat;
  for (int i = 0; i < kBytes; ++i) {
#pragma HLS UNROLL
    beat.byte[i] = word.data.range(8 * i + 7, 8 * i);
  }
  beat.last = word.last;
  return beat;
}

template <int kBytes>
void WritePort(Stream<PortWord<kBytes>>& port, const Beat<kBytes>& beat) {
#pragma HLS INLINE
  PortWord<kBytes> word;
  for (int i = 0; i < kBytes; ++i) {
#pragma HLS UNROLL
    word.data.range(8 * i + 7, 8 * i) = beat.byte[i];
  }
  word.keep = -1;
  word.strb = -1;
  word.last = beat.last;
  port.write(word);
}
#else
template <int kBytes>
using PortWord = Beat<kBytes>;

template <int kBytes>
Beat<kBytes> ReadPort(Stream<Beat<kBytes>>& port) {
  return port.read();
}
template <int kBytes>
void WritePort(Stream<Beat<kBytes>>& port, const Beat<kBytes>& beat) {
  port.write(beat);
}
#endif

template <class Config>
using Port = Stream<PortWord<Config::kBeatBytes>>;

// Signed element `index` of kBits in a beat.
template <int kBits, int kBytes>
Int<kBits> Element(const Beat<kBytes>& beat, int index) {
#pragma HLS INLINE
  UInt<kBits> bits = 0;
  for (int i = 0; i < kBits / 8; ++i) {
#pragma HLS UNROLL
    const UInt<kBits> byte = UInt<kBits>(beat.byte[index * (kBits / 8) + i]);
    bits = UInt<kBits>(bits | UInt<kBits>(byte << (8 * i)));
  }
  return Int<kBits>(bits);
}

template <int kBits, int kBytes>
void SetElement(Beat<kBytes>& beat, int index, Int<kBits> value) {
#pragma HLS INLINE
  const UInt<kBits> bits = UInt<kBits>(value);
  for (int i = 0; i < kBits / 8; ++i) {
#pragma HLS UNROLL
    beat.byte[index * (kBits / 8) + i] = UInt<8>(bits >> (8 * i));
  }
}

// A beat of zeros, not the last.
template <int kBytes>
Beat<kBytes> EmptyBeat() {
#pragma HLS INLINE
  Beat<kBytes> beat;
  for (int i = 0; i < kBytes; ++i) {
#pragma HLS UNROLL
    beat.byte[i] = 0;
  }
  beat.last = false;
  return beat;
}

// Beats of `count` elements of kBits.
template <class Config, int kBits>
constexpr int BeatsOf(int count) {
  return CeilDivide(count * (kBits / 8), Config::kBeatBytes);
}

// Beats of a residual packet: the mask, then the rows.
template <class Config>
constexpr int ResidualBeats(int rows) {
  return BeatsOf<Config, 8>(rows) + rows * BeatsOf<Config, Config::kResidualBits>(Config::kHidden);
}

// Moves `beats` beats from one stream to another; the last of them ends no packet inside a top.
template <class Config>
void Forward(Stream<BeatOf<Config>>& from, Stream<BeatOf<Config>>& to, int beats) {
FORWARD:
  for (int i = 0; i < beats; ++i) {
#pragma HLS PIPELINE II = 1
    to.write(from.read());
  }
}

}  // namespace transfab
