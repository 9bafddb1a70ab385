"""What the xclbin of an emulated card says: the top, its data movers, and the banks they reach."""

from __future__ import annotations

from transfab.host.boards import BoardFile
from transfab.host.card import (
    BASE,
    BYTES,
    MEMORY,
    READ_MEMORY,
    Mover,
    emulated_memories,
    movers,
)
from transfab.host.layout import SPAN
from transfab.host.xrt.xclbin import Argument, Bank, Container, Kernel, stream_argument
from transfab.quant.contract.registers import OFFSETS
from transfab.quant.contract.tops import TOPS


def container(top: str, board: BoardFile, bitstream: bytes) -> Container:
    """The container of a top's design on a card.

    bitstream  what the card becomes, as `transfab.host.containers.bit` writes it
    """
    packets = (*TOPS[top].inputs, TOPS[top].output)
    # XRT tells arguments apart by their places; a packet may share its name with the top.
    streams = tuple(stream_argument(f"stream_{packet}") for packet in packets)
    arguments = (*streams, Argument("sequence", OFFSETS["sequence"], 4))
    units = [Kernel(top, BASE, arguments, span=SPAN)]
    units += [_unit(mover) for mover in movers(top, board)]
    banks = tuple(Bank(one.tag, one.base, one.size) for one in emulated_memories(board))
    return Container(tuple(units), banks, bitstream, platform=board.name)


def _unit(mover: Mover) -> Kernel:
    stream, memory = stream_argument("stream"), Argument("memory", MEMORY, 8, mover.bank)
    both = (memory, stream) if mover.kernel == READ_MEMORY else (stream, memory)
    arguments = (*both, Argument("bytes", BYTES, 4))
    return Kernel(mover.kernel, mover.base, arguments, instance=mover.unit, span=SPAN)
