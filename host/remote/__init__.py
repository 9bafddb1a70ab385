"""A board as PYNQ.remote sees it, emulated: `server` speaks gRPC, `board` is what it speaks for."""
