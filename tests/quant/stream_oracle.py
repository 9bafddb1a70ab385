"""The streams of docs/stage_contract.md written byte after byte, in plain loops over integers.

Read from the document, section after section; nothing of quant/contract is used.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from strategies import Case, Shape, random_case

from transfab.quant.config import LayerConfig
from transfab.quant.engine import Engine, Tile

STAGES = ("qkv", "attention", "intermediate", "output")
# No two constants of a stage are alike, and epsilon uses every one of its 40 bits.
DISTINCT = {
    "qkv__query__requantize__shift": 16,
    "qkv__key__requantize__shift": 17,
    "qkv__value__requantize__shift": 18,
    "attention__scores_shift": 19,
    "attention__context__shift": 20,
    "attention__projection__shift": 21,
    "attention__projection__skip_shift": 3,
    "attention__layernorm__shift": 22,
    "attention__layernorm__epsilon": 0xA5_87654321,
    "intermediate__projection__requantize__shift": 23,
    "intermediate__activation__shift": 24,
    "output__projection__shift": 25,
    "output__projection__skip_shift": 4,
    "output__layernorm__shift": 26,
    "output__layernorm__epsilon": 0x5A_12345678,
}


@dataclasses.dataclass(frozen=True)
class Build:
    """A layer as plain integers and one kernel build of it."""

    shape: Shape
    copies: int
    engine: Engine

    def config(self) -> LayerConfig:
        values = dataclasses.asdict(self.shape)
        values["feed_forward"] -= self.copies
        return LayerConfig(**values, copies=self.copies)

    def case(self, seed: int) -> Case:
        wide = {"qkv__hidden__shift": 14, "intermediate__hidden__shift": 15}
        extra = wide if self.shape.residual_bits == 16 else {}
        return random_case(seed, "plain", self.shape, batch=1, sequence=1, **DISTINCT, **extra)


# Tiles that divide nothing, one tile, an odd head, rows of less and of more than a beat.
BUILDS = [
    Build(
        Shape(21, 3, 13, 16),
        2,
        Engine(Tile(5, 8), Tile(3, 2), Tile(7, 4), Tile(11, 16), beat_bytes=16, sequence=70),
    ),
    Build(
        Shape(66, 3, 37, 16),
        5,
        Engine(Tile(9, 32), Tile(17, 16), Tile(40, 32), Tile(10, 8), beat_bytes=32, sequence=70),
    ),
    Build(
        Shape(72, 1, 130, 8),
        0,
        Engine(Tile(7, 64), Tile(80, 32), Tile(33, 16), Tile(72, 64), sequence=70),
    ),
    Build(
        Shape(1, 1, 1, 8),
        0,
        Engine(Tile(1, 1), Tile(1, 1), Tile(1, 1), Tile(1, 1), beat_bytes=16, sequence=70),
    ),
    Build(
        Shape(16, 2, 32, 16),
        0,
        Engine(Tile(8, 16), Tile(8, 8), Tile(16, 16), Tile(16, 16), beat_bytes=16, sequence=70),
    ),
]


@st.composite
def builds(draw: st.DrawFn) -> Build:
    """Small builds, ragged more often than not."""
    width = draw(st.sampled_from([16, 32, 64]))
    simds = st.sampled_from([1 << i for i in range(width.bit_length())])
    tiles = [Tile(draw(st.integers(1, 20)), draw(simds)) for _ in STAGES]
    heads, size, inner = (draw(st.integers(1, n)) for n in (4, 9, 40))
    copies = draw(st.integers(0, min(4, inner - 1)))
    shape = Shape(heads * size, heads, inner, draw(st.sampled_from([8, 16])))
    return Build(shape, copies, Engine(*tiles, beat_bytes=width, sequence=40))


class Stream:
    """Bytes, section after section; `filling` is what stands where nothing does."""

    def __init__(self, build: Build, filling: int = 0) -> None:
        self.width = build.engine.beat_bytes
        self.filling = filling
        self.bytes = bytearray()

    def integer(self, value: int, size: int) -> None:
        """Two's complement, lowest byte first."""
        for byte in range(size):
            self.bytes.append(value >> 8 * byte & 255)

    def nothing(self, size: int) -> None:
        self.bytes += bytes([self.filling]) * size

    def end(self) -> None:
        """Fill the beat: what follows starts on the next one."""
        while len(self.bytes) % self.width:
            self.nothing(1)

    def row(self, values: Sequence[int], size: int) -> None:
        for value in values:
            self.integer(value, size)
        self.end()

    def records(self, rows: Sequence[tuple[int | None, int, int]], count: int) -> None:
        for first, second, offset in rows:
            self.nothing(4) if first is None else self.integer(first, 4)
            self.bytes += struct.pack("<iq", second, offset)
        self.nothing(16 * (count - len(rows)))
        self.end()

    def tile(self, matrix: Sequence[Sequence[int]], tile: Tile, n: int, k: int) -> None:
        for p in range(tile.pe):
            for s in range(tile.simd):
                row, column = n * tile.pe + p, k * tile.simd + s
                if row < len(matrix) and column < len(matrix[0]):
                    self.integer(matrix[row][column], 1)
                else:
                    self.nothing(1)
        self.end()


def steps(count: int, step: int) -> range:
    """Indices of the tiles that cover `count`."""
    return range((count + step - 1) // step)


def stage_stream(build: Build, stage: str, case: Case, filling: int = 0) -> bytes:
    """The packet `{stage}_parameters`."""
    params = case.parameters()
    leaves = {name.removeprefix(f"{stage}."): leaf for name, leaf in case.leaves.items()}
    stream = Stream(build, filling)
    {"qkv": qkv, "attention": attention, "intermediate": intermediate, "output": output}[stage](
        build, stream, leaves, getattr(params, stage)
    )
    return bytes(stream.bytes)


def requantize(leaves: dict[str, Any], name: str, channels: range) -> list[Any]:
    multiplier, offset = leaves[f"{name}.multiplier"], leaves[f"{name}.offset"]
    return [(None, multiplier[i], offset[i]) for i in channels]


def biased(leaves: dict[str, Any], bias: str, name: str, channels: range) -> list[Any]:
    scales = requantize(leaves, name, channels)
    return [(leaves[bias][i], m, o) for i, (_, m, o) in zip(channels, scales, strict=True)]


def hidden(build: Build, stream: Stream, leaves: dict[str, Any]) -> None:
    if build.shape.residual_bits == 16:
        size = build.shape.hidden
        stream.records(requantize(leaves, "hidden", range(size)), size)


def sum_and_norm(build: Build, stream: Stream, leaves: dict[str, Any]) -> None:
    size = build.shape.hidden
    for names in (
        ("projection.bias", "projection.multiplier", "projection.offset"),
        ("projection.skip_multiplier", "layernorm.gain", "layernorm.offset"),
    ):
        first, second, offset = (leaves[name] for name in names)
        stream.records(list(zip(first, second, offset, strict=True)), size)


def sum_and_norm_scalars(leaves: dict[str, Any]) -> list[int]:
    epsilon = leaves["layernorm.epsilon"]
    shifts = [leaves[name] for name in ("projection.shift", "projection.skip_shift")]
    return [*shifts, leaves["layernorm.shift"], epsilon % 2**32, epsilon // 2**32]


def qkv(build: Build, stream: Stream, leaves: dict[str, Any], params: Any) -> None:
    tile, size = build.engine.qkv, build.shape.hidden // build.shape.heads
    shifts = [leaves[f"{name}.requantize.shift"] for name in ("query", "key", "value")]
    stream.row([leaves.get("hidden.shift", 0), *shifts], 4)
    hidden(build, stream, leaves)
    weight, records = [], []
    for head in range(build.shape.heads):
        for name in ("query", "key", "value"):
            channels = range(head * size, (head + 1) * size)
            weight += [leaves[f"{name}.weight"][i] for i in channels]
            records += biased(leaves, f"{name}.bias", f"{name}.requantize", channels)
    for n in steps(len(weight), tile.pe):
        stream.records(records[n * tile.pe : (n + 1) * tile.pe], tile.pe)
        for k in steps(build.shape.hidden, tile.simd):
            stream.tile(weight, tile, n, k)


def attention(build: Build, stream: Stream, leaves: dict[str, Any], params: Any) -> None:
    tile, size = build.engine.attention, build.shape.hidden // build.shape.heads
    shifts = [leaves["scores_shift"], leaves["context.shift"]]
    stream.row([*shifts, *sum_and_norm_scalars(leaves)], 4)
    stream.row(leaves["scores_multiplier"], 4)
    stream.row(params.exponential_table.tolist(), 2)
    for head in range(build.shape.heads):
        channels = range(head * size, (head + 1) * size)
        stream.records(requantize(leaves, "context", channels), size)
        weight = [[row[i] for i in channels] for row in leaves["projection.weight"]]
        for k in steps(size, tile.simd):
            for n in steps(build.shape.hidden, tile.pe):
                stream.tile(weight, tile, n, k)
    sum_and_norm(build, stream, leaves)


def intermediate(build: Build, stream: Stream, leaves: dict[str, Any], params: Any) -> None:
    tile, inner = build.engine.intermediate, build.shape.feed_forward
    shifts = [leaves["projection.requantize.shift"], leaves["activation.shift"]]
    stream.row([leaves.get("hidden.shift", 0), *shifts, leaves["fraction_bits"]], 4)
    stream.row(params.gelu_table.tolist(), 2)
    hidden(build, stream, leaves)
    for n in steps(inner, tile.pe):
        channels = range(n * tile.pe, min(inner, (n + 1) * tile.pe))
        records = biased(leaves, "projection.bias", "projection.requantize", channels)
        stream.records(records, tile.pe)
        stream.records(requantize(leaves, "activation", channels), tile.pe)
        for k in steps(build.shape.hidden, tile.simd):
            stream.tile(leaves["projection.weight"], tile, n, k)


def output(build: Build, stream: Stream, leaves: dict[str, Any], params: Any) -> None:
    tile = build.engine.output
    stream.row(sum_and_norm_scalars(leaves), 4)
    for k in steps(build.shape.feed_forward, tile.simd):
        for n in steps(build.shape.hidden, tile.pe):
            stream.tile(leaves["projection.weight"], tile, n, k)
    sum_and_norm(build, stream, leaves)
