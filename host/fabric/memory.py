"""The DDR of an emulated board: bytes by physical address, and who has which of them."""

from __future__ import annotations

import mmap
from typing import Final

PAGE: Final = 4096


class Memory:
    """A region of bytes; what was never written reads as zero and takes no memory here.

    base  first physical address, a multiple of a page
    size  bytes
    """

    def __init__(self, base: int, size: int) -> None:
        self.base, self.size = base, size
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_NORESERVE
        self._bytes = memoryview(mmap.mmap(-1, size, flags=flags))
        self._taken: dict[int, int] = {}

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

    def allocate(self, size: int) -> int:
        """Address of free bytes, whole pages, the first that fit; MemoryError if none do."""
        wanted, at = -(-max(size, 1) // PAGE) * PAGE, self.base
        for taken in sorted(self._taken):
            if taken - at >= wanted:
                break
            at = taken + self._taken[taken]
        if not self.holds(at, wanted):
            raise MemoryError(
                f"{size} bytes do not fit into {self.text}, of which {self.free_bytes} are free"
            )
        self._taken[at] = wanted
        return at

    def free(self, address: int) -> None:
        """Give back what `allocate` gave; KeyError for any other address."""
        del self._taken[address]

    @property
    def free_bytes(self) -> int:
        return self.size - sum(self._taken.values())
