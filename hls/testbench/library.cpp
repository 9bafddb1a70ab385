// Every top behind one C function, for C simulation in process.
//
// A run gets the beats of each input port in the order of the top's ports and fills the output's.
// It fails, with a message, when a port is read beyond its packet, when beats are left over, or
// when TLAST is not on the last beat of the output alone.
#include "library.hpp"

#include <cstdio>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "../tops/tops.hpp"

namespace transfab {
namespace {

constexpr std::size_t kBytes = Config::kBeatBytes;
// Kernels keep their buffers in static arrays, as hardware does: one run at a time.
std::mutex one_run;

struct Run {
  const std::uint8_t* const* inputs;
  const std::int64_t* beats;
  std::uint8_t* output;
  std::int64_t output_beats;
  std::int64_t sequence;
};

void Fill(const std::uint8_t* bytes, std::int64_t beats, ConfigPort& port) {
  for (std::int64_t i = 0; i < beats; ++i) {
    BeatOf<Config> beat;
    for (std::size_t b = 0; b < kBytes; ++b) {
      beat.byte[b] = bytes[static_cast<std::size_t>(i) * kBytes + b];
    }
    beat.last = i == beats - 1;
    WritePort(port, beat);
  }
}

void Drain(ConfigPort& port, std::uint8_t* bytes, std::int64_t beats) {
  for (std::int64_t i = 0; i < beats; ++i) {
    const BeatOf<Config> beat = ReadPort<Config::kBeatBytes>(port);
    for (std::size_t b = 0; b < kBytes; ++b) {
      bytes[static_cast<std::size_t>(i) * kBytes + b] = static_cast<std::uint8_t>(beat.byte[b]);
    }
    if (beat.last != (i == beats - 1)) {
      throw std::runtime_error("TLAST is wrong on beat " + std::to_string(i) + " of " +
                               std::to_string(beats));
    }
  }
}

template <std::size_t kCount, typename Top>
void CallTop(const Run& run, Top top) {
  ConfigPort ports[kCount], output;
  for (std::size_t i = 0; i < kCount; ++i) Fill(run.inputs[i], run.beats[i], ports[i]);
  BuildHash hash = 0;
  top(ports, output, Sequence(run.sequence), hash);
  if (hash != Config::kBuildHash) throw std::runtime_error("build hash is not this build's");
  for (std::size_t i = 0; i < kCount; ++i) {
    if (!ports[i].empty()) {
      throw std::runtime_error("input " + std::to_string(i) + " has " +
                               std::to_string(ports[i].size()) + " beats left over");
    }
  }
  Drain(output, run.output, run.output_beats);
  if (!output.empty()) {
    throw std::runtime_error("output has " + std::to_string(output.size()) + " beats too many");
  }
}

void RunTop(const std::string& name, const Run& run) {
  if (run.sequence < 1 || run.sequence > Config::kSequence) {
    throw std::runtime_error("sequence must be in [1, " + std::to_string(Config::kSequence) + "]");
  }
  using Ports = ConfigPort*;
  const auto sized = [&](auto count, auto call) { CallTop<decltype(count)::value>(run, call); };
  using Two = std::integral_constant<std::size_t, 2>;
  using Three = std::integral_constant<std::size_t, 3>;
  using Five = std::integral_constant<std::size_t, 5>;
  if (name == "qkv") {
    sized(Two{}, [](Ports in, ConfigPort& out, Sequence rows, BuildHash& hash) {
      qkv(in[0], in[1], out, rows, hash);
    });
  } else if (name == "attention") {
    sized(Three{}, [](Ports in, ConfigPort& out, Sequence rows, BuildHash& hash) {
      attention(in[0], in[1], in[2], out, rows, hash);
    });
  } else if (name == "intermediate") {
    sized(Two{}, [](Ports in, ConfigPort& out, Sequence rows, BuildHash& hash) {
      intermediate(in[0], in[1], out, rows, hash);
    });
  } else if (name == "output") {
    sized(Three{}, [](Ports in, ConfigPort& out, Sequence rows, BuildHash& hash) {
      output(in[0], in[1], in[2], out, rows, hash);
    });
  } else if (name == "board_a") {
    sized(Three{}, [](Ports in, ConfigPort& out, Sequence rows, BuildHash& hash) {
      board_a(in[0], in[1], in[2], out, rows, hash);
    });
  } else if (name == "board_b") {
    sized(Three{}, [](Ports in, ConfigPort& out, Sequence rows, BuildHash& hash) {
      board_b(in[0], in[1], in[2], out, rows, hash);
    });
  } else if (name == "layer") {
    sized(Five{}, [](Ports in, ConfigPort& out, Sequence rows, BuildHash& hash) {
      layer(in[0], in[1], in[2], in[3], in[4], out, rows, hash);
    });
  } else {
    throw std::runtime_error("there is no top " + name);
  }
}

}  // namespace
}  // namespace transfab

bool TransfabRunTop(const char* top, std::int64_t sequence, const std::uint8_t* const* inputs,
                    const std::int64_t* beats, std::uint8_t* output, std::int64_t output_beats,
                    char* error, std::size_t error_size) {
  try {
    const std::lock_guard<std::mutex> guard(transfab::one_run);
    transfab::RunTop(top, {inputs, beats, output, output_beats, sequence});
    return true;
  } catch (const std::exception& failure) {
    std::snprintf(error, error_size, "%s", failure.what());
    return false;
  }
}
