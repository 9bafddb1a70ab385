// Runs one Verilated top on the packets of FOLDER (job.hpp) and writes output.bin and result.json.
//
//   program FOLDER [WAVES.vcd]
//
// activity.bin: pairs of int64, a cycle and what its units are doing (a bit each) from then on.
// result.json: what failed, if anything; the cycle of the end; CPU seconds; of each port and
// sequence the cycles of its packet's first and last beat. Cycle 0 is the first one out of reset.
// ports.hpp and config.hpp are generated (model.py).
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <exception>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "Vtop.h"
#include "Vtop___024root.h"
#include "host.hpp"
#include "job.hpp"
#include "ports.hpp"
#include "streams.hpp"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

namespace transfab {
namespace {

constexpr int kResetCycles = 16;
// A beat too many would come in the cycles after the last done.
constexpr int kQuietCycles = 512;

#define TRANSFAB_PINS(packet)                                                                     \
  Pins {                                                                                          \
    #packet, top_->packet##_TDATA.data(), reinterpret_cast<std::uint8_t*>(&top_->packet##_TKEEP), \
        TRANSFAB_STRB(packet), &top_->packet##_TVALID, &top_->packet##_TREADY,                    \
        &top_->packet##_TLAST                                                                     \
  }

class Simulation {
 public:
  Simulation(VerilatedContext* context, const std::string& folder, const char* waves)
      : context_(context),
        job_(folder, kInputs),
        top_(Seeded(context, job_.seed)),
        host_(*top_, job_),
        receiver_(TRANSFAB_OUTPUT(TRANSFAB_PINS), job_) {
    for (const Pins& pins : {TRANSFAB_INPUTS(TRANSFAB_PINS)}) {
      senders_.emplace_back(pins, job_, senders_.size());
    }
#if VM_TRACE
    if (waves != nullptr) {
      context->traceEverOn(true);
      trace_.reset(new VerilatedVcdC);
      top_->trace(trace_.get(), 99);
      trace_->open(waves);
    }
#else
    if (waves != nullptr) throw std::runtime_error("built without waves");
#endif
  }

  ~Simulation() {
    top_->final();
#if VM_TRACE
    if (trace_) trace_->close();
#endif
  }

  void Run() {
    top_->ap_clk = 0;
    top_->ap_rst_n = 0;
    for (int i = 0; i < kResetCycles; ++i) {
      top_->eval();
      Edge();
    }
    top_->ap_rst_n = 1;
    for (std::int64_t moved = 0; !Finished(); ++cycle_) {
      if (Step()) moved = cycle_;
      if (cycle_ - moved > job_.patience) throw std::runtime_error(Stuck());
    }
    for (int i = 0; i < kQuietCycles; ++i, ++cycle_) Step();
    receiver_.Close();
  }

  void WriteActivity() const {
    std::ofstream file(job_.folder + "/activity.bin", std::ios::binary);
    file.write(reinterpret_cast<const char*>(activity_.data()),
               static_cast<std::streamsize>(activity_.size() * sizeof(activity_[0])));
  }

  std::string Result(const std::string& failure) const {
    std::ostringstream out;
    out << "{\"failure\": \"" << failure << "\", \"cycle\": " << cycle_ << ", \"spans\": {";
    for (const Sender& one : senders_) Spans(out, one) << ", ";
    Spans(out, receiver_) << "}";
    out << ", \"seconds\": " << static_cast<double>(std::clock()) / CLOCKS_PER_SEC << "}\n";
    return out.str();
  }

 private:
  // What reset does not set starts at random, so that a register that needs it is seen.
  static Vtop* Seeded(VerilatedContext* context, std::int64_t seed) {
    context->randReset(2);
    context->randSeed(static_cast<int>(seed % 0x7fffffff) + 1);
    return new Vtop(context, "top");
  }

  static std::ostream& Spans(std::ostream& out, const Port& port) {
    out << "\"" << port.name() << "\": [";
    const char* comma = "";
    for (const Port::Span& span : port.spans()) {
      out << comma << "[" << span.first << ", " << span.last << "]";
      comma = ", ";
    }
    return out << "]";
  }

  bool Finished() const {
    bool all = receiver_.finished() && host_.finished();
    for (const Sender& one : senders_) all = all && one.finished();
    return all;
  }

  // One cycle; whether a beat moved.
  bool Step() {
    for (Sender& one : senders_) one.Drive();
    receiver_.Drive();
    host_.Drive();
    top_->eval();
    bool moved = receiver_.Sample(cycle_);
    for (Sender& one : senders_) moved |= one.Sample(cycle_);
    host_.Sample();
    const std::int64_t activity = TRANSFAB_ACTIVITY;
    if (activity_.empty() || activity_.back() != activity) {
      activity_.insert(activity_.end(), {cycle_, activity});
    }
    Edge();
    return moved;
  }

  // The rising edge; the low half is the next cycle's.
  void Edge() {
    Dump();
    context_->timeInc(1);
    top_->ap_clk = 1;
    top_->eval();
    Dump();
    context_->timeInc(1);
    top_->ap_clk = 0;
    if (context_->gotFinish() || context_->gotError()) {
      throw std::runtime_error("the design ended the simulation at cycle " +
                               std::to_string(cycle_));
    }
  }

  void Dump() {
#if VM_TRACE
    if (trace_) trace_->dump(context_->time());
#endif
  }

  std::string Stuck() const {
    std::string text = "no beat for " + std::to_string(job_.patience) + " cycles, at cycle " +
                       std::to_string(cycle_) + ": ";
    for (const Sender& one : senders_) text += one.state() + "; ";
    return text + receiver_.state() + "; " + host_.state();
  }

  VerilatedContext* context_;
  Job job_;
  std::unique_ptr<Vtop> top_;
#if VM_TRACE
  std::unique_ptr<VerilatedVcdC> trace_;
#endif
  Host<Vtop> host_;
  Receiver receiver_;
  std::vector<Sender> senders_;
  std::vector<std::int64_t> activity_;
  std::int64_t cycle_ = 0;
};

}  // namespace
}  // namespace transfab

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FOLDER [WAVES.vcd]\n", argv[0]);
    return 2;
  }
  const std::string folder = argv[1];
  const auto context = std::make_unique<VerilatedContext>();
  std::string failure, result;
  try {
    const char* waves = argc > 2 ? argv[2] : nullptr;
    transfab::Simulation simulation(context.get(), folder, waves);
    try {
      simulation.Run();
    } catch (const std::exception& error) {
      failure = error.what();
    }
    result = simulation.Result(failure);
    simulation.WriteActivity();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  std::ofstream(folder + "/result.json") << result;
  return 0;
}
