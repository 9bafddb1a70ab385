"""The operators between the matrix engines as processes, a function each, named as in the C++."""

from __future__ import annotations

from transfab.hls.estimate.engines import SOFTMAX_LANES
from transfab.hls.estimate.loops import Build, Memory, Multipliers, Process, inner, nest, outer
from transfab.hls.estimate.sections import forward, read_records, read_table, read_values
from transfab.quant.contract.beats import ceil_divide

NORM_LANES = 8  # kNormLanes of layernorm.hpp
ROOT_DIGITS = 17
RECORD_BITS = 93  # 27 + 18 + 48


def narrow(build: Build) -> Process:
    """Mask skipped, residual rows as int8."""
    name, rows, hidden = "Narrow", build.rows, build["hidden"]
    wide = build["residual_bits"] == 16
    lanes = build["beat_bytes"] // (build["residual_bits"] // 8)
    return Process(
        name,
        (
            *read_values(build, 32, 4),
            *(read_records(build, hidden) if wide else ()),
            inner(name, "SKIP_MASK", build.beats(8, rows)),
            outer(name, "NARROW_ROWS", rows),
            inner(name, "NARROW", rows * build.row_beats, rows),
        ),
        (Memory("records", lanes, ceil_divide(hidden, lanes), RECORD_BITS),) if wide else (),
        multipliers=(Multipliers(lanes, 16, 18),) if wide else (),
    )


def requantize_heads(build: Build) -> Process:
    name, rows, pe = "RequantizeHeads", build.rows, build["qkv_pe"]
    tiles = ceil_divide(3 * build["hidden"], pe)
    return Process(
        name,
        (
            *read_values(build, 32, 4),
            outer(name, "TILES", tiles),
            *read_records(build, pe, tiles),
            inner(name, "ROWS", tiles * rows, tiles),
        ),
        (Memory("records", pe, 1, RECORD_BITS),),
        multipliers=(Multipliers(pe, 27, 18),),
    )


def softmax(build: Build) -> Process:
    name, rows, heads, longest = "Softmax", build.rows, build["heads"], build["sequence"]
    entries, row = build["exponential_entries"], "ExponentialRow"
    groups = ceil_divide(rows, SOFTMAX_LANES)
    return Process(
        name,
        (
            *read_values(build, 32, 7),
            *read_values(build, 32, heads),
            *read_table(build, entries),
            inner(name, "MASK", build.beats(8, rows)),
            outer(name, "HEADS", heads),
            outer(name, "ROWS", heads * rows, heads),
            inner(row, "MAXIMUM", heads * rows * groups, heads * rows),
            inner(row, "EXPONENTIALS", heads * rows * groups, heads * rows),
        ),
        (
            # A copy with two ports for two lanes.
            Memory("table", ceil_divide(SOFTMAX_LANES, 2), entries, 16),
            Memory("mask", build["beat_bytes"], ceil_divide(longest, build["beat_bytes"]), 1),
            Memory("row", 1, ceil_divide(longest, SOFTMAX_LANES), 22 * SOFTMAX_LANES),
        ),
        multipliers=(Multipliers(SOFTMAX_LANES, 23, 18),),
    )


def activate(build: Build) -> Process:
    name, rows, pe = "Activate", build.rows, build["intermediate_pe"]
    tiles, entries = ceil_divide(build["inner"], pe), build["gelu_entries"]
    return Process(
        name,
        (
            *read_values(build, 32, 4),
            *read_table(build, entries),
            outer(name, "TILES", tiles),
            *read_records(build, pe, 2 * tiles),
            inner(name, "ROWS", tiles * rows, tiles),
        ),
        (
            Memory("table", ceil_divide(pe, 2), entries, 16),
            Memory("records", 2 * pe, 1, RECORD_BITS),
        ),
        multipliers=(Multipliers(pe, 27, 18), Multipliers(pe, 16, 18)),
    )


def order_blocks(build: Build, stage: str, channels: int, block: int) -> Process:
    """Tiles of `channels` channels as blocks of `block`."""
    name, pe = "OrderBlocks", build[f"{stage}_pe"]
    tiles, blocks = ceil_divide(channels, pe), ceil_divide(channels, block)
    rows = (("BLOCK_ROWS", build.rows), ("BLOCK_ROW", build.beats(8, block)))
    return Process(
        name,
        (
            outer(name, "TILES", tiles),
            inner(name, "ROWS", tiles * build.rows, tiles),
            outer(name, "BLOCKS", blocks, tiles),
            *nest(name, *rows, entries=blocks),
        ),
        (Memory("ring", (ceil_divide(pe, block) + 1) * block, build["sequence"], 8),),
    )


def add_residual(build: Build, stage: str, scalars: int) -> Process:
    name, rows, hidden, pe = "AddResidual", build.rows, build["hidden"], build[f"{stage}_pe"]
    tiles, groups = ceil_divide(hidden, pe), ceil_divide(hidden, NORM_LANES)
    columns = build.row_beats * (build["beat_bytes"] // (build["residual_bits"] // 8))
    return Process(
        name,
        (
            *read_values(build, 32, scalars),
            *read_records(build, hidden, 2),
            forward(build.beats(8, rows)),
            outer(name, "ROWS", rows),
            inner(name, "ROW_SUMS", rows * tiles, rows),
            inner(name, "ROW_SKIP", rows * build.row_beats, rows),
            inner(name, "ADD", rows * groups, rows),
        ),
        (
            Memory("records, norm", 2 * NORM_LANES, groups, RECORD_BITS),
            Memory("row_sums", tiles * pe, 1, 27),
            Memory("row_skip", columns, 1, 16),
        ),
        multipliers=(Multipliers(NORM_LANES, 27, 18), Multipliers(NORM_LANES, 16, 18)),
    )


def normalize(build: Build, scalars: int) -> Process:
    name, rows, hidden = "Normalize", build.rows, build["hidden"]
    groups = ceil_divide(hidden, NORM_LANES)
    return Process(
        name,
        (
            *read_values(build, 32, scalars),
            *read_records(build, hidden),
            inner(name, "MASK", build.beats(8, rows)),
            outer(name, "ROWS", rows),
            inner(name, "SUM", rows * groups, rows),
            inner(name, "SQUARES", rows * groups, rows),
            inner("RootOf", "ROOT", rows * ROOT_DIGITS, rows),
            inner(name, "NORMALIZE", rows * groups, rows),
        ),
        (
            Memory("records", NORM_LANES, groups, RECORD_BITS),
            Memory("row", 1, groups, 16 * NORM_LANES),
        ),
        # Mean; deviation squared, normalised, times gain.
        multipliers=(
            Multipliers(1, 27, 18),
            Multipliers(2 * NORM_LANES, 18, 18),
            Multipliers(NORM_LANES, 27, 18),
        ),
        divisions=rows,
    )
