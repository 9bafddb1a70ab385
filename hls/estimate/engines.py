"""The four matrix engines as processes: gemm.hpp, Scores and Context of attention.hpp."""

from __future__ import annotations

from transfab.hls.estimate.loops import (
    Build,
    Loop,
    Memory,
    Multipliers,
    Process,
    inner,
    nest,
    outer,
    product,
)
from transfab.hls.estimate.sections import read_records, read_values
from transfab.quant.contract.beats import ceil_divide

TURNAROUND = 16  # kTurnaround of gemm.hpp
SOFTMAX_LANES = 8  # kSoftmaxLanes of softmax.hpp


def gemm_by_channel(build: Build, stage: str, depth: int, channels: int) -> Process:
    """All rows held, one output tile of `channels` after the other, of `depth` products."""
    pe, simd = build[f"{stage}_pe"], build[f"{stage}_simd"]
    tiles, depth_tiles = ceil_divide(channels, pe), ceil_divide(depth, simd)
    held = build.beats(8, depth)
    passes, steps = tiles * depth_tiles, _steps(build, stage)
    name, longest = "GemmByChannel", build["sequence"]
    return Process(
        name,
        (
            *_hold_rows(build, held),
            inner(name, "FIRST_TILE", build.tile_beats(stage)),
            outer(name, "CHANNEL_TILES", tiles),
            outer(name, "DEPTH_TILES", passes, tiles),
            product(name, "ROWS", passes * steps, passes),
        ),
        (
            Memory("held", build["beat_bytes"], longest * held, 8),
            Memory("partial", pe, longest, 27),
            Memory("tile", 2 * pe * simd, 1, 8),
        ),
        pe * simd,
    )


def gemm_by_depth(
    build: Build, stage: str, channels: int, blocks: int, block: int, last: int
) -> Process:
    """All sums held, one depth tile of the blocks of the operand after the other."""
    pe, simd = build[f"{stage}_pe"], build[f"{stage}_simd"]
    tiles, held = ceil_divide(channels, pe), build.beats(8, block)
    depth_tiles = (blocks - 1) * ceil_divide(block, simd) + ceil_divide(last, simd)
    passes, steps = depth_tiles * tiles, _steps(build, stage)
    name, longest = "GemmByDepth", build["sequence"]
    return Process(
        name,
        (
            inner(name, "FIRST_TILE", build.tile_beats(stage)),
            outer(name, "BLOCKS", blocks),
            *_hold_rows(build, held, blocks),
            outer(name, "DEPTH_TILES", depth_tiles, blocks),
            outer(name, "CHANNEL_TILES", passes, depth_tiles),
            product(name, "ROWS", passes * steps, passes),
            *nest(name, ("SEND_ROWS", build.rows), ("SEND_TILES", tiles)),
        ),
        (
            Memory("held", build["beat_bytes"], longest * held, 8),
            Memory("partial", pe, tiles * longest, 27),
            Memory("tile", 2 * pe * simd, 1, 8),
        ),
        pe * simd,
    )


def scores(build: Build) -> Process:
    """Keys held as weights, queries as rows, a head after the other."""
    name, rows, heads, longest = "Scores", build.rows, build["heads"], build["sequence"]
    pe, simd, size = build["attention_pe"], build["attention_simd"], build["head_size"]
    held = build.beats(8, size)
    key_tiles, depth_tiles = heads * ceil_divide(rows, pe), ceil_divide(size, simd)
    passes = key_tiles * depth_tiles
    keys = ceil_divide(ceil_divide(longest, pe) * pe, SOFTMAX_LANES) * SOFTMAX_LANES
    columns = held * build["beat_bytes"]
    return Process(
        name,
        (
            outer(name, "HEADS", heads),
            *_hold_rows(build, held, 2 * heads),
            outer(name, "KEY_TILES", key_tiles, heads),
            outer(name, "DEPTH_TILES", passes, key_tiles),
            inner(name, "TILE", passes * pe, passes),
            product(name, "ROWS", passes * rows, passes),
            *nest(name, ("SEND_ROWS", rows), ("SEND_ROW", _groups(rows)), entries=heads),
        ),
        (
            Memory("query", columns, longest, 8),
            Memory("key", columns, longest, 8),
            Memory("partial", pe, longest * ceil_divide(keys, pe), 27),
            Memory("tile", pe * simd, 1, 8),
        ),
        pe * simd,
    )


def context(build: Build) -> Process:
    """Values held as weights, exponentials as rows; pipelined divisions scale them."""
    name, rows, heads, longest = "Context", build.rows, build["heads"], build["sequence"]
    pe, simd, size = build["attention_pe"], build["attention_simd"], build["head_size"]
    held, width = build.beats(8, size), build["beat_bytes"]
    channel_tiles = heads * ceil_divide(size, pe)
    passes = channel_tiles * ceil_divide(rows, simd)
    keys = ceil_divide(longest, width) * width
    return Process(
        name,
        (
            *read_values(build, 32, 7),
            outer(name, "HEADS", heads),
            *read_records(build, size, heads),
            *_hold_rows(build, held, heads),
            outer(name, "HOLD_ROWS", heads * rows, heads),
            inner(name, "HOLD_ROW", heads * rows * _groups(rows), heads * rows),
            inner(name, "SCALES", heads * rows, heads),
            outer(name, "CHANNEL_TILES", channel_tiles, heads),
            outer(name, "KEY_TILES", passes, channel_tiles),
            inner(name, "TILE", passes * simd, passes),
            product(name, "ROWS", passes * rows, passes),
            *nest(name, ("SEND_ROWS", rows), ("SEND_ROW", held), entries=heads),
        ),
        (
            Memory("value", held * width, longest, 8),
            Memory("weight", simd, longest * ceil_divide(keys, simd), 16),
            Memory("partial", pe, longest * ceil_divide(size, pe), 31),
            Memory("tile", pe * simd, 1, 8),
            Memory("total", 1, longest, 24),
            Memory("scale", 1, longest, 30),
            Memory("records", size, 1, 93),
        ),
        pe * simd,
        16,
        # Mean and requantization of a beat's lanes.
        (Multipliers(min(size, width), 27, 18), Multipliers(min(size, width), 24, 18)),
    )


def _hold_rows(build: Build, beats: int, entries: int = 1) -> list[Loop]:
    return nest("HoldRows", ("HOLD_ROWS", build.rows), ("HOLD_ROW", beats), entries=entries)


def _steps(build: Build, stage: str) -> int:
    """Steps of a pass: the rows, the beats of the next tile, or the turnaround."""
    return max(build.rows, build.tile_beats(stage), TURNAROUND)


def _groups(keys: int) -> int:
    return ceil_divide(keys, SOFTMAX_LANES)
