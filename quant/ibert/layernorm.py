"""I-BERT's LayerNorm: one integer square root and one division a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfab.quant.intmath import Array, Int32Array, Int64Array, check_width

# A deviation over the root is at most 1 by Cauchy and Schwarz, so 30 fraction bits are left.
RECIPROCAL_BITS = 31
SHIFT_LIMIT = 22


@dataclass(frozen=True)
class LayerNorm:
    """Constants; gamma is part of the output's scale.

    bias   (N,) int64   beta / gamma in steps of sqrt(N) / 2**30, 48 signed bits
    shift  int          bits dropped before squaring, in [0, 22]

    Raises ValueError when a dtype, a shape or a range is wrong.
    """

    bias: Int64Array
    shift: int

    def __post_init__(self) -> None:
        if self.bias.dtype != np.int64 or self.bias.ndim != 1 or not self.bias.size:
            raise ValueError(
                f"LayerNorm bias must be a vector of int64, not {self.bias.shape} {self.bias.dtype}"
            )
        check_width("LayerNorm bias", self.bias, 48)
        if not 0 <= self.shift <= SHIFT_LIMIT:
            raise ValueError(f"LayerNorm shift must be in [0, {SHIFT_LIMIT}], not {self.shift}")


def rounded_mean(rows: Int64Array) -> Int64Array:
    """Mean of each row, rounded half to even.

    rows  (..., N) int64
    ->    (..., 1) int64
    """
    size = rows.shape[-1]
    total = rows.sum(axis=-1, keepdims=True)
    floor, rest = total // size, total % size
    return np.asarray(floor + ((2 * rest > size) | ((2 * rest == size) & (floor & 1 == 1))))


def root(value: Int64Array) -> Int64Array:
    """floor(sqrt(value)) for value in [0, 2**62): a float64 root, put right by one step."""
    near = np.floor(np.sqrt(value.astype(np.float64))).astype(np.int64)
    near -= near * near > value
    return np.asarray(near + ((near + 1) * (near + 1) <= value))


def layernorm(params: LayerNorm, total: Int32Array) -> dict[str, Array]:
    """Normalise each row, then add the bias.

    total  (..., N) int32   22 signed bits, one scale a tensor, N < 2**18
    ->  mean    (..., 1) int64   rounded half to even
        std     (..., 1) int64   floor(sqrt(sum of (y >> shift)**2)) << shift, at least 1 << shift
        factor  (..., 1) int64   floor(2**31 / std)
        y_int   (..., N) int64   (y * factor) >> 1, about 31 signed bits
        output  (..., N) int64   y_int + bias

    The original divides a constant row by zero; here its root counts as one step, so that
    such a row gives the bias. Source: I-BERT, section 3.6 and algorithm 4.
    """
    if total.shape[-1:] != params.bias.shape:
        raise ValueError(f"LayerNorm must have {params.bias.size} channels, not {total.shape[-1]}")
    rows = total.astype(np.int64)
    mean = rounded_mean(rows)
    deviation = rows - mean
    short = deviation >> params.shift
    squares = (short * short).sum(axis=-1, keepdims=True)
    std = np.maximum(root(squares), 1) << params.shift
    factor = (np.int64(1) << RECIPROCAL_BITS) // std
    y_int = (deviation * factor) >> 1
    return {
        "mean": mean,
        "std": std,
        "factor": factor,
        "y_int": y_int,
        "output": y_int + params.bias,
    }
