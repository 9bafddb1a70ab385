"""The programmable logic of a Zynq board with one kernel: what its processor reaches by address."""

from __future__ import annotations

from transfab.host.fabric.dma import Channel
from transfab.host.fabric.faults import Faults
from transfab.host.fabric.kernel import RunTop
from transfab.host.fabric.logic import Logic
from transfab.host.fabric.memory import Memory
from transfab.host.layout import LENGTH_BITS, layout
from transfab.quant.config import LayerConfig
from transfab.quant.engine import Engine


class ZynqFabric(Logic):
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
        super().__init__(config, engine, top, memory, run)
        self.layout = layout(top, processor)
        finished, output = self.kernel.finished, self.layout.output
        self._engines = {
            packet: Channel(memory, self._streams[packet], packet == output, LENGTH_BITS, finished)
            for packet in self.layout.engines
        }
        self._places = {self.layout.kernel: self.kernel} | {
            address: self._engines[packet] for packet, address in self.layout.engines.items()
        }
        self.set_faults(faults or Faults())
