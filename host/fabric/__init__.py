"""An emulated board: memory, DMA engines and a kernel behind the addresses of the real one.

What runs on it proves the host's side against this model, never silicon.
"""
