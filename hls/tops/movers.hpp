// The data movers of boards whose kernels have no DMA of their own, and their ports.
//
// Registers behind 0x0c: `memory`, 64 bits, at 0x10; `bytes` at 0x1c, a multiple of a beat.
#pragma once

#include "../kernels/movers.hpp"
#include "tops.hpp"

namespace transfab {
using ConfigWord = MemoryWord<Config::kBeatBytes>;
using Bytes = UInt<32>;
}  // namespace transfab

extern "C" {
void read_memory(const transfab::ConfigWord* memory, transfab::ConfigPort& stream,
                 transfab::Bytes bytes);
void write_memory(transfab::ConfigPort& stream, transfab::ConfigWord* memory,
                  transfab::Bytes bytes);
}
