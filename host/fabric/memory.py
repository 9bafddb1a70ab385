"""The DDR of an emulated board: bytes by physical address."""

from __future__ import annotations

import mmap
from typing import Final

# Linux's MAP_NORESERVE: a board may have more memory than this machine.
NO_RESERVE: Final = 0x4000


class Memory:
    """A region of bytes; what was never written reads as zero and takes no memory here.

    base  first physical address, a multiple of a page
    size  bytes
    """

    def __init__(self, base: int, size: int) -> None:
        self.base, self.size = base, size
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE
        self._bytes = memoryview(mmap.mmap(-1, size, flags=flags))

    def holds(self, address: int, size: int) -> bool:
        return self.base <= address and address + size <= self.base + self.size

    def read(self, address: int, size: int) -> memoryview:
        """A view of bytes; ValueError outside of the region."""
        if not self.holds(address, size):
            raise ValueError(f"{size} bytes at {address:#x} are not all in {self.text}")
        return self._bytes[address - self.base : address - self.base + size]

    def write(self, address: int, data: bytes | memoryview) -> None:
        self.read(address, len(data))[:] = data

    @property
    def text(self) -> str:
        return f"the memory at {self.base:#x}, {self.size} bytes"
