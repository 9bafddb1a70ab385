// What the two parts of the relinked shim share.

#pragma once

#include <sys/types.h>

// Of this thread: the last process that was forked, the device process that was last told to close.
extern thread_local pid_t last_forked;
extern thread_local pid_t closing;

// The device process has gone: its device may be opened and loaded again.
void Forget(pid_t process);
