// What is replaced in libxrt_swemu 2.13 (Debian 202210.2.13.466+dfsg-8) when it is relinked.
//
// alloc_void as shipped drops the result of realloc, so that loading an xclbin aborts. The rest
// keeps the host alive and answering when a device process ends or hangs. As shipped, reads spin
// for ever at the end of the stream, a handler of SIGCHLD sends SIGTERM to the whole process group
// and exits, closing a device waits for any child at all and shuts protobuf down under the other
// devices, and munmap tears a hole into the heap for each buffer, which posix_memalign gave.
//
// Here a device that is lost stays lost: each of its later calls is answered by a made-up response
// that says "finished" (so that XRT's scheduler thread lets go of its commands), and the binding
// asks TransfabLost after each call, so that no such answer is ever taken for a result.
//
// swemu_process.cpp has what is taken from the C library otherwise. The two classes have the layout
// of that version, which install.py checks by hash.

#include "swemu.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <string>

#define TRANSFAB_API extern "C" __attribute__((visibility("default")))

class unix_socket {
  int fd;
  std::string name;  // /tmp/$USER/deviceINDEX_COUNT_PID

 public:
  bool server_started;

  void start_server(double seconds, bool fatal);
  ssize_t sk_write(const void* data, size_t size);
  ssize_t sk_read(void* data, size_t size);
};
static_assert(sizeof(unix_socket) == 0x30, "fd, name at 8, server_started at 0x28");

namespace xclcpuemhal2 {
class CpuemShim {
  char skipped_[0x670];
  void* buf;
  size_t buf_size;

 public:
  size_t alloc_void(size_t size);
};

size_t CpuemShim::alloc_void(size_t size) {
  if (buf_size >= size && buf_size != 0) return buf_size;
  const size_t wanted = std::max<size_t>(size, 1);
  void* grown = std::realloc(buf_size == 0 ? nullptr : buf, wanted);
  if (grown == nullptr) return 0;
  buf = grown;
  return wanted;
}
}  // namespace xclcpuemhal2

namespace {
using Clock = std::chrono::steady_clock;

struct Device {
  pid_t process = 0;
  uint32_t call = 0;
  char header[kRequestHeader] = {};
  bool header_is_next = true;
  bool response_header_is_next = true;
  bool kept = false;       // this call is answered here
  bool busy = false;       // ... with a unit that runs
  bool started = false;    // the call before started a run
  std::set<size_t> ended;  // units whose end came with that of another one
  std::atomic<bool> lost{false};
  std::atomic<bool> silent{false};  // lost because it did not answer in time
};

std::mutex guard;
std::map<const unix_socket*, Device> by_socket;
std::map<int, const unix_socket*> by_index;
double seconds_to_answer = 30.0;

Device& Find(const unix_socket* socket) {
  std::lock_guard<std::mutex> lock(guard);
  return by_socket[socket];
}

void Lose(Device& device, bool silent) {
  if (device.lost) return;
  device.silent = silent;  // read after `lost`
  device.lost = true;
  if (device.process > 0) kill(device.process, SIGKILL);
}

// Milliseconds until `end`, at least 0.
int Left(Clock::time_point end) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
  return static_cast<int>(std::max<int64_t>(left.count(), 0));
}

Clock::time_point Deadline() {
  return Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(seconds_to_answer * 1e3));
}

// Whether `fd` was ready in time.
bool Await(int fd, short events, Clock::time_point end) {
  while (true) {
    pollfd entry{fd, events, 0};
    const int ready = poll(&entry, 1, Left(end));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

// Bytes that did not come, because the device is lost.
size_t Receive(int fd, Device& device, char* next, size_t left, Clock::time_point end) {
  while (left > 0 && !device.lost) {
    const ssize_t got = recv(fd, next, left, MSG_DONTWAIT);
    if (got > 0) {
      next += got;
      left -= static_cast<size_t>(got);
    } else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (!Await(fd, POLLIN, end)) Lose(device, true);
    } else if (got == 0 || errno != EINTR) {
      Lose(device, false);
    }
  }
  return left;
}

void Note(Device& device, Field units) {
  for (size_t at = 0; at + sizeof(uint64_t) <= units.value; at += sizeof(uint64_t)) {
    uint64_t address = 0;
    std::memcpy(&address, units.bytes + at, sizeof(address));
    device.ended.insert(address);
  }
}
}  // namespace

void unix_socket::start_server(double, bool) {
  const pid_t process = last_forked;
  const auto end = Deadline();
  fd = -1;
  server_started = true;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, name.c_str(), sizeof(address.sun_path) - 1);
  unlink(address.sun_path);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool listens =
      listener >= 0 &&
      bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
      listen(listener, 1) == 0;
  while (listens && fd < 0 && Left(end) > 0) {
    // Not to be inherited: another device's process would hold this one's stream open.
    if (Await(listener, POLLIN, std::min(end, Clock::now() + std::chrono::milliseconds(50))))
      fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    else if (wait4(process, nullptr, WNOHANG, nullptr) != 0)
      break;
  }
  if (listener >= 0) close(listener);
  unlink(address.sun_path);
  int index = -1;
  const size_t at = name.rfind("/device");
  if (at != std::string::npos) index = std::atoi(name.c_str() + at + 7);
  std::lock_guard<std::mutex> lock(guard);
  by_socket.erase(this);  // of a socket that was at this address before
  Device& device = by_socket[this];
  device.process = process;
  by_index[index] = this;
  if (fd < 0) Lose(device, listens && Left(end) == 0);
}

ssize_t unix_socket::sk_write(const void* data, size_t size) {
  Device& device = Find(this);
  device.header_is_next = !device.header_is_next;
  // A header waits for its payload: one message wakes the device's process once.
  if (!device.header_is_next && size == kRequestHeader) {
    std::memcpy(device.header, data, size);
    std::memcpy(&device.call, device.header + 10, sizeof(device.call));
    if (device.call == kClose) closing = device.process;
    return static_cast<ssize_t>(size);
  }
  // Writes of registers are posted, as on PCIe. Of the two that start a run, all of the first but
  // the start bit is in the second. XRT looks at a unit at once after it has started it: it runs.
  const bool looks = device.call == kReadControl;
  device.busy = looks && device.started;
  device.started = device.call == kWriteControl;
  const Field words = FieldOf(data, size, kWords);
  const bool first = device.started && words.value > 4 && (words.bytes[0] & 1) == 0;
  const bool told =
      looks && !device.busy && device.ended.erase(FieldOf(data, size, kAddress).value) > 0;
  device.kept = device.busy || device.started || told;
  if (device.busy || first || told) return static_cast<ssize_t>(size);
  const auto end = Deadline();
  iovec parts[2] = {{device.header, kRequestHeader}, {const_cast<void*>(data), size}};
  while (parts[0].iov_len + parts[1].iov_len > 0 && !device.lost) {
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      size_t gone = static_cast<size_t>(sent);
      for (iovec& part : parts) {
        const size_t of_this = std::min(gone, part.iov_len);
        part.iov_base = static_cast<char*>(part.iov_base) + of_this;
        part.iov_len -= of_this;
        gone -= of_this;
      }
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!Await(fd, POLLOUT, end)) Lose(device, true);
    } else if (errno != EINTR) {
      Lose(device, false);
    }
  }
  return static_cast<ssize_t>(size);
}

// A call that was not sent is answered as done.
ssize_t unix_socket::sk_read(void* data, size_t size) {
  Device& device = Find(this);
  const bool header = device.response_header_is_next;
  device.response_header_is_next = !header;
  size_t left = size;
  if (!device.kept) left = Receive(fd, device, static_cast<char*>(data), size, Deadline());
  if (left == 0) {
    if (!header && device.call == kReadControl) Note(device, FieldOf(data, size, kEnded));
    return static_cast<ssize_t>(size);
  }
  std::string nothing = Nothing(device.call);
  if (device.busy) nothing[4] = 1;  // start alone
  char* out = static_cast<char*>(data);
  if (header && size == kResponseHeader) {
    const uint64_t length = nothing.size();
    out[0] = 0x09;
    std::memcpy(out + 1, &length, sizeof(length));
    return static_cast<ssize_t>(size);
  }
  // Padded to the size that was announced: one byte in the first integer, else empty fields 15.
  std::string filled = nothing;
  if (size % 2 != filled.size() % 2) {
    filled[1] = static_cast<char>(filled[1] | 0x80);
    filled.insert(2, 1, '\0');
  }
  while (filled.size() < size) filled += std::string("\x78\x00", 2);
  std::memcpy(out, filled.data(), size);
  return static_cast<ssize_t>(size);
}

void Forget(pid_t process) {
  std::lock_guard<std::mutex> lock(guard);
  for (auto entry = by_index.begin(); entry != by_index.end();) {
    const bool found = by_socket[entry->second].process == process;
    entry = found ? by_index.erase(entry) : std::next(entry);
  }
}

// --- what the binding asks ---

// 0: the device answers or was never loaded, 1: its process has ended, 2: it did not answer in time
TRANSFAB_API int TransfabLost(int index) {
  std::lock_guard<std::mutex> lock(guard);
  const auto found = by_index.find(index);
  if (found == by_index.end()) return 0;
  const Device& device = by_socket[found->second];
  return device.lost ? (device.silent ? 2 : 1) : 0;
}

TRANSFAB_API int TransfabProcess(int index) {
  std::lock_guard<std::mutex> lock(guard);
  const auto found = by_index.find(index);
  return found == by_index.end() ? 0 : by_socket[found->second].process;
}

// Ends the device's process: a kernel that never finishes has no other way out.
TRANSFAB_API void TransfabEnd(int index) {
  std::lock_guard<std::mutex> lock(guard);
  const auto found = by_index.find(index);
  if (found != by_index.end()) Lose(by_socket[found->second], false);
}

TRANSFAB_API void TransfabSecondsToAnswer(double seconds) { seconds_to_answer = seconds; }
