// What the two parts of the relinked shim share.

#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

// Of this thread: the last process that was forked, the device process that was last told to close.
extern thread_local pid_t last_forked;
extern thread_local pid_t closing;

// The device process has gone: its device may be opened and loaded again.
void Forget(pid_t process);

// A field of a payload: an integer, or the number of its bytes and where they are.
struct Field {
  size_t value;
  const unsigned char* bytes;
};

// The first field of that number; 0 and nullptr without one.
Field FieldOf(const void* payload, size_t size, unsigned number);

// Of the messages (wire.py): lengths of headers, fields of a write or a look and of a look's
// answer.
constexpr size_t kRequestHeader = 14;  // fixed64 size, fixed32 call, a tag byte each
constexpr size_t kResponseHeader = 9;  // fixed64 size and its tag byte
constexpr unsigned kAddress = 2, kWords = 4, kEnded = 3;

// Numbers of the calls, as in xcl_macros.h.
enum Call : uint32_t { kClose = 1, kLoad = 3, kAlloc = 4, kToDevice = 6, kToHost = 7 };
constexpr uint32_t kWriteControl = 9, kReadControl = 11, kReadRegister = 52;

// The payload of a response that carries nothing: field 1 is 1 (done), or 0 (nothing was done).
std::string Nothing(uint32_t call);
