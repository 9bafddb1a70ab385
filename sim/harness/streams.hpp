// AXI4-Stream ports of a Verilated top: what sends packets into them and what takes them out.
//
// `Sample` reads the wires of a cycle, before the rising edge; `Drive` sets those of the next.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "config.hpp"
#include "job.hpp"

namespace transfab {

constexpr int kBeatBytes = Config::kBeatBytes;
constexpr int kKeepBytes = kBeatBytes / 8;

// The wires of one port; `strb` may be none.
struct Pins {
  const char* name;
  std::uint32_t* data;
  std::uint8_t *keep, *strb, *valid, *ready, *last;
};

// A port, how far it is, and the cycles of each packet's first and last beat.
class Port {
 public:
  struct Span {
    std::int64_t first = -1, last = -1;
  };

  bool finished() const { return moved_ == wanted_; }
  const char* name() const { return pins_.name; }
  const std::vector<Span>& spans() const { return spans_; }
  std::string state() const {
    return std::string(pins_.name) + " valid " + std::to_string(*pins_.valid) + " ready " +
           std::to_string(*pins_.ready) + ", " + std::to_string(moved_) + " of " +
           std::to_string(wanted_) + " beats";
  }

 protected:
  Port(const Pins& pins, Integers beats, Stall stall)
      : pins_(pins), stall_(stall), beats_(std::move(beats)), spans_(beats_.size()) {
    for (const std::int64_t count : beats_) wanted_ += count;
  }

  bool at_last() const { return beat_ + 1 == beats_[packet_]; }

  void Move(std::int64_t cycle) {
    if (beat_ == 0) spans_[packet_].first = cycle;
    if (at_last()) spans_[packet_].last = cycle;
    ++moved_, ++beat_;
    if (beat_ == beats_[packet_]) beat_ = 0, ++packet_;
  }

  Pins pins_;
  Stall stall_;
  Integers beats_;
  std::vector<Span> spans_;
  std::size_t packet_ = 0;
  std::int64_t beat_ = 0, moved_ = 0, wanted_ = 0;
};

// Sends a packet a sequence.
class Sender : public Port {
 public:
  Sender(const Pins& pins, const Job& job, std::size_t index)
      : Port(pins, Counts(job.packets[index]), job.StallOf(index)),
        packets_(job.packets[index]),
        bytes_(ReadFile<std::uint8_t>(job.folder + "/" + pins.name + ".bin")) {
    std::memset(pins.keep, 0xff, kKeepBytes);
    if (pins.strb != nullptr) std::memset(pins.strb, 0xff, kKeepBytes);
    *pins.valid = 0;
  }

  bool Sample(std::int64_t cycle) {
    taken_ = *pins_.valid && *pins_.ready;
    if (taken_) Move(cycle);
    return taken_;
  }

  void Drive() {
    if (*pins_.valid && !taken_) return;
    *pins_.valid = !finished() && !stall_();
    if (!*pins_.valid) return;
    const auto beat = static_cast<std::size_t>(packets_[packet_].first + beat_);
    std::memcpy(pins_.data, bytes_.data() + beat * kBeatBytes, kBeatBytes);
    *pins_.last = at_last();
  }

 private:
  static Integers Counts(const std::vector<Packet>& packets) {
    Integers counts;
    for (const Packet& packet : packets) counts.push_back(packet.beats);
    return counts;
  }

  std::vector<Packet> packets_;
  std::vector<std::uint8_t> bytes_;
  bool taken_ = false;
};

// Takes a packet a sequence into output.bin; checks TKEEP, TLAST, and that an offer stands.
class Receiver : public Port {
 public:
  Receiver(const Pins& pins, const Job& job)
      : Port(pins, job.output_beats, job.StallOf(job.packets.size())),
        file_(job.folder + "/output.bin", std::ios::binary) {
    *pins.ready = 0;
  }

  bool Sample(std::int64_t cycle) {
    const bool valid = *pins_.valid, ready = *pins_.ready;
    if (waiting_ && !valid) Fail("takes back a beat that was not taken");
    if (waiting_ && (std::memcmp(held_, pins_.data, kBeatBytes) != 0 || last_ != *pins_.last)) {
      Fail("changes a beat that was not taken");
    }
    waiting_ = valid && !ready;
    if (waiting_) {
      std::memcpy(held_, pins_.data, kBeatBytes);
      last_ = *pins_.last;
    }
    if (!valid || !ready) return false;
    if (finished()) Fail("has a beat after its last packet");
    for (int i = 0; i < kKeepBytes; ++i) {
      if (pins_.keep[i] != 0xff) Fail("does not keep all bytes of a beat (TKEEP)");
    }
    if (*pins_.last && !at_last()) Fail("has TLAST before its last beat");
    if (!*pins_.last && at_last()) Fail("has no TLAST on its last beat");
    file_.write(reinterpret_cast<const char*>(pins_.data), kBeatBytes);
    Move(cycle);
    patient_ = stall_.coin();
    return true;
  }

  void Drive() { *pins_.ready = (waiting_ || !patient_) && !stall_(); }

  void Close() {
    file_.close();
    if (!file_) throw std::runtime_error("cannot write output.bin");
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const {
    throw std::runtime_error("packet " + std::string(pins_.name) + " " + what + ": sequence " +
                             std::to_string(packet_) + " beat " + std::to_string(beat_) + " of " +
                             std::to_string(finished() ? 0 : beats_[packet_]));
  }

  std::ofstream file_;
  bool waiting_ = false;
  // Ready comes after valid, which must not wait for it.
  bool patient_ = false;
  std::uint32_t held_[kBeatBytes / 4] = {};
  std::uint8_t last_ = 0;
};

}  // namespace transfab
