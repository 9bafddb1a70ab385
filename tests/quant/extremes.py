"""The largest legal layer of a shape: every constant at its checked edge."""

from __future__ import annotations

from typing import Any

import numpy as np
from strategies import LARGEST_MULTIPLIER, Shape


def extreme_leaves(shape: Shape, sign: int) -> dict[str, Any]:
    """Weights, multipliers, offsets and gains at their ends: every sum as long as it can be."""
    size, inner = shape.hidden, shape.feed_forward
    leaves: dict[str, Any] = {}

    def linear(name: str, outputs: int, inputs: int) -> None:
        leaves[f"{name}.weight"] = np.full((outputs, inputs), sign * 127)
        leaves[f"{name}.bias"] = np.full(outputs, sign * (2**26 - 1 - 128 * 127 * inputs))

    def scale(name: str, count: int, shift: int) -> None:
        leaves[f"{name}.multiplier"] = np.full(count, LARGEST_MULTIPLIER)
        leaves[f"{name}.offset"] = np.full(count, 0)
        leaves[f"{name}.shift"] = shift

    for stage, inputs in (("attention", size), ("output", inner)):
        linear(f"{stage}.projection", size, inputs)
        leaves[f"{stage}.projection.multiplier"] = np.full(size, LARGEST_MULTIPLIER)
        leaves[f"{stage}.projection.skip_multiplier"] = np.full(size, LARGEST_MULTIPLIER)
        # acc * m < 2**43, skip * n < 2**(bits + 16): the offset takes what is left of 48 bits
        used = (2**26 - 1) * LARGEST_MULTIPLIER
        used += (2 ** (shape.residual_bits - 1) - 1) * LARGEST_MULTIPLIER + 2**39
        leaves[f"{stage}.projection.offset"] = np.full(size, sign * (2**47 - 1 - used))
        leaves[f"{stage}.projection.shift"] = 40
        leaves[f"{stage}.projection.skip_shift"] = 0
        leaves[f"{stage}.layernorm.gain"] = np.full(size, sign * LARGEST_MULTIPLIER)
        leaves[f"{stage}.layernorm.offset"] = np.full(size, sign * (2**46 - 1))
        leaves[f"{stage}.layernorm.shift"] = 45
        leaves[f"{stage}.layernorm.epsilon"] = 2**40 - 1
    for name in ("query", "key", "value"):
        linear(f"qkv.{name}", size, size)
        scale(f"qkv.{name}.requantize", size, 1)
    if shape.residual_bits == 16:
        scale("qkv.hidden", size, 1)
        scale("intermediate.hidden", size, 1)
    leaves["attention.scores_multiplier"] = np.full(shape.heads, LARGEST_MULTIPLIER)
    leaves["attention.scores_shift"] = 1
    scale("attention.context", size, 1)
    linear("intermediate.projection", inner, size)
    scale("intermediate.projection.requantize", inner, 1)
    leaves["intermediate.fraction_bits"] = 14
    scale("intermediate.activation", inner, 1)
    return leaves
