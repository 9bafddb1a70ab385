// What the relinked shim takes from here instead of from the C library and protobuf: hidden symbols
// under the libraries' names, which serve this library only. swemu.cpp says why.

#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "swemu.hpp"

#define TRANSFAB_HIDDEN extern "C" __attribute__((visibility("hidden")))

using Clock = std::chrono::steady_clock;

thread_local pid_t last_forked = 0;
thread_local pid_t closing = 0;

TRANSFAB_HIDDEN int sigaction(int, const struct sigaction*, struct sigaction*) noexcept {
  return 0;
}

TRANSFAB_HIDDEN pid_t fork() noexcept {
  static const auto real = reinterpret_cast<pid_t (*)()>(dlsym(RTLD_NEXT, "fork"));
  const pid_t child = real();
  if (child != 0) last_forked = child;
  return child;
}

// Closing waits for "any child of this group": only the device's own process is meant. Once it is
// gone the device may be opened and loaded again.
TRANSFAB_HIDDEN pid_t waitpid(pid_t, int*, int) {
  const auto end = Clock::now() + std::chrono::seconds(5);
  while (closing > 0 && wait4(closing, nullptr, WNOHANG, nullptr) == 0) {
    if (Clock::now() > end) kill(closing, SIGKILL);
    usleep(1000);
  }
  Forget(closing);
  return 0;
}

// Buffers are given back by munmap(address, size).
TRANSFAB_HIDDEN int posix_memalign(void** address, size_t, size_t size) noexcept {
  *address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return *address == MAP_FAILED ? ENOMEM : 0;
}

namespace google {
namespace protobuf {
__attribute__((visibility("hidden"))) void ShutdownProtobufLibrary() {}
}  // namespace protobuf
}  // namespace google
