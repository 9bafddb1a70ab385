"""A fabric for tests of the host side: two AXI DMA engines and a kernel that hands its packet on.

The map is that of remote_handoff.py. The kernel moves one packet a start; its build hash register
holds the CRC-32 of the bitstream.
"""

from __future__ import annotations

import zlib

from remote_handoff import BASE, SPAN, ULTRASCALE, ZYNQ

from transfab.host.fabric.protocol import MakeFabric
from transfab.host.remote.board import BoardDescription

KERNEL, SEND, RECEIVE = range(3)
# Offsets in a DMA engine's block of one direction; S2MM's is 0x30 above MM2S's.
CONTROL, STATUS, ADDRESS, ADDRESS_HIGH, LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
HALTED, IDLE, DECODE_ERROR, RUN = 1, 2, 0x40, 1
START, DONE, KERNEL_IDLE = 1, 2, 4


class LoopbackFabric:
    def __init__(self, description: BoardDescription, image: bytes) -> None:
        self.base = BASE[ULTRASCALE if description.architecture == "aarch64" else ZYNQ]
        self.memory_base = description.memory_base
        self.memory = bytearray(description.memory_bytes)
        self.build_hash = zlib.crc32(image)
        self.words: dict[int, int] = {}
        self.status = {SEND: HALTED, RECEIVE: HALTED}
        self.sequence, self.starts, self.done = 0, 0, False
        self.arrived: list[bytes] = []
        self.moved: list[bytes] = []

    def _decode(self, address: int) -> tuple[int, int]:
        block, offset = divmod(address - self.base, SPAN)
        if block not in (KERNEL, SEND, RECEIVE):
            raise ValueError(f"nothing answers at 0x{address:x}")
        return block, offset - 0x30 * (block == RECEIVE)

    def read(self, address: int) -> int:
        block, offset = self._decode(address)
        if block == KERNEL:
            if offset == 0x18:
                return self.build_hash
            if offset == 0x10:
                return self.sequence
            done, self.done = self.done, False
            return DONE * done + KERNEL_IDLE * (self.starts == 0)
        return self.status[block] if offset == STATUS else self.words.get(address, 0)

    def write(self, address: int, value: int) -> None:
        block, offset = self._decode(address)
        if block == KERNEL:
            self.sequence = value if offset == 0x10 else self.sequence
            self.starts += offset == 0 and value & START
        elif offset == CONTROL:
            self.status[block] = 0 if value & RUN else HALTED
        elif offset == LENGTH:
            self.words[address] = value
            self.status[block] = 0
            if block == SEND:
                self._send(address)
        else:
            self.words[address] = value
        self._step()

    def _send(self, address: int) -> None:
        at = address - LENGTH
        start = self.words[at + ADDRESS] | self.words[at + ADDRESS_HIGH] << 32
        try:
            self.arrived.append(bytes(self.read_memory(start, self.words[address])))
            self.status[SEND] = IDLE
        except ValueError:
            self.status[SEND] = HALTED | DECODE_ERROR

    def _step(self) -> None:
        while self.starts and self.arrived:
            self.moved.append(self.arrived.pop(0))
            self.starts, self.done = self.starts - 1, True
        at = self.base + RECEIVE * SPAN + 0x30
        waits = self.status[RECEIVE] == 0 and at + LENGTH in self.words
        if waits and self.moved:
            packet = self.moved.pop(0)
            start = self.words[at + ADDRESS] | self.words[at + ADDRESS_HIGH] << 32
            self.write_memory(start, packet[: self.words[at + LENGTH]])
            self.words[at + LENGTH] = len(packet)
            self.status[RECEIVE] = IDLE

    def read_memory(self, address: int, size: int) -> bytes:
        at = self._offset(address, size)
        return bytes(self.memory[at : at + size])

    def write_memory(self, address: int, data: bytes | memoryview) -> None:
        at = self._offset(address, len(data))
        self.memory[at : at + len(data)] = data

    def _offset(self, address: int, size: int) -> int:
        at = address - self.memory_base
        if at < 0 or at + size > len(self.memory):
            raise ValueError(f"{size} bytes at 0x{address:x} are not in memory")
        return at


def loopback(description: BoardDescription) -> MakeFabric:
    return lambda image: LoopbackFabric(description, image)
