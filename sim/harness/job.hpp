// What a run is asked for: FOLDER/job.bin, int64, little-endian.
//
//   seed; cycles without a beat until it gives up; share of stalls of each input port and of the
//   output in 2**-16; number N of sequences; S of each; beats of each output packet; for each input
//   port, for each sequence: its packet's first beat in FOLDER/{packet}.bin and its number of beats
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace transfab {

using Integers = std::vector<std::int64_t>;

template <typename T>
std::vector<T> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

// Whether a port pauses in a cycle: a share of them, at random.
class Stall {
 public:
  Stall(std::int64_t share, std::int64_t seed)
      : share_(share), draw_(static_cast<std::uint64_t>(seed)) {}
  bool operator()() { return share_ > 0 && static_cast<std::int64_t>(draw_() & 0xffff) < share_; }
  // True half of the time, unless nothing ever pauses.
  bool coin() { return share_ > 0 && (draw_() & 1) != 0; }

 private:
  std::int64_t share_;
  std::mt19937_64 draw_;
};

struct Packet {
  std::int64_t first, beats;
};

struct Job {
  explicit Job(const std::string& folder_name, std::size_t inputs) : folder(folder_name) {
    const Integers read = ReadFile<std::int64_t>(folder + "/job.bin");
    auto at = read.begin();
    seed = *at++, patience = *at++;
    stalls.assign(at, at + static_cast<std::ptrdiff_t>(inputs) + 1);
    at += static_cast<std::ptrdiff_t>(inputs) + 1;
    const auto count = *at++;
    sequences.assign(at, at + count), at += count;
    output_beats.assign(at, at + count), at += count;
    for (std::size_t i = 0; i < inputs; ++i) {
      packets.emplace_back();
      for (auto j = count; j > 0; --j, at += 2) packets.back().push_back({at[0], at[1]});
    }
    if (at != read.end()) throw std::runtime_error("job.bin is of other ports");
  }

  // Of a stream of its own for each port; the output is the last.
  Stall StallOf(std::size_t port) const {
    return Stall(stalls[port], seed * 64 + static_cast<std::int64_t>(port));
  }

  std::string folder;
  std::int64_t seed, patience;
  Integers stalls, sequences, output_beats;
  std::vector<std::vector<Packet>> packets;
};

}  // namespace transfab
