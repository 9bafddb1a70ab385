"""A board's fabric for the tests of XRT: a memory, and one ap_ctrl kernel that adds.

Its registers: 0x10 source, 0x18 0, 0x1c length in bytes, 0x24 destination (64 bit), 0x30 what to
add to each byte; 0x40 (read only) an identity. Not our fabric, only something with its methods.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from transfab.host.xrt.wire import RESPONSE, Stream

BASE = 0x10000
START, DONE, IDLE, CONTINUE = 1, 2, 4, 16
IDENTITY = 0x40


class Adder:
    """`what` names how it misbehaves: "hangs" never finishes, "sleeps" in a transfer, "raises"."""

    def __init__(self, size: int, index: int, what: str = "") -> None:
        self.memory = np.zeros(size, np.uint8)
        self.index, self.what = index, what
        self.words: dict[int, int] = {0: IDLE}

    def read(self, address: int) -> int:
        offset = address - BASE
        return 0xADD0 + self.index if offset == IDENTITY else self.words.get(offset, 0)

    def write(self, address: int, value: int) -> None:
        offset = address - BASE
        if offset:
            self.words[offset] = value
        elif value & START:
            self.words[0] = START if self.what == "hangs" else self._add()
        elif value & CONTINUE and not self.words[0] & START:
            self.words[0] = IDLE

    def _add(self) -> int:
        source, size = self.words[0x10], self.words[0x1C]
        target = self.words[0x24] | self.words[0x28] << 32
        self.memory[target : target + size] = self.memory[source : source + size] + np.uint8(
            self.words[0x30]
        )
        return DONE | IDLE

    def read_memory(self, address: int, size: int) -> memoryview:
        self._misbehave()
        return memoryview(self.memory[address : address + size]).cast("B")

    def write_memory(self, address: int, data: bytes | memoryview) -> None:
        self._misbehave()
        self.memory[address : address + len(data)] = np.frombuffer(data, np.uint8)

    def _misbehave(self) -> None:
        if self.what == "sleeps":
            time.sleep(60)
        if self.what == "raises":
            raise ValueError("the fabric refuses\nwith more lines")


def make(description: Mapping[str, Any], index: int) -> Adder:
    """The fabric of one board; "what" is a list with an entry a board."""
    behaviours = description.get("what", [])
    what = behaviours[index] if index < len(behaviours) else ""
    if what == "never made":
        raise RuntimeError("no such board")
    if what == "breaks off":
        Stream.answer = half_of_data  # type: ignore[method-assign]
    return Adder(description["size"], index, what)


def half_of_data(stream: Stream, parts: tuple[bytes | memoryview, ...]) -> None:
    """Answer, but end this process in the middle of a long answer."""
    payload = b"".join(parts)
    stream.connection.sendall(RESPONSE.pack(0x09, len(payload)) + payload[: len(payload) // 2 + 1])
    if len(payload) > 1000:
        os._exit(1)
    stream.connection.sendall(payload[len(payload) // 2 + 1 :])
