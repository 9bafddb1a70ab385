"""An Alveo card without silicon: what a device process of XRT's software emulation serves."""

from __future__ import annotations

from transfab.host.boards import BoardFile
from transfab.host.card import emulated_memories
from transfab.host.containers.bit import read_bit
from transfab.host.fabric.alveo import AlveoFabric
from transfab.host.fabric.faults import Faults
from transfab.host.fabric.kernel import MakeRun
from transfab.host.fabric.memory import Memory


class EmulatedCard:
    """One card: its memory, and the logic of the xclbin that it was given last.

    make_run  what the kernel of a loaded xclbin computes
    faults    of the fabric, from the next xclbin on
    """

    def __init__(self, board: BoardFile, make_run: MakeRun, faults: Faults | None = None) -> None:
        self.board, self.faults = board, faults or Faults()
        self._make_run = make_run
        size = sum(region.size for region in emulated_memories(board))
        self.memory = Memory(0, size)
        self.fabric: AlveoFabric | None = None

    def load(self, bitstream: bytes) -> None:
        """As `transfab.host.fabric.protocol.Loads` says; memory keeps what it holds."""
        image = read_bit(bitstream)
        if image.board != self.board.name:
            raise ValueError(
                f"the bitstream is for a {image.board}, and this card is a {self.board.name}"
            )
        self.close()
        self.fabric = AlveoFabric(
            image.config,
            image.engine,
            image.top,
            self.board,
            self.memory,
            self._make_run(image.config, image.engine, image.top),
            self.faults,
        )

    def read(self, address: int) -> int:
        return self._loaded.read(address)

    def write(self, address: int, value: int) -> None:
        self._loaded.write(address, value)

    def read_memory(self, address: int, size: int) -> memoryview:
        return self.memory.read(address, size)

    def write_memory(self, address: int, data: bytes | memoryview) -> None:
        self.memory.write(address, data)

    def close(self) -> None:
        if self.fabric is not None:
            self.fabric.close()

    @property
    def _loaded(self) -> AlveoFabric:
        if self.fabric is None:
            raise ValueError("the card has no bitstream")
        return self.fabric
