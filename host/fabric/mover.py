"""A data mover of an emulated card: hls/kernels/movers.hpp behind registers of `ap_ctrl_chain`.

It has no word for an error: what hardware would make of a bad address is unknown, and here it never
finishes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from transfab.host.boards import Region
from transfab.host.card import BYTES, MEMORY
from transfab.host.fabric.memory import Memory
from transfab.host.fabric.streams import Stream
from transfab.quant.contract.registers import CONTROL_BITS as BITS

CONTROL: Final = 0x00


class Mover:
    """One compute unit; every method is called with the fabric's lock held.

    bank    the only memory that it reaches
    writes  stream to memory, else memory to stream
    taken   called when the stream has been emptied into memory
    """

    def __init__(
        self,
        memory: Memory,
        bank: Region,
        stream: Stream,
        writes: bool,
        taken: Callable[[], None] = lambda: None,
    ) -> None:
        # Faults: never finish, and beats lost (-1) or added (1) to a packet.
        self.fails, self.beats = False, 0
        self._memory, self._bank, self._stream = memory, bank, stream
        self._writes, self._taken = writes, taken
        self._values = {MEMORY: 0, MEMORY + 4: 0, BYTES: 0}
        self._start = self._runs = self._done = self._moves = False

    def read(self, offset: int) -> int:
        if offset != CONTROL:
            return self._values.get(offset, 0)
        idle = not (self._start or self._runs)
        return BITS["start"] * self._start | BITS["done"] * self._done | BITS["idle"] * idle

    def write(self, offset: int, value: int) -> None:
        if offset == CONTROL:
            self._done &= not value & BITS["continue"]
            self._start |= bool(value & BITS["start"])
            self.look()
        elif offset in self._values:
            self._values[offset] = value

    def look(self) -> None:
        """Go on where control and stream allow it."""
        # The next start waits until the end of the one before is acknowledged.
        if self._start and not self._runs and not self._done:
            self._start, self._runs = False, True
            self._begin()
        if self._moves and (self._store() if self._writes else not self._stream.beats):
            self._moves = self._runs = False
            self._done = True

    def _begin(self) -> None:
        width = self._stream.width
        self._count = self._values[BYTES] // width
        self._address = self._values[MEMORY] | self._values[MEMORY + 4] << 32
        size = self._count * width
        inside = self._address >= self._bank.base and (
            self._address + size <= self._bank.base + self._bank.size
        )
        self._moves = inside and not self.fails
        if self._moves and not self._writes and self._count:
            data = np.frombuffer(self._memory.read(self._address, size), np.uint8)
            packet = data.reshape(-1, width)
            if self.beats:
                packet = np.concatenate([packet, np.zeros_like(packet[:1])])
                packet = packet[: self._count + self.beats]
            # As hardware does, the stream reads memory when its beats are taken.
            self._stream.send(packet)

    def _store(self) -> bool:
        """Whether all beats were there; TLAST is not looked at."""
        if self._stream.beats + min(self.beats, 0) < self._count:
            return False
        if self._count:
            packet = np.ascontiguousarray(self._stream.read(self._count))
            self._memory.write(self._address, packet.reshape(-1).data)
            # A beat too many stays.
            self._stream.drop(self._count - max(self.beats, 0))
            if not self._stream.beats:
                self._taken()
        return True
