"""The programmable logic of an Alveo card with one kernel: registers, and memory in banks."""

from __future__ import annotations

import threading

from transfab.host.boards import BoardFile
from transfab.host.card import BASE, SPAN, WRITE_MEMORY, emulated_memories, movers
from transfab.host.fabric.faults import Faults
from transfab.host.fabric.kernel import Kernel, RunTop
from transfab.host.fabric.memory import Memory
from transfab.host.fabric.mover import Mover
from transfab.host.fabric.zynq import BUS_SECONDS
from transfab.quant.config import LayerConfig
from transfab.quant.contract.registers import OFFSETS
from transfab.quant.engine import Engine


class AlveoFabric:
    """Kernel and data movers of one design over a card's memory.

    memory  all banks of the card, one after the other
    run     what the kernel computes
    """

    def __init__(
        self,
        config: LayerConfig,
        engine: Engine,
        top: str,
        board: BoardFile,
        memory: Memory,
        run: RunTop,
        faults: Faults | None = None,
    ) -> None:
        self.memory = memory
        self._lock = threading.Condition()
        self.kernel = Kernel(config, engine, top, run, self._lock, self._changed)
        banks = {region.tag: region for region in emulated_memories(board)}
        streams = self.kernel.inputs | {self.kernel.top.output: self.kernel.output}
        self._places: dict[int, Kernel | Mover] = {BASE: self.kernel}
        self._movers: dict[str, Mover] = {}
        for one in movers(top, board):
            writes = one.kernel == WRITE_MEMORY
            stream = streams[one.packet]
            made = Mover(memory, banks[one.bank], stream, writes, self.kernel.finished)
            self._movers[one.packet] = self._places[one.base] = made
        self.set_faults(faults or Faults())

    def set_faults(self, faults: Faults) -> None:
        with self._lock:
            self.kernel.faults = faults
            for packet, mover in self._movers.items():
                mover.fails = packet == faults.dma_error
                mover.beats = (packet == faults.long) - (packet == faults.short)
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
                block.write(address & SPAN - 1, value)
                if address & SPAN - 1 == OFFSETS["control"]:
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
        for mover in self._movers.values():
            mover.look()
        self._lock.notify_all()
