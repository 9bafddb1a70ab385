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

namespace {
// A varint of protobuf, 0 behind its end.
size_t Varint(const unsigned char** at, const unsigned char* end) {
  size_t value = 0;
  for (int shift = 0; *at < end && shift < 64; shift += 7) {
    const unsigned char byte = *(*at)++;
    value |= static_cast<size_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return 0;
}
}  // namespace

Field FieldOf(const void* payload, size_t size, unsigned number) {
  const unsigned char* at = static_cast<const unsigned char*>(payload);
  const unsigned char* end = at + size;
  while (at < end) {
    const size_t tag = Varint(&at, end);
    const size_t value = Varint(&at, end);
    const bool bytes = (tag & 7) == 2;
    if ((!bytes && (tag & 7) != 0) || (bytes && value > static_cast<size_t>(end - at))) break;
    if (tag >> 3 == number) return Field{value, at};
    if (bytes) at += value;
  }
  return Field{0, nullptr};
}

std::string Nothing(uint32_t call) {
  switch (call) {
    case kLoad:
    case kAlloc:
    case kToDevice:
      return std::string("\x08\x00", 2);
    case kToHost:
      return std::string("\x08\x00\x12\x00", 4);  // size 0, no bytes
    case kReadControl:
    case kReadRegister:
      return std::string("\x08\x01\x12\x04\x06\x00\x00\x00", 8);  // done and idle
    default:
      return std::string("\x08\x01", 2);
  }
}

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
