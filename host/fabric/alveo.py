"""The programmable logic of an Alveo card with one kernel: registers, and memory in banks."""

from __future__ import annotations

from transfab.host.boards import BoardFile
from transfab.host.card import BASE, WRITE_MEMORY, emulated_memories, movers
from transfab.host.fabric.faults import Faults
from transfab.host.fabric.kernel import RunTop
from transfab.host.fabric.logic import Logic
from transfab.host.fabric.memory import Memory
from transfab.host.fabric.mover import Mover
from transfab.quant.config import LayerConfig
from transfab.quant.contract.registers import OFFSETS
from transfab.quant.engine import Engine


class AlveoFabric(Logic):
    """Kernel and data movers of one design over a card's memory.

    memory  all banks of the card, one after the other
    run     what the kernel computes
    """

    wakes = OFFSETS["control"]

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
        super().__init__(config, engine, top, memory, run)
        banks = {region.tag: region for region in emulated_memories(board)}
        units = movers(top, board)
        self._engines = {
            one.packet: Mover(
                memory,
                banks[one.bank],
                self._streams[one.packet],
                one.kernel == WRITE_MEMORY,
                self.kernel.finished,
            )
            for one in units
        }
        self._places = {BASE: self.kernel} | {one.base: self._engines[one.packet] for one in units}
        self.set_faults(faults or Faults())
