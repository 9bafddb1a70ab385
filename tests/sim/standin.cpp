// A kernel for tests of the harness: byte b of beat j is j + S plus all bytes that were read there.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "config.hpp"
#include "shell_top.hpp"

extern "C" bool TransfabRunTop(const char* top, std::int64_t sequence,
                               const std::uint8_t* const* inputs, const std::int64_t* beats,
                               std::uint8_t* output, std::int64_t output_beats, char* error,
                               std::size_t error_size) {
  constexpr int kBytes = transfab::Config::kBeatBytes;
  if (std::string(top) != TRANSFAB_TOP || error_size == 0 || sequence == 13) {
    std::strncpy(error, "a kernel that fails", error_size);
    return false;
  }
  std::uint8_t sums[kBytes] = {};
  for (int i = 0; i < kPorts; ++i) {
    for (std::int64_t j = 0; j < beats[i] * kBytes; ++j) {
      sums[j % kBytes] = static_cast<std::uint8_t>(sums[j % kBytes] + inputs[i][j]);
    }
  }
  for (std::int64_t j = 0; j < output_beats * kBytes; ++j) {
    output[j] = static_cast<std::uint8_t>(sums[j % kBytes] + j / kBytes + sequence);
  }
  return true;
}
