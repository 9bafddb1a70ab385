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

// Whether this payload of a write of registers is the block that XRT sends before the one that
// starts a run: all of the same but the start bit.
bool IsFirstOfTwo(const void* payload, size_t size);

// Numbers of the calls, as in xcl_macros.h.
enum Call : uint32_t { kClose = 1, kLoad = 3, kAlloc = 4, kToDevice = 6, kToHost = 7 };
constexpr uint32_t kWriteControl = 9, kReadControl = 11, kReadRegister = 52;

// The payload of a response that carries nothing: field 1 is 1 (done), or 0 (nothing was done).
std::string Nothing(uint32_t call);
