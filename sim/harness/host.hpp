// A host on AXI4-Lite: checks the build hash, starts each sequence, acknowledges each done.
//
// Before a start it writes S and waits for ready; S is the next one's once ready has been read.
#pragma once

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "config.hpp"
#include "job.hpp"

namespace transfab {

template <typename Top>
class Host {
 public:
  Host(Top& top, const Job& job) : top_(top), job_(job) {
    top_.s_axi_control_AWVALID = 0;
    top_.s_axi_control_WVALID = 0;
    top_.s_axi_control_ARVALID = 0;
    top_.s_axi_control_BREADY = 1;
    top_.s_axi_control_RREADY = 1;
    top_.s_axi_control_WSTRB = 0xf;
    Read(Registers::kBuildHashLow);
  }

  bool finished() const { return phase_ == Phase::kFinished; }
  std::string state() const {
    const auto count = [](std::int64_t value) { return std::to_string(value); };
    return "registers: " + count(started_) + " sequences started, " + count(taken_) + " taken, " +
           count(done_) + " done; AW " +
           Wires(top_.s_axi_control_AWVALID, top_.s_axi_control_AWREADY) + ", W " +
           Wires(top_.s_axi_control_WVALID, top_.s_axi_control_WREADY) + ", B " +
           Wires(top_.s_axi_control_BVALID, top_.s_axi_control_BREADY) + ", AR " +
           Wires(top_.s_axi_control_ARVALID, top_.s_axi_control_ARREADY) + ", R " +
           Wires(top_.s_axi_control_RVALID, top_.s_axi_control_RREADY);
  }

  void Sample() {
    address_taken_ = top_.s_axi_control_AWVALID && top_.s_axi_control_AWREADY;
    data_taken_ = top_.s_axi_control_WVALID && top_.s_axi_control_WREADY;
    read_taken_ = top_.s_axi_control_ARVALID && top_.s_axi_control_ARREADY;
    answered_ = writing_ ? top_.s_axi_control_BVALID : top_.s_axi_control_RVALID;
    value_ = top_.s_axi_control_RDATA;
    const int response = writing_ ? top_.s_axi_control_BRESP : top_.s_axi_control_RRESP;
    if (answered_ && response != 0) throw std::runtime_error("a register access is refused");
  }

  void Drive() {
    if (address_taken_) top_.s_axi_control_AWVALID = 0;
    if (data_taken_) top_.s_axi_control_WVALID = 0;
    if (read_taken_) top_.s_axi_control_ARVALID = 0;
    if (answered_) busy_ = false;
    if (busy_ || finished()) return;
    if (pause_ > 0) {
      --pause_;
      return;
    }
    Next();
  }

 private:
  enum class Phase { kHashLow, kHashHigh, kSequence, kStart, kPoll, kContinue, kIdle, kFinished };
  static constexpr std::uint32_t kStartBit = 1, kDoneBit = 2, kIdleBit = 4, kReadyBit = 8,
                                 kContinueBit = 16;
  static constexpr int kPollCycles = 8;

  static std::string Wires(int valid, int ready) {
    return "valid " + std::to_string(valid) + " ready " + std::to_string(ready);
  }

  // The last access is over.
  void Next() {
    switch (phase_) {
      case Phase::kHashLow:
        hash_ = value_;
        phase_ = Phase::kHashHigh;
        return Read(Registers::kBuildHashHigh);
      case Phase::kHashHigh:
        hash_ |= static_cast<std::uint64_t>(value_) << 32;
        if (hash_ != Config::kBuildHash) throw std::runtime_error("another build: " + Hashes());
        return Turn();
      case Phase::kSequence:
        phase_ = Phase::kStart;
        ++started_;
        return Write(Registers::kControl, kStartBit);
      case Phase::kStart:
      case Phase::kContinue:
        return Turn();
      case Phase::kPoll:
        pause_ = kPollCycles;
        if (value_ & kReadyBit) ++taken_;
        if (value_ & kDoneBit) {
          ++done_;
          phase_ = Phase::kContinue;
          return Write(Registers::kControl, kContinueBit);
        }
        return Turn();
      case Phase::kIdle:
        if (!(value_ & kIdleBit)) throw std::runtime_error("not idle after the last sequence");
        phase_ = Phase::kFinished;
        return;
      case Phase::kFinished:
        return;
    }
  }

  void Turn() {
    const auto count = static_cast<std::int64_t>(job_.sequences.size());
    if (started_ == taken_ && started_ < count) {
      phase_ = Phase::kSequence;
      const auto index = static_cast<std::size_t>(started_);
      return Write(Registers::kSequence, static_cast<std::uint32_t>(job_.sequences[index]));
    }
    phase_ = done_ == count ? Phase::kIdle : Phase::kPoll;
    if (taken_ < done_) throw std::runtime_error("done before ready");
    Read(Registers::kControl);
  }

  void Write(int offset, std::uint32_t value) {
    top_.s_axi_control_AWADDR = static_cast<std::uint8_t>(offset);
    top_.s_axi_control_WDATA = value;
    top_.s_axi_control_AWVALID = 1;
    top_.s_axi_control_WVALID = 1;
    busy_ = writing_ = true;
  }

  void Read(int offset) {
    top_.s_axi_control_ARADDR = static_cast<std::uint8_t>(offset);
    top_.s_axi_control_ARVALID = 1;
    busy_ = true, writing_ = false;
  }

  std::string Hashes() const {
    char text[80];
    std::snprintf(text, sizeof text, "the registers read %016llx, not %016llx",
                  static_cast<unsigned long long>(hash_),
                  static_cast<unsigned long long>(Config::kBuildHash));
    return text;
  }

  Top& top_;
  const Job& job_;
  Phase phase_ = Phase::kHashLow;
  std::int64_t started_ = 0, taken_ = 0, done_ = 0;
  std::uint64_t hash_ = 0;
  std::uint32_t value_ = 0;
  int pause_ = 0;
  bool busy_ = false, writing_ = false, answered_ = false;
  bool address_taken_ = false, data_taken_ = false, read_taken_ = false;
};

}  // namespace transfab
