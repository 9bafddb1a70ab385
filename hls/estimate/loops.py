"""Loop, Memory, Multipliers and Process: what an operator of the dataflow is counted by.

Trips and entries are those of the C++ as compiled (tests compare them with counts of a run); what
a loop costs beyond its trips is assumed, in the constants below, and named where it is printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import ceil_divide
from transfab.quant.contract.constants import constants
from transfab.quant.engine import Engine

# Assumed of a schedule: cycles to fill a pipelined loop, those of a product loop (kTurnaround of
# gemm.hpp), a step of a loop that is not pipelined, a division of 40 bits at a digit a cycle.
FILL: Final = 8
ENGINE_FILL: Final = 16
OUTER: Final = 2
DIVISION: Final = 44
ASSUMED: Final = (
    f"II = 1 wherever a pragma asks for it, {FILL} cycles to fill a loop ({ENGINE_FILL} a product "
    f"loop), {OUTER} a step of an outer loop, {DIVISION} a division, streams that never make wait"
)


@dataclass(frozen=True)
class Loop:
    """A labelled loop of a kernel over one sequence.

    function  str   C++ function in which the label stands
    label     str   its label
    trips     int   runs of its body
    entries   int   times that it begins
    step      int   cycles of a trip: 1 pipelined, 0 flattened into the loop within
    fill      int   cycles to fill its pipeline, all entries together
    product   bool  a trip is one step of a matrix engine
    """

    function: str
    label: str
    trips: int
    entries: int
    step: int
    fill: int = 0
    product: bool = False

    @property
    def cycles(self) -> int:
        return self.trips * self.step + self.fill


@dataclass(frozen=True)
class Memory:
    """An array or a stream's queue: banks of depth words of width bits, after partitioning."""

    name: str
    banks: int
    depth: int
    width: int

    @property
    def bits(self) -> int:
        return self.banks * self.depth * self.width


@dataclass(frozen=True)
class Multipliers:
    """count multipliers of left x right bits, signed, at work in each cycle."""

    count: int
    left: int
    right: int


@dataclass(frozen=True)
class Process:
    """One operator of the dataflow.

    name         str   as its C++ function
    loops        tuple of Loop, its callees' among them
    memories     tuple of Memory
    units        products of its matrix engine a cycle, or 0; unit_bits of the left operand, by 8
    multipliers  tuple of Multipliers outside the engine
    divisions    int   one after the other
    """

    name: str
    loops: tuple[Loop, ...]
    memories: tuple[Memory, ...] = ()
    units: int = 0
    unit_bits: int = 8
    multipliers: tuple[Multipliers, ...] = ()
    divisions: int = 0

    @property
    def cycles(self) -> int:
        """From its first read to its last write when no stream makes it wait."""
        return sum(loop.cycles for loop in self.loops) + self.division_cycles

    def cycles_of(self, *labels: str) -> int:
        """Cycles of its loops of these labels, less those of rows that it only holds."""
        own = (one for one in self.loops if one.function != "HoldRows")
        return sum(loop.cycles for loop in own if loop.label in labels)

    @property
    def division_cycles(self) -> int:
        return self.divisions * DIVISION

    @property
    def product_cycles(self) -> int:
        return sum(loop.trips for loop in self.loops if loop.product)


@dataclass(frozen=True)
class Build:
    """Constants of a kernel build, named as in its generated header, and rows: S of a sequence."""

    constants: Mapping[str, int]
    rows: int

    def __getitem__(self, name: str) -> int:
        return self.constants[name]

    def beats(self, bits: int, count: int) -> int:
        """Beats of `count` elements."""
        return ceil_divide(count * (bits // 8), self["beat_bytes"])

    def records(self, count: int) -> int:
        """Beats of `count` records of 16 bytes."""
        return ceil_divide(16 * count, self["beat_bytes"])

    def tile_beats(self, stage: str) -> int:
        return ceil_divide(self[f"{stage}_pe"] * self[f"{stage}_simd"], self["beat_bytes"])

    @property
    def row_beats(self) -> int:
        """Beats of a row of the residual stream."""
        return self.beats(self["residual_bits"], self["hidden"])

    @property
    def residual_beats(self) -> int:
        """Beats of a residual packet of this sequence."""
        return self.beats(8, self.rows) + self.rows * self.row_beats

    @property
    def residual_depth(self) -> int:
        """Beats of a residual packet of the longest sequence."""
        longest = self["sequence"]
        return self.beats(8, longest) + longest * self.row_beats


def build_of(config: LayerConfig, engine: Engine, rows: int) -> Build:
    """A build on sequences of `rows` tokens; ValueError if the engine takes no such sequence."""
    engine.check_sequence(rows)
    named = {one.name: one.value for group in constants(config, engine).values() for one in group}
    return Build(named, rows)


def outer(function: str, label: str, trips: int, entries: int = 1) -> Loop:
    """A loop whose body holds other loops or calls."""
    return Loop(function, label, trips, entries, OUTER)


def inner(function: str, label: str, trips: int, entries: int = 1) -> Loop:
    """A pipelined loop, filled at each entry."""
    return Loop(function, label, trips, entries, 1, entries * FILL)


def product(function: str, label: str, trips: int, entries: int) -> Loop:
    """The innermost loop of a matrix engine."""
    return Loop(function, label, trips, entries, 1, entries * ENGINE_FILL, True)


def nest(function: str, *labels: tuple[str, int], entries: int = 1) -> list[Loop]:
    """Perfectly nested loops, (label, trips of one entry) from the outermost; one fill an entry."""
    loops, begun = [], entries
    for label, trips in labels:
        loops.append(Loop(function, label, begun * trips, begun, 0))
        begun *= trips
    last = loops[-1]
    return [*loops[:-1], Loop(function, last.label, last.trips, last.entries, 1, entries * FILL)]
