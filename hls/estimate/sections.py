"""Reading, forwarding and distributing of packets: FromPort, Forward, records.hpp, Distribute*."""

from __future__ import annotations

from transfab.hls.estimate.loops import Build, Loop, Process, inner, outer
from transfab.quant.contract.beats import ceil_divide


def read_values(build: Build, bits: int, count: int) -> list[Loop]:
    return [inner("ReadValues", "READ_VALUES", build.beats(bits, count))]


def read_table(build: Build, count: int) -> list[Loop]:
    """A table of int16, an entry at a time."""
    beats = build.beats(16, count)
    entries = inner("ReadTable", "READ_ENTRIES", beats * build["beat_bytes"] // 2, beats)
    return [outer("ReadTable", "READ_TABLE", beats), entries]


def read_records(build: Build, count: int, entries: int = 1) -> list[Loop]:
    return [inner("ReadRecords", "READ_RECORDS", entries * build.records(count), entries)]


def forward(beats: int, entries: int = 1) -> Loop:
    """`beats` each time."""
    return inner("Forward", "FORWARD", entries * beats, entries)


def from_port(beats: int) -> Process:
    return Process("FromPort", (inner("FromPort", "FROM_PORT", beats),))


def to_port(beats: int) -> Process:
    return Process("ToPort", (inner("ToPort", "TO_PORT", beats),))


def fork(build: Build) -> Process:
    return Process("Fork", (inner("Fork", "FORK", build.residual_beats),))


def distribute_qkv(build: Build) -> Process:
    name, pe = "DistributeQkv", build["qkv_pe"]
    tiles = ceil_divide(3 * build["hidden"], pe)
    passes = ceil_divide(build["hidden"], build["qkv_simd"])
    return Process(
        name,
        (
            inner(name, "SCALARS", build.beats(32, 4)),
            *_hidden(build),
            outer(name, "TILES", tiles),
            forward(build.records(pe), tiles),
            forward(passes * build.tile_beats("qkv"), tiles),
        ),
    )


def distribute_attention(build: Build) -> Process:
    name, heads, size = "DistributeAttention", build["heads"], build["head_size"]
    tiles = ceil_divide(build["hidden"], build["attention_pe"])
    passes = tiles * ceil_divide(size, build["attention_simd"])
    return Process(
        name,
        (
            inner(name, "SCALARS", build.beats(32, 7)),
            forward(build.beats(32, heads) + build.beats(16, build["exponential_entries"])),
            outer(name, "HEADS", heads),
            forward(build.records(size), heads),
            forward(passes * build.tile_beats("attention"), heads),
            *_end(build),
        ),
    )


def distribute_intermediate(build: Build) -> Process:
    name, pe = "DistributeIntermediate", build["intermediate_pe"]
    tiles = ceil_divide(build["inner"], pe)
    passes = ceil_divide(build["hidden"], build["intermediate_simd"])
    return Process(
        name,
        (
            inner(name, "SCALARS", build.beats(32, 4)),
            forward(build.beats(16, build["gelu_entries"])),
            *_hidden(build),
            outer(name, "TILES", tiles),
            forward(2 * build.records(pe), tiles),
            forward(passes * build.tile_beats("intermediate"), tiles),
        ),
    )


def distribute_output(build: Build) -> Process:
    name = "DistributeOutput"
    tiles = ceil_divide(build["hidden"], build["output_pe"])
    passes = tiles * ceil_divide(build["inner"], build["output_simd"])
    return Process(
        name,
        (
            inner(name, "SCALARS", build.beats(32, 5)),
            forward(passes * build.tile_beats("output")),
            *_end(build),
        ),
    )


def split_heads(build: Build) -> Process:
    name, heads = "SplitHeads", build["heads"]
    beats = build.rows * build.beats(8, build["head_size"])
    return Process(
        name, (outer(name, "HEADS", heads), forward(2 * beats, heads), forward(beats, heads))
    )


def split_mask(build: Build) -> Process:
    name = "SplitMask"
    mask = build.beats(8, build.rows)
    return Process(name, (inner(name, "MASK", mask), forward(build.rows * build.row_beats)))


def _hidden(build: Build) -> list[Loop]:
    """Records that narrow a 16-bit residual stream."""
    return [forward(build.records(build["hidden"]))] if build["residual_bits"] == 16 else []


def _end(build: Build) -> list[Loop]:
    beats = build.records(build["hidden"])
    return [forward(beats), inner("DistributeEnd", "NORM", beats)]
