"""Ideal and expected cycles of a build, by arithmetic: what a simulation is held against.

A pass of a tile costs one cycle a row, or as many as the beats of the next tile, or 3. Ideal is
products / units. Sequences follow one another without more, where the passes of one tile (stage 3)
are longer than the 256 cycles in which the next GELU table is read.
"""

from __future__ import annotations

from dataclasses import dataclass

from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import ceil_divide
from transfab.quant.engine import Engine, Tile

TURNAROUND = 3  # operator_pkg::Turnaround


@dataclass(frozen=True)
class Plan:
    """One stage for one sequence.

    units     int   products a cycle that the stage can make
    products  int   that the layer's integers need: of every channel, copies as well
    model     int   without the channels that are copies
    cycles    int   of the passes of its tiles
    """

    stage: str
    units: int
    products: int
    model: int
    cycles: int

    @property
    def ideal(self) -> float:
        return self.products / self.units


def plans(config: LayerConfig, engine: Engine, sequence: int) -> list[Plan]:
    """The four stages for a sequence of S tokens."""
    hidden, inner, beat = config.hidden, config.inner, engine.beat_bytes
    head, heads = config.head_size, config.heads

    def passes(tile: Tile, channels: int, depth: int, loads: int | None = None) -> int:
        """Cycles of a matrix; `loads` cycles fill a tile, by default its beats."""
        fill = ceil_divide(tile.bytes, beat) if loads is None else loads
        tiles = ceil_divide(channels, tile.pe) * ceil_divide(depth, tile.simd)
        return tiles * max(sequence, fill, TURNAROUND)

    def by_channel(stage: str, tile: Tile, channels: int, model: int) -> Plan:
        cycles = passes(tile, channels, hidden)
        rows = sequence * hidden
        return Plan(stage, tile.bytes, rows * channels, rows * model, cycles)

    blocks, last = divmod(inner, beat)
    tile = engine.output
    depth = blocks * ceil_divide(beat, tile.simd) + ceil_divide(last, tile.simd)
    output = depth * passes(tile, hidden, tile.simd)
    rows = sequence * hidden
    engine_2 = engine.attention
    products = rows * (hidden + 2 * sequence)
    # Keys are read a row, values a column a cycle; both planes meet one tile of values.
    scores = passes(engine_2, sequence, head, engine_2.pe)
    columns = engine_2.simd * ceil_divide(head, beat)
    context = max(
        2 * passes(engine_2, head, sequence, 0), passes(engine_2, head, sequence, columns)
    )
    attention = heads * (scores + context + passes(engine_2, hidden, head))
    return [
        by_channel("qkv", engine.qkv, 3 * hidden, 3 * hidden),
        Plan("attention", engine_2.bytes, products, products, attention),
        by_channel("intermediate", engine.intermediate, inner, config.feed_forward),
        Plan("output", tile.bytes, rows * inner, rows * config.feed_forward, output),
    ]
