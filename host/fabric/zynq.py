"""The programmable logic of a Zynq board with one kernel: what its processor reaches by address."""

from __future__ import annotations

import threading

from transfab.host.fabric.dma import Channel
from transfab.host.fabric.faults import Faults
from transfab.host.fabric.kernel import Kernel, RunTop
from transfab.host.fabric.memory import Memory
from transfab.host.layout import LENGTH_BITS, SPAN, layout
from transfab.quant.config import LayerConfig
from transfab.quant.engine import Engine

# Longest time that a read takes while the kernel is at work.
BUS_SECONDS = 200e-6


class ZynqFabric:
    """Kernel and DMA engines of one design over a board's memory.

    processor  of `transfab.host.layout.BASES`
    run        what the kernel computes
    """

    def __init__(
        self,
        config: LayerConfig,
        engine: Engine,
        top: str,
        processor: str,
        memory: Memory,
        run: RunTop,
        faults: Faults | None = None,
    ) -> None:
        self.memory, self.layout = memory, layout(top, processor)
        self._lock = threading.Condition()
        self.kernel = Kernel(config, engine, top, run, self._lock, self._changed)
        output = self.layout.output
        streams = self.kernel.inputs | {output: self.kernel.output}
        self._channels = {
            packet: Channel(
                memory, streams[packet], packet == output, LENGTH_BITS, self.kernel.finished
            )
            for packet in self.layout.engines
        }
        self._places = {self.layout.kernel: self.kernel, self.layout.interrupts: None} | {
            address: self._channels[packet] for packet, address in self.layout.engines.items()
        }
        self.set_faults(faults or Faults())

    def set_faults(self, faults: Faults) -> None:
        with self._lock:
            self.kernel.faults = faults
            for packet, channel in self._channels.items():
                channel.fails = packet == faults.dma_error
                channel.beats = (packet == faults.long) - (packet == faults.short)
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
        for channel in self._channels.values():
            channel.look()
        self._lock.notify_all()
