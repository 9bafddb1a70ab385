"""Builds whose tiles divide nothing, and layers that reach every branch and edge of the kernels."""

from __future__ import annotations

import dataclasses
import functools
import random
from typing import Any

import numpy as np
from extremes import extreme_leaves
from last_bits import last_bits_runs
from runs import Run, layer_run, stage_run, with_noise
from strategies import Case, Shape, random_case, random_hidden, random_mask
from stream_oracle import Build

from transfab.quant.engine import Engine, Tile

LONGEST = 37  # enough keys for a row sum of 20 bits, and no multiple of a beat, tile or group

# 16 bits, one head a beat, several blocks and tiles of everything, tiles smaller than a beat, and
# one of stage 1 that touches query, key and value, of two heads.
RAGGED = Build(
    Shape(21, 3, 53, 16),
    2,
    Engine(Tile(17, 8), Tile(3, 2), Tile(7, 4), Tile(11, 16), beat_bytes=16, sequence=LONGEST),
)
# 8 bits, heads of more than a beat, a tile of three blocks, tiles of more beats than rows.
WIDE = Build(
    Shape(40, 2, 83, 8),
    3,
    Engine(Tile(9, 4), Tile(6, 16), Tile(40, 8), Tile(17, 4), beat_bytes=16, sequence=LONGEST),
)
# Tiles that divide everything, one token beside one beat.
EVEN = Build(
    Shape(32, 2, 64, 16),
    0,
    Engine(Tile(8, 32), Tile(16, 16), Tile(32, 32), Tile(32, 32), beat_bytes=32, sequence=32),
)
BUILDS = {"ragged": RAGGED, "wide": WIDE, "even": EVEN}

# Tables in which no two entries near each other are alike, and no end is zero.
TABLES = {
    "attention__exponential_table": [16383 - 3 * index for index in range(4096)],
    "intermediate__gelu_table": [700 + 5 * index for index in range(256)],
}


def limits(build: Build, sign: int, sequence: int) -> Case:
    """Every constant at its checked edge, and rows at theirs."""
    case = Case(f"limits{sign:+}", build.shape, extreme_leaves(build.shape, sign), [], [])
    top = sign * (2 ** (build.shape.residual_bits - 1) - 1)
    rows = [[top if row % 3 else -top] * build.shape.hidden for row in range(sequence)]
    return dataclasses.replace(case, hidden=[rows], mask=[[1] * sequence])


def edges(build: Build, sequence: int) -> Case:
    """`limits` with residual sums that leave in both directions and a LayerNorm that shows them."""
    case = limits(build, 1, sequence)
    leaves = case.leaves
    plain = random_case(13, "plain", build.shape).leaves
    leaves |= {name: leaf for name, leaf in plain.items() if ".layernorm." in name}
    for stage in ("attention", "output"):
        signs = 1 - 2 * (np.arange(build.shape.hidden) % 2)
        leaves[f"{stage}.projection.weight"] *= signs[:, None]
        for leaf in ("bias", "offset"):
            leaves[f"{stage}.projection.{leaf}"] *= signs
    return case


@functools.cache
def hard_cases(build: Build) -> dict[str, Case]:
    """Layers and inputs in an order in which each leaves something behind for the next."""
    shape, longest = build.shape, build.engine.sequence
    hole = [[int(position % 9 != 4) for position in range(longest)]]
    far = {
        f"{stage}__projection__offset": [sign * (28000 << 18)] * shape.hidden
        for stage, sign in (("attention", 1), ("output", -1))
    }
    near = {
        "attention__scores_multiplier": [900 + head for head in range(shape.heads)],
        "attention__scores_shift": 19,
    }

    def case(seed: int, mode: str, sequence: int, **changes: Any) -> Case:
        return random_case(seed, mode, shape, 1, sequence, **changes)

    # Shifts of query, key and value that differ, so that one cannot stand for another.
    apart = case(12, "plain", 7)
    for part, change in (("query", -1), ("value", 1)):
        apart.leaves[f"qkv.{part}.requantize.shift"] += change
    return {
        "longest": case(1, "plain", longest, mask=[[1] * longest]),
        "one token": case(2, "plain", 1, fraction_bits=6),
        "saturation, holes": case(3, "loud", longest, fraction_bits=12, mask=hole),
        "quiet, last token real": case(4, "quiet", 16, fraction_bits=14, mask=[[0] * 15 + [1]]),
        "ties": case(5, "ties", 9),
        "constant rows": case(6, "flat", 3),
        "far means": case(7, "plain", 17, fraction_bits=8, **far),
        "near scores, holes": case(8, "plain", longest, mask=hole, **near),
        "tables": case(9, "plain", 11, fraction_bits=12, **TABLES),
        "one token, saturation": case(10, "loud", 1, fraction_bits=9),
        "extreme scales": limits(build, 1, 32),
        "extreme scales, negative": limits(build, -1, 5),
        "extreme scales, both ways": edges(build, 3),
        "quiet": case(11, "quiet", 2),
        "shifts apart": apart,
    }


def random_inputs(build: Build, stage_name: str, sequence: int, seed: int) -> dict[str, Any]:
    """Inputs of a stage that no layer needs to make: spread over their width, rows at its ends."""
    shape = build.shape
    rng = random.Random(seed)

    def rows(channels: int, bits: int) -> Any:
        made = random_hidden(Shape(channels, 1, 1, bits), rng.randrange(1000), 1, sequence)
        return np.array(made, f"int{bits}")

    stream = rows(shape.hidden, shape.residual_bits)
    mask = {"mask": np.array(random_mask(seed, 1, sequence), np.uint8)}
    if stage_name == "qkv":
        return mask | {"hidden": stream}
    if stage_name == "attention":
        heads = {name: rows(shape.hidden, 8) for name in ("query", "key", "value")}
        return mask | {"hidden": stream} | heads
    if stage_name == "intermediate":
        return mask | {"attention_output": stream}
    return mask | {"attention_output": stream, "intermediate": rows(shape.feed_forward, 8)}


@functools.cache
def stage_runs(build: Build, stage_name: str) -> tuple[Run, ...]:
    """Runs of one stage: on the hard layers, and on inputs of their own."""
    made = []
    for number, case in enumerate(hard_cases(build).values()):
        sequence = len(case.mask[0])
        made.append(layer_run(build, case, stage_name))
        inputs = random_inputs(build, stage_name, sequence, number)
        made.append(stage_run(build, case, stage_name, inputs))
    made += [with_noise(build, run) for run in made[:4]]
    return (*made, *last_bits_runs(build, stage_name))
