"""What bitstreams make of an emulated Zynq board: each a fabric over the memory of the board."""

from __future__ import annotations

from transfab.host.boards import BoardFile
from transfab.host.containers.bit import read_bin
from transfab.host.fabric.faults import Faults
from transfab.host.fabric.kernel import MakeRun
from transfab.host.fabric.memory import Memory
from transfab.host.fabric.zynq import ZynqFabric
from transfab.host.ps_registers import ULTRASCALE, ZYNQ_7000

# Linux and the programs have the rest of a Zynq's memory.
BUFFERS = 0x1000_0000


class Fabrics:
    """Makes the fabrics of one board, as `transfab.host.fabric.protocol.MakeFabric` says.

    name      of the board, for errors
    make_run  what the kernel of a loaded bitstream computes
    faults    of the fabric, from the next bitstream on
    fabric    the last one; the one before it has ended
    """

    def __init__(self, name: str, board: BoardFile, make_run: MakeRun) -> None:
        self.name, self.board, self.faults = name, board, Faults()
        self.fabric: ZynqFabric | None = None
        self._make_run = make_run

    @property
    def architecture(self) -> str:
        return ZYNQ_7000 if self.board.processor == "processing_system7" else ULTRASCALE

    @property
    def memory_bytes(self) -> int:
        """For buffers, from BUFFERS on."""
        return self.board.memories[0].size - BUFFERS

    def __call__(self, configuration: bytes) -> ZynqFabric:
        image = read_bin(configuration)
        if image.board != self.board.name:
            raise ValueError(
                f"the bitstream is for a {image.board}, and {self.name} is a {self.board.name}"
            )
        self.close()
        self.fabric = ZynqFabric(
            image.config,
            image.engine,
            image.top,
            self.board.processor,
            Memory(BUFFERS, self.memory_bytes),
            self._make_run(image.config, image.engine, image.top),
            self.faults,
        )
        return self.fabric

    def close(self) -> None:
        """End the fabric that there is; a run under way ends first."""
        if self.fabric is not None:
            self.fabric.close()
