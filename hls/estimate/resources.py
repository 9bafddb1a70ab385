"""DSP slices and block memories of processes by arithmetic: an upper bound of neither.

Registers, logic, multipliers that a compiler builds from logic, and memories that it rounds up
otherwise are not counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from transfab.hls.estimate.loops import Memory, Multipliers, Process
from transfab.quant.contract.beats import ceil_divide

# A bank of at most so many words or bits is made of lookup tables.
LUT_DEPTH: Final = 64
LUT_BITS: Final = 1024
# Depth and width of an 18 Kb block with a read and a write port.
BLOCK_SHAPES: Final = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))


@dataclass(frozen=True)
class Dsp:
    """A DSP slice: its name, the widths of its multiplier, whether two int8 products share one."""

    name: str
    left: int
    right: int
    packs: bool


DSP48E1: Final = Dsp("DSP48E1", 25, 18, False)
DSP48E2: Final = Dsp("DSP48E2", 27, 18, True)


def engine_slices(dsp: Dsp, process: Process, packed: bool = True) -> int:
    """Slices of a matrix engine: int8 pairs share one if the slice, and the compiler, can."""
    if packed and dsp.packs and process.unit_bits == 8:
        return ceil_divide(process.units, 2)
    return process.units


def other_slices(dsp: Dsp, process: Process) -> int:
    """Slices of all other multipliers."""
    return sum(one.count * _slices(dsp, one) for one in process.multipliers)


def slices(dsp: Dsp, processes: Iterable[Process], packed: bool = True) -> int:
    """All slices of processes."""
    return sum(engine_slices(dsp, p, packed) + other_slices(dsp, p) for p in processes)


def _slices(dsp: Dsp, one: Multipliers) -> int:
    wide, narrow = max(one.left, one.right), min(one.left, one.right)
    return ceil_divide(wide, dsp.left) * ceil_divide(narrow, dsp.right)


def block_halves(memory: Memory) -> int:
    """18 Kb blocks of a memory, half a BRAM36 each; 0 if it is small, or registers."""
    if memory.depth <= LUT_DEPTH or memory.depth * memory.width <= LUT_BITS:
        return 0
    shapes = (
        ceil_divide(memory.depth, depth) * ceil_divide(memory.width, width)
        for depth, width in BLOCK_SHAPES
    )
    return memory.banks * min(shapes)
