"""Where a Zynq's processor finds the blocks of a board's design: hls/scripts/block_design.tcl.

From a base on, 64 KiB each: the kernel, the interrupt controller, a DMA engine a stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from transfab.quant.contract.tops import TOPS

SPAN: Final = 0x1_0000
# By the processor's first control port.
BASES: Final = {"zynq_ultra_ps_e": 0xA000_0000, "processing_system7": 0x4000_0000}
# Of a DMA engine's length register: a packet has at most 2**26 - 1 bytes.
LENGTH_BITS: Final = 26
INTERRUPTS: Final = "interrupts"


def engine_name(packet: str) -> str:
    """The DMA engine that moves a packet."""
    return f"dma_{packet}"


@dataclass(frozen=True)
class Layout:
    """Addresses of one design.

    top      of the kernel, which is called like it
    kernel   address of its registers
    engines  packet -> address of the engine that moves it; the top's output is the last
    """

    top: str
    kernel: int
    interrupts: int
    engines: dict[str, int]

    @property
    def output(self) -> str:
        return TOPS[self.top].output


def layout(top: str, processor: str) -> Layout:
    """The addresses of a top's design on a processor of BASES."""
    base = BASES[processor]
    packets = (*TOPS[top].inputs, TOPS[top].output)
    engines = {packet: base + SPAN * (2 + index) for index, packet in enumerate(packets)}
    return Layout(top, base, base + SPAN, engines)
