// What every top shares: beats in and out of AXI4-Stream ports, and the sizes of their packets.
#pragma once

#include "../kernels/layer.hpp"

namespace transfab {

template <class Config>
constexpr int HeadsBeats(int rows) {
  return Config::kHeads * 3 * rows * BeatsOf<Config, 8>(Config::kHeadSize);
}
template <class Config>
constexpr int BlocksBeats(int rows) {
  return IntermediateShape<Config>::kBlocks * rows;
}

template <class Config>
void FromPort(int beats, Port<Config>& port, Stream<BeatOf<Config>>& stream) {
FROM_PORT:
  for (int beat = 0; beat < beats; ++beat) {
#pragma HLS PIPELINE II = 1
    stream.write(ReadPort<Config::kBeatBytes>(port));
  }
}

template <class Config>
void ToPort(int beats, Stream<BeatOf<Config>>& stream, Port<Config>& port) {
TO_PORT:
  for (int beat = 0; beat < beats; ++beat) {
#pragma HLS PIPELINE II = 1
    WritePort<Config::kBeatBytes>(port, stream.read());
  }
}

}  // namespace transfab
