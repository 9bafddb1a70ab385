// What the two parts of the relinked shim share.

#pragma once

#include <sys/types.h>

#include <cstddef>

// Of this thread: the last process that was forked, the device process that was last told to close.
extern thread_local pid_t last_forked;
extern thread_local pid_t closing;

// The device process has gone: its device may be opened and loaded again.
void Forget(pid_t process);

// Whether this payload of a write of registers is the block that XRT sends before the one that
// starts a run: all of the same but the start bit.
bool IsFirstOfTwo(const void* payload, size_t size);
