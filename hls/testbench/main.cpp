// Runs tops on exported packets and compares every byte of what they write; needs no Python.
//
//   main FOLDER [TOP ...]      by default qkv attention intermediate output
//
// FOLDER is what `transfab export --format beats` writes. 0 if every byte is exact, 1 after the
// first mismatch of each packet, 2 for what cannot be run. AMD's tools use it for C simulation and
// co-simulation: `-argv {FOLDER qkv}`.
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "library.hpp"
#include "packets.hpp"

namespace transfab {
namespace {

using Packet = std::vector<std::uint8_t>;

// The packets of each top, activations first, then its output.
struct Ports {
  const char* top;
  std::vector<std::string> activations, parameters;
  std::string written;
};

const std::vector<Ports>& AllPorts() {
  static const std::vector<Ports> kPorts = {
      {"qkv", {"hidden"}, {"qkv"}, "qkv"},
      {"attention", {"qkv", "hidden"}, {"attention"}, "attention_output"},
      {"intermediate", {"attention_output"}, {"intermediate"}, "intermediate"},
      {"output", {"intermediate", "attention_output"}, {"output"}, "output"},
      {"board_a", {"hidden"}, {"qkv", "attention"}, "attention_output"},
      {"board_b", {"attention_output"}, {"intermediate", "output"}, "output"},
      {"layer", {"hidden"}, {"qkv", "attention", "intermediate", "output"}, "output"},
  };
  return kPorts;
}

const Ports& PortsOf(const std::string& top) {
  for (const Ports& ports : AllPorts()) {
    if (top == ports.top) return ports;
  }
  throw std::runtime_error("there is no top " + top);
}

// index.txt: `build HASH`, `batch B`, `sequence S`, and `layer N` for each layer.
struct Index {
  std::string build;
  std::int64_t batch = 0, sequence = 0;
  std::vector<int> layers;
};

Index ReadIndex(const std::string& folder) {
  std::ifstream file(folder + "/index.txt");
  if (!file) {
    throw std::runtime_error("cannot read " + folder +
                             "/index.txt: write it with `transfab export --format beats`");
  }
  Index index;
  std::string key;
  while (file >> key) {
    int layer = 0;
    if (key == "build") {
      file >> index.build;
    } else if (key == "batch") {
      file >> index.batch;
    } else if (key == "sequence") {
      file >> index.sequence;
    } else if (key == "layer" && file >> layer) {
      index.layers.push_back(layer);
    } else {
      throw std::runtime_error(folder + "/index.txt has a line of another version: " + key);
    }
  }
  char built[17];
  std::snprintf(built, sizeof built, "%016llx",
                static_cast<unsigned long long>(Config::kBuildHash));
  if (index.build != built) {
    throw std::runtime_error(folder + " is for build " + index.build + ", these kernels are " +
                             built + ": export it again with the engine that they were built with");
  }
  return index;
}

Packet ReadPacket(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  Packet bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (bytes.size() % Config::kBeatBytes != 0) {
    throw std::runtime_error(path + " does not hold whole beats");
  }
  return bytes;
}

std::string Padded(std::int64_t number, std::size_t digits) {
  const std::string text = std::to_string(number);
  return std::string(text.size() < digits ? digits - text.size() : 0, '0') + text;
}

// Runs a top on one sequence of one layer; false, and a line that says where, if a byte differs.
bool Exact(const std::string& folder, const Index& index, int layer, std::int64_t number,
           const Ports& ports) {
  const std::string of_layer = folder + "/layer" + Padded(layer, 2) + "/";
  const std::string of_sequence = of_layer + "sequence" + Padded(number, 3) + "/";
  std::vector<Packet> packets;
  for (const std::string& name : ports.activations) {
    packets.push_back(ReadPacket(of_sequence + name + ".bin"));
  }
  for (const std::string& stage : ports.parameters) {
    packets.push_back(ReadPacket(of_layer + stage + "_parameters.bin"));
  }
  const Packet expected = ReadPacket(of_sequence + ports.written + ".bin");
  std::vector<const std::uint8_t*> inputs;
  std::vector<std::int64_t> beats;
  for (const Packet& packet : packets) {
    inputs.push_back(packet.data());
    beats.push_back(static_cast<std::int64_t>(packet.size()) / Config::kBeatBytes);
  }
  Packet got(expected.size());
  char error[256];
  const auto written = static_cast<std::int64_t>(expected.size()) / Config::kBeatBytes;
  if (!TransfabRunTop(ports.top, index.sequence, inputs.data(), beats.data(), got.data(), written,
                      error, sizeof error)) {
    throw std::runtime_error("layer " + std::to_string(layer) + " top " + ports.top + ": " + error);
  }
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (got[i] == expected[i]) continue;
    const Place place = PlaceOf(ports.written, number, index.sequence, i);
    std::cout << "layer " << layer << " stage " << ports.top << " tensor " << TextOf(place)
              << " expected " << ElementAt(place, expected) << " got " << ElementAt(place, got)
              << "\n";
    return false;
  }
  return true;
}

int Main(const std::vector<std::string>& arguments) {
  if (arguments.empty()) throw std::runtime_error("usage: main FOLDER [TOP ...]");
  const std::string& folder = arguments[0];
  std::vector<std::string> tops(arguments.begin() + 1, arguments.end());
  if (tops.empty()) tops = {"qkv", "attention", "intermediate", "output"};
  for (const std::string& top : tops) PortsOf(top);
  const Index index = ReadIndex(folder);
  int packets = 0, wrong = 0;
  for (const int layer : index.layers) {
    for (const std::string& top : tops) {
      for (std::int64_t number = 0; number < index.batch; ++number) {
        ++packets;
        if (!Exact(folder, index, layer, number, PortsOf(top))) ++wrong;
      }
    }
  }
  if (packets == 0) throw std::runtime_error(folder + "/index.txt names no packet");
  std::cout << packets << " packets compared, "
            << (wrong == 0 ? "every byte exact" : std::to_string(wrong) + " NOT exact") << "\n";
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace transfab

int main(int count, char** arguments) {
  try {
    return transfab::Main(std::vector<std::string>(arguments + 1, arguments + count));
  } catch (const std::exception& failure) {
    std::cerr << failure.what() << "\n";
    return 2;
  }
}
