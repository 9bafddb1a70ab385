"""The boards that a host knows: processor or card, memories, limits; clocks are the bitstreams'.

From data sheets and platform documentation, unverified on silicon. Names are those of
`transfab build --list`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

MIB: Final = 1 << 20
GIB: Final = 1 << 30


@dataclass(frozen=True)
class Region:
    """A memory that engines or data movers reach: its tag, first physical address and bytes."""

    tag: str
    base: int
    size: int


@dataclass(frozen=True)
class BoardFile:
    """A board.

    reach      pynq (a Zynq, by its processor) or xrt (an Alveo card of a host)
    part       device
    processor  of `transfab.host.layout.BASES`; none on a card
    memories   the first is where buffers go unless a design says otherwise
    activations, parameters   of a card: tags of the memories of its data movers, each kind in turn
    """

    name: str
    reach: Literal["pynq", "xrt"]
    part: str
    processor: str
    memories: tuple[Region, ...]
    activations: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()


def _hbm(base: int, count: int, size: int) -> tuple[Region, ...]:
    return tuple(Region(f"HBM[{index}]", base + index * size, size) for index in range(count))


def _ddr(count: int, size: int, first: int = 0) -> tuple[Region, ...]:
    return tuple(Region(f"DDR[{index}]", first + index * size, size) for index in range(count))


def _tags(kind: str, first: int, count: int) -> tuple[str, ...]:
    return tuple(f"{kind}[{index}]" for index in range(first, first + count))


_ZYNQ: Final = "zynq_ultra_ps_e"
BOARDS: Final = {
    board.name: board
    for board in (
        BoardFile(
            "u200",
            "xrt",
            "xcu200-fsgd2104-2-e",
            "",
            _ddr(4, 16 * GIB, 0x40_0000_0000),
            _tags("DDR", 1, 1),
            ("DDR[0]", "DDR[2]", "DDR[3]"),
        ),
        BoardFile(
            "u280",
            "xrt",
            "xcu280-fsvh2892-2L-e",
            "",
            (*_hbm(0, 32, 256 * MIB), *_ddr(2, 16 * GIB, 0x40_0000_0000)),
            _tags("DDR", 0, 2),
            _tags("HBM", 0, 8),
        ),
        BoardFile(
            "u55c",
            "xrt",
            "xcu55c-fsvh2892-2L-e",
            "",
            _hbm(0, 32, 512 * MIB),
            _tags("HBM", 0, 2),
            _tags("HBM", 2, 8),
        ),
        # Linux has the rest of the processor's memory.
        BoardFile("zcu104", "pynq", "xczu7ev-ffvc1156-2-e", _ZYNQ, _ddr(1, 2 * GIB)),
        BoardFile("kv260", "pynq", "xck26-sfvc784-2LV-c", _ZYNQ, _ddr(1, 2 * GIB)),
        BoardFile("pynq-z2", "pynq", "xc7z020clg400-1", "processing_system7", _ddr(1, 512 * MIB)),
    )
}


def board_named(name: str) -> BoardFile:
    """One of BOARDS; ValueError for another name."""
    if name not in BOARDS:
        raise ValueError(f"board must be one of {', '.join(BOARDS)}, not {name}")
    return BOARDS[name]
