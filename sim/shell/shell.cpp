// The kernel of one top behind shell.sv: packets of beats in, one packet out a sequence.
//
// TransfabRunTop is that of a kernel library (hls/testbench/library.hpp). config.hpp and
// shell_top.hpp are generated: the build's constants, the top's name and its number of inputs.
#include <cstdint>
#include <cstring>
#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

#include "Vtop__Dpi.h"
#include "config.hpp"
#include "shell_top.hpp"

extern "C" bool TransfabRunTop(const char* top, std::int64_t sequence,
                               const std::uint8_t* const* inputs, const std::int64_t* beats,
                               std::uint8_t* output, std::int64_t output_beats, char* error,
                               std::size_t error_size);

namespace {

constexpr std::size_t kBytes = transfab::Config::kBeatBytes;
using Packet = std::vector<std::uint8_t>;

// Whole packets of each port, then the one that is coming.
std::deque<Packet> ports[kPorts];
Packet output;
std::size_t sent = 0;

}  // namespace

void shell_take(int port, const svBitVecVal* data, svBit last) {
  std::deque<Packet>& packets = ports[port];
  if (packets.empty()) packets.emplace_back();
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(data);
  packets.back().insert(packets.back().end(), bytes, bytes + kBytes);
  if (last) packets.emplace_back();
}

void shell_reset() {
  for (auto& packets : ports) packets.clear();
}

svBit shell_complete() {
  for (const auto& packets : ports) {
    if (packets.size() < 2) return 0;
  }
  return 1;
}

void shell_run(int length, int beats) {
  const std::uint8_t* inputs[kPorts];
  std::int64_t counts[kPorts];
  for (int i = 0; i < kPorts; ++i) {
    inputs[i] = ports[i].front().data();
    counts[i] = static_cast<std::int64_t>(ports[i].front().size() / kBytes);
  }
  output.assign(static_cast<std::size_t>(beats) * kBytes, 0);
  sent = 0;
  char error[256] = "";
  if (!TransfabRunTop(TRANSFAB_TOP, length, inputs, counts, output.data(), beats, error,
                      sizeof error)) {
    throw std::runtime_error(error);
  }
  for (auto& packets : ports) packets.pop_front();
}

void shell_give(svBitVecVal* data) {
  std::memcpy(data, output.data() + sent, kBytes);
  sent += kBytes;
}
