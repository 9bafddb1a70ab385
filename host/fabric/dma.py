"""One channel of an AXI DMA engine in simple mode, as AMD's PG021 describes its registers.

MM2S (memory to stream) has its registers at 0x00, S2MM (stream to memory) at 0x30.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from transfab.host.fabric.memory import Memory
from transfab.host.fabric.streams import Stream

CONTROL, STATUS, ADDRESS, ADDRESS_HIGH, LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
RUN, RESET = 0x1, 0x4
HALTED, IDLE, INTERNAL_ERROR, DECODE_ERROR, COMPLETE = 0x1, 0x2, 0x10, 0x40, 0x1000
ERRORS: Final = 0x70
OFFSETS: Final = {"mm2s": 0x00, "s2mm": 0x30}


class Channel:
    """A channel; every method is called with the fabric's lock held.

    receives  stream to memory, else memory to stream
    taken     called when a whole packet has left the stream for memory
    """

    def __init__(
        self,
        memory: Memory,
        stream: Stream,
        receives: bool,
        length_bits: int,
        taken: Callable[[], None] = lambda: None,
    ) -> None:
        self.base = OFFSETS["s2mm" if receives else "mm2s"]
        # Faults: stop with an error, and beats lost (-1) or added (1) to a packet.
        self.fails, self.beats = False, 0
        self._memory, self._stream, self._receives = memory, stream, receives
        self._limit, self._taken = (1 << length_bits) - 1, taken
        self._reset()

    def _reset(self) -> None:
        self._control, self._status = 0, HALTED
        self._address = self._length = 0
        self._waits = False

    def read(self, offset: int) -> int:
        values = {
            CONTROL: self._control,
            STATUS: self._status,
            ADDRESS: self._address & 0xFFFF_FFFF,
            ADDRESS_HIGH: self._address >> 32,
            LENGTH: self._length,
        }
        return values.get(offset - self.base, 0)

    def write(self, offset: int, value: int) -> None:
        offset -= self.base
        if offset == CONTROL:
            self._set_control(value)
        elif offset == STATUS:
            # Writing one clears an interrupt.
            self._status &= ~(value & 0x7000)
        elif offset == ADDRESS:
            self._address = self._address >> 32 << 32 | value
        elif offset == ADDRESS_HIGH:
            self._address = self._address & 0xFFFF_FFFF | value << 32
        elif offset == LENGTH and not self._status & HALTED:
            self._begin(value & self._limit)

    def _set_control(self, value: int) -> None:
        if value & RESET:
            self._reset()
            return
        self._control = value
        if value & RUN:
            # After an error only a reset ends the halt.
            if not self._status & ERRORS:
                self._status &= ~HALTED
        else:
            self._status |= HALTED
            self._waits = False

    def _begin(self, length: int) -> None:
        self._length = length
        self._status &= ~(IDLE | COMPLETE)
        if length == 0:
            return self._stop(INTERNAL_ERROR)
        if self.fails or not self._memory.holds(self._address, length):
            return self._stop(DECODE_ERROR)
        self._waits = True
        if not self._receives:
            data = np.frombuffer(self._memory.read(self._address, length), np.uint8)
            width = self._stream.width
            if length % width == 0 and not self.beats:
                # As hardware does, the stream reads memory when its beats are taken.
                packet = data.reshape(-1, width)
            else:
                # What is left of a beat is padded, as TKEEP would say; kernels do not read it.
                packet = np.zeros((-(-length // width) + self.beats, width), np.uint8)
                packet.reshape(-1)[: min(length, packet.size)] = data[: packet.size]
            self._stream.send(packet)
        self.look()

    def look(self) -> None:
        """Go on where the stream allows it."""
        if not self._waits:
            return
        if not self._receives:
            if self._stream.beats == 0:
                self._finish()
            return
        packet = self._stream.packet()
        if packet is None:
            return
        if self.beats:
            beats = len(packet) + self.beats
            packet = np.concatenate([packet, np.zeros_like(packet[:1])])[:beats]
        data = packet.reshape(-1)
        if data.size > self._length:
            return self._stop(INTERNAL_ERROR)
        self._memory.write(self._address, np.ascontiguousarray(data).data)
        self._length = data.size
        self._finish()
        self._taken()

    def _finish(self) -> None:
        self._waits = False
        self._status |= IDLE | COMPLETE

    def _stop(self, error: int) -> None:
        self._waits = False
        self._status |= error | HALTED
