// The C interface that Python calls: pack a layer, run stages of it, free it.
//
// Arrays come as names and pointers (named.hpp). No exception crosses: a failed call leaves its
// reason in `error` and returns null or false.

#include "layer.hpp"

#include <cstdio>
#include <exception>

#include "self_check.hpp"

namespace {

constexpr std::size_t kErrorSize = 256;

void Report(const std::exception& problem, char* error) {
  std::snprintf(error, kErrorSize, "%s", problem.what());
}

}  // namespace

extern "C" {

bool TransfabSelfCheck() { return transfab::SelfCheck().Passes(); }

void* TransfabPack(std::int64_t count, const char* const* names, void* const* pointers,
                   char* error) {
  try {
    return new transfab::Layer(transfab::Named(count, names, pointers));
  } catch (const std::exception& problem) {
    Report(problem, error);
    return nullptr;
  }
}

// sizes: first stage, last stage, batch, sequence, threads
bool TransfabRun(const void* layer, const std::int64_t* sizes, std::int64_t count,
                 const char* const* names, void* const* pointers, char* error) {
  try {
    const transfab::Call call{static_cast<transfab::Stage>(sizes[0]),
                              static_cast<transfab::Stage>(sizes[1]), sizes[2], sizes[3], sizes[4]};
    static_cast<const transfab::Layer*>(layer)->Run(call, transfab::Named(count, names, pointers));
    return true;
  } catch (const std::exception& problem) {
    Report(problem, error);
    return false;
  }
}

void TransfabFree(void* layer) { delete static_cast<transfab::Layer*>(layer); }
}
