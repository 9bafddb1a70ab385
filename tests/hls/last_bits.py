"""Layers whose int8 or int16 results are the last bits of a wide tensor.

A mean of 24 bits or a normalised value of 27 is rounded to 8 or 16 bits at once, so that most wrong
last bits are lost. Here its scale is one and its offset moves the right value to the middle.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import oracle
from runs import Run, layer_run, stage_run
from strategies import random_case, random_mask
from stream_oracle import Build

SCALE_BITS = 10  # multiplier 2**10 and shift 10: an exact one


def context_run(
    build: Build, sequence: int, seed: int, mask: list[int] | None = None, **replaced: Any
) -> Run:
    """Stage 2 with values alike in all tokens: each mean is its value, but for rounding."""
    rng = random.Random(seed)
    shape = build.shape
    case = random_case(seed, "plain", shape, 1, sequence, **replaced)
    values = [rng.choice((-127, 127, rng.randint(-127, 127))) for _ in range(shape.hidden)]
    case.leaves["attention.context.multiplier"] = [1 << SCALE_BITS] * shape.hidden
    case.leaves["attention.context.offset"] = [-(one << 16) << SCALE_BITS for one in values]
    case.leaves["attention.context.shift"] = SCALE_BITS

    def rows() -> np.ndarray:
        made = [[rng.randint(-127, 127) for _ in values] for _ in range(sequence)]
        return np.array([made], np.int8)

    inputs = {
        "query": rows(),
        "key": rows(),
        "value": np.array([[values] * sequence], np.int8),
        "hidden": case.arrays()[0],
        "mask": np.array([mask] if mask else random_mask(seed, 1, sequence), np.uint8),
    }
    return stage_run(build, case, "attention", inputs)


def layernorm_run(
    build: Build, stage_name: str, row: list[int], epsilon: int, seed: int, sequence: int = 2
) -> Run:
    """A stage whose residual sums are `row` for every token, each output the last bits of it."""
    shape = build.shape
    case = random_case(seed, "plain", shape, 1, sequence)
    name = f"{stage_name}.layernorm"
    leaves = case.leaves
    leaves |= {
        f"{stage_name}.projection.multiplier": [0] * shape.hidden,
        f"{stage_name}.projection.skip_multiplier": [0] * shape.hidden,
        f"{stage_name}.projection.offset": [one << 8 for one in row],
        f"{stage_name}.projection.shift": 8,
        f"{name}.gain": [1 << SCALE_BITS] * shape.hidden,
        f"{name}.offset": [0] * shape.hidden,
        f"{name}.shift": SCALE_BITS,
        f"{name}.epsilon": epsilon,
    }
    normalized = oracle.layernorm(row, leaves, name, shape.residual_bits)["normalized"]
    middles = [(channel % 50 - 25 - one) << SCALE_BITS for channel, one in enumerate(normalized)]
    leaves[f"{name}.offset"] = middles
    return layer_run(build, case, stage_name)


def squares_of(row: list[int]) -> int:
    """Sum of squared deviations of a row from its rounded mean."""
    shift, multiplier = oracle.mean_constants(len(row))
    mean = oracle.round_shift(sum(row) * multiplier, shift)
    return sum((one - mean) ** 2 for one in row)


def last_bits_runs(build: Build, stage_name: str) -> list[Run]:
    """Runs of a stage, if it has wide tensors, of every number of bits that a shift depends on."""
    longest, size = build.engine.sequence, build.shape.hidden
    made = []
    if stage_name == "attention":
        near = {
            "attention__scores_multiplier": [200] * build.shape.heads,
            "attention__scores_shift": 19,
        }
        level = {"attention__exponential_table": [8192] * 4096}
        made = [
            context_run(build, longest, 1, **near),
            context_run(build, min(longest, 30), 2, **near),
            context_run(build, 5, 3),
            *(context_run(build, n, n, [1] * n, **level) for n in (16, 32)),  # powers of two
        ]
    if stage_name in ("attention", "output"):
        rng = random.Random(size)
        wide = [rng.randint(-15000, 15000) for _ in range(size)]
        small = [rng.randint(-2, 2) for _ in range(size)]
        squares = squares_of(wide)
        rows = [
            (wide, 70001**2 - 1 - squares),  # just below a square: the root is 70000
            (wide, 70001**2 - squares),
            (wide, 0xA5_87654321),
            (wide, 2**40 - 1),
            (wide, 1),
            (small, 1),
            (small, 5 << 20),
        ]
        made += [layernorm_run(build, stage_name, *one, seed) for seed, one in enumerate(rows)]
    return made
