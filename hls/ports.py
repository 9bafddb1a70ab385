"""Ports of the tops as hls/tops/*.cpp name them, and which of them a board joins to another.

Vitis names an AXI4-Stream interface as the argument, the AXI4-Lite one `s_axi_control`, and an AXI4
one `m_axi_` and its bundle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from transfab.quant.contract.tops import TOPS

CONTROL: Final = "s_axi_control"
# Arguments of the data movers.
MEMORY: Final = "memory"
STREAM: Final = "stream"
READ_MEMORY: Final = "read_memory"
WRITE_MEMORY: Final = "write_memory"
MOVERS: Final = (READ_MEMORY, WRITE_MEMORY)
KERNELS: Final = (*TOPS, *MOVERS)


@dataclass(frozen=True)
class Link:
    """A packet's way on a board.

    packet  str   of docs/stage_contract.md
    source  str   `kernel.port`, or "" for memory
    sink    str   the same
    """

    packet: str
    source: str
    sink: str


def input_port(packet: str) -> str:
    """A packet may share its name with a top, and C++ has one name for one thing."""
    return f"{packet}_in" if packet in TOPS else packet


def output_port(packet: str) -> str:
    return f"{packet}_out" if packet in TOPS else packet


def links(kernels: tuple[str, ...]) -> list[Link]:
    """The streams of the kernels of one board, each once, inputs in the order of their ports.

    A kernel's output goes to a later kernel that reads its packet, else to memory.
    """
    made: list[Link] = []
    open_outputs: dict[str, str] = {}
    for kernel in kernels:
        top = TOPS[kernel]
        for packet in top.inputs:
            source = open_outputs.pop(packet, "")
            made.append(Link(packet, source, f"{kernel}.{input_port(packet)}"))
        open_outputs[top.output] = f"{kernel}.{output_port(top.output)}"
    made += [Link(packet, source, "") for packet, source in open_outputs.items()]
    return made
