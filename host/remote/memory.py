"""Contiguous buffers in a board's memory, first fit, in whole pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

PAGE: Final = 4096


@dataclass
class Buffer:
    """A piece of the board's memory and the host's copy of it.

    address  int        where it lies in the board's map
    shadow   bytearray  what the processor sees; only flush and invalidate join it with the memory
    """

    address: int
    shadow: bytearray = field(repr=False)

    @property
    def end(self) -> int:
        """The first page after it."""
        return self.address + -(-len(self.shadow) // PAGE) * PAGE


class BufferTable:
    """The live buffers of one board, by an id that is never used again."""

    def __init__(self, base: int, size: int) -> None:
        self._base = base
        self._end = base + size
        self._live: dict[str, Buffer] = {}
        self._made = 0

    @property
    def live(self) -> tuple[Buffer, ...]:
        return tuple(self._live.values())

    def allocate(self, size: int) -> str:
        """The id of a new buffer of zeros; MemoryError where no gap is large enough."""
        if size < 1:
            raise ValueError(f"a buffer must have at least 1 byte, not {size}")
        start = self._base
        largest = 0
        for buffer in [*sorted(self._live.values(), key=lambda each: each.address), None]:
            gap = (buffer.address if buffer else self._end) - start
            largest = max(largest, gap)
            if gap >= size:
                self._made += 1
                name = str(self._made)
                self._live[name] = Buffer(start, bytearray(size))
                return name
            start = buffer.end if buffer else start
        raise MemoryError(
            f"no room for a buffer of {size} bytes: the board has {self._end - self._base}, "
            f"{len(self._live)} buffers are live and the largest gap is {largest}; free some first"
        )

    def get(self, name: str) -> Buffer:
        if name not in self._live:
            raise ValueError(f"no buffer {name!r} on this board: it was freed or never allocated")
        return self._live[name]

    def free(self, name: str) -> None:
        self.get(name)
        del self._live[name]
