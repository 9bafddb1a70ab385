"""What the programmable logic of every emulated board is: a kernel, and what moves its packets.

Registers are reached by address, in blocks of SPAN bytes each; memory beside them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final, Protocol

from transfab.host.fabric.faults import Faults
from transfab.host.fabric.kernel import Kernel, RunTop
from transfab.host.fabric.memory import Memory
from transfab.host.layout import SPAN
from transfab.quant.config import LayerConfig
from transfab.quant.engine import Engine

# Longest time that a read takes while the kernel is at work.
BUS_SECONDS: Final = 200e-6


class Block(Protocol):
    """Registers by their offset; called with the fabric's lock held."""

    def read(self, offset: int) -> int: ...

    def write(self, offset: int, value: int) -> None: ...


class Engines(Block, Protocol):
    """What moves a packet between memory and a stream."""

    fails: bool
    beats: int

    def look(self) -> None: ...


class Logic:
    """Kernel and packets' engines of one design over a board's memory.

    run  what the kernel computes
    """

    # Offset of the only registers whose writes the kernel may wait for; None: any.
    wakes: int | None = None

    def __init__(
        self, config: LayerConfig, engine: Engine, top: str, memory: Memory, run: RunTop
    ) -> None:
        self.memory = memory
        self._lock = threading.Condition()
        self.kernel = Kernel(config, engine, top, run, self._lock, self._changed)
        self._streams = self.kernel.inputs | {self.kernel.top.output: self.kernel.output}
        self._engines: Mapping[str, Engines] = {}
        self._places: Mapping[int, Block] = {}

    def set_faults(self, faults: Faults) -> None:
        with self._lock:
            self.kernel.faults = faults
            for packet, engine in self._engines.items():
                engine.fails = packet == faults.dma_error
                engine.beats = (packet == faults.long) - (packet == faults.short)
            self.kernel.look()

    def read(self, address: int) -> int:
        """A 32-bit register; what is no register reads as zero."""
        with self._lock:
            if self.kernel.at_work:
                # A host that polls gives way to the kernel's thread, which ends this wait.
                self._lock.wait(BUS_SECONDS)
            block = self._places.get(address & ~(SPAN - 1))
            return block.read(address & SPAN - 1) if block else 0

    def write(self, address: int, value: int) -> None:
        with self._lock:
            block = self._places.get(address & ~(SPAN - 1))
            if block:
                offset = address & SPAN - 1
                block.write(offset, value)
                if self.wakes is None or offset == self.wakes:
                    self.kernel.look()

    def read_memory(self, address: int, size: int) -> memoryview:
        return self.memory.read(address, size)

    def write_memory(self, address: int, data: bytes | memoryview) -> None:
        self.memory.write(address, data)

    def close(self) -> None:
        """End the kernel's thread; a run under way ends first."""
        with self._lock:
            self.kernel.close()

    def _changed(self) -> None:
        for engine in self._engines.values():
            engine.look()
        self._lock.notify_all()
