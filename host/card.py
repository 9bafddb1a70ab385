"""A design on an Alveo card: its top, and a data mover for each packet that crosses memory.

Units are named as hls/link.py names them. Banks are those of the board file; on an emulated card
they lie one after the other from address 0, which is all that XRT's shim knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from transfab.host.boards import BoardFile, Region
from transfab.host.layout import SPAN
from transfab.quant.contract.tops import TOPS

READ_MEMORY, WRITE_MEMORY = "read_memory", "write_memory"
# Registers of a mover behind control and interrupts, 64 and 32 bits: hls/tops/movers.hpp.
MEMORY, BYTES = 0x10, 0x1C
# Places of the arguments of its C function, (memory, stream, bytes) or (stream, memory, bytes).
MEMORY_ARGUMENT: Final = {READ_MEMORY: 0, WRITE_MEMORY: 1}
BYTES_ARGUMENT: Final = 2
# Of an emulated card: the top, then its movers, 64 KiB each. XRT takes no unit at 0.
BASE = 0x1_0000


@dataclass(frozen=True)
class Mover:
    """A compute unit that moves one packet.

    kernel  READ_MEMORY or WRITE_MEMORY
    bank    tag of the only memory that it reaches
    base    address of its registers on an emulated card
    """

    packet: str
    kernel: str
    bank: str
    base: int

    @property
    def unit(self) -> str:
        verb = "read" if self.kernel == READ_MEMORY else "write"
        return f"{verb}_{self.packet}"

    @property
    def name(self) -> str:
        """As XRT opens one unit of several."""
        return f"{self.kernel}:{{{self.unit}}}"


def movers(top: str, board: BoardFile) -> tuple[Mover, ...]:
    """The movers of a top's packets, in the order of its ports; that of the output is the last."""
    made = []
    turns = {True: 0, False: 0}
    packets = (*TOPS[top].inputs, TOPS[top].output)
    for index, packet in enumerate(packets):
        weights = packet.endswith("_parameters")
        among = board.parameters if weights else board.activations
        kernel = WRITE_MEMORY if index == len(packets) - 1 else READ_MEMORY
        bank = among[turns[weights] % len(among)]
        made.append(Mover(packet, kernel, bank, BASE + SPAN * (1 + index)))
        turns[weights] += 1
    return tuple(made)


def sequence_argument(top: str) -> int:
    """Place of `sequence` in the arguments of a top's C function, behind its streams."""
    return len(TOPS[top].inputs) + 1


def emulated_memories(board: BoardFile) -> tuple[Region, ...]:
    """The banks of an emulated card."""
    made: list[Region] = []
    at = 0
    for region in board.memories:
        made.append(Region(region.tag, at, region.size))
        at += region.size
    return tuple(made)
