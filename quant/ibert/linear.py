"""A projection with int8 weights, and the two products of attention."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfab.quant.intmath import Array, Int8Array, Int32Array, check_width, matmul

ACCUMULATOR_BITS = 32


@dataclass(frozen=True)
class Linear:
    """Integer weights of one projection.

    weight  (N, K) int8    one scale a row
    bias    (N,)   int32   in steps of input scale * row scale

    Raises ValueError when a dtype or shape is wrong, or an accumulator could pass 32 bits.
    """

    weight: Int8Array
    bias: Int32Array

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or self.weight.dtype != np.int8 or self.bias.dtype != np.int32:
            raise ValueError(
                f"weight must be a matrix of int8 and bias int32, not {self.weight.ndim}-d "
                f"{self.weight.dtype} and {self.bias.dtype}"
            )
        if self.bias.shape != self.weight.shape[:1]:
            raise ValueError(
                f"bias must have one value per output channel {self.weight.shape[0]}, "
                f"not {self.bias.shape}"
            )
        sums = np.abs(self.weight.astype(np.int64)).sum(axis=1)
        bound = 128 * sums + np.abs(self.bias.astype(np.int64))
        check_width("projection accumulator", bound, ACCUMULATOR_BITS)


def linear(params: Linear, values: Int8Array) -> Int32Array:
    """values @ weight.T + bias.

    values  (..., K) int8
    ->      (..., N) int32   accumulators, exact
    """
    if values.shape[-1:] != params.weight.shape[1:]:
        raise ValueError(
            f"input must have {params.weight.shape[1]} channels, not {values.shape[-1]}"
        )
    # No int32 overflow: the sum with its bias is bounded by Linear's own check.
    return np.asarray(matmul(values, params.weight.T) + params.bias, np.int32)


def split_heads(values: Array, heads: int) -> Array:
    """(..., S, H * D) -> (..., H, S, D)."""
    return values.reshape(*values.shape[:-1], heads, -1).swapaxes(-3, -2)


def merge_heads(values: Array) -> Array:
    """(..., H, S, D) -> (..., S, H * D)."""
    moved = values.swapaxes(-3, -2)
    return moved.reshape(*moved.shape[:-2], -1)


def attention_scores(query: Int8Array, key: Int8Array) -> Int32Array:
    """query @ key.T of each head; 1 / sqrt(D) is part of the scale.

    query  (..., S, D) int8
    key    (..., T, D) int8
    ->     (..., S, T) int32   |score| <= 2**14 * D
    """
    return matmul(query, key.swapaxes(-1, -2))


def attention_context(probabilities: Array, value: Int8Array) -> Int32Array:
    """probabilities @ value of each head.

    probabilities  (..., S, T) int16   in [0, 256], row sums at most 256
    value          (..., T, D) int8
    ->             (..., S, D) int32   |context| <= 2**15
    """
    return matmul(probabilities, value)
