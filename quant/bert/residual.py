"""Residual sum: a projection and its skip input, scaled by two products and rounded once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfab.quant.config import PRODUCT_BITS
from transfab.quant.intmath import (
    Array,
    Int8Array,
    Int16Array,
    Int32Array,
    Int64Array,
    accumulator_bound,
    check_requantize,
    check_width,
    limit,
    round_shift,
    saturate,
)
from transfab.quant.parameters import check_linear

# An int8 skip input widened by 18 bits still fits the 27-bit port of the multiplier.
SKIP_SHIFT_LIMIT = 18


@dataclass(frozen=True)
class ResidualLinear:
    """Weights of a projection and the constants that add it to the skip input.

    weight           (E, K) int8   in [-127, 127]
    bias             (E,)   int32  bias, zero points of the input folded in
    multiplier       (E,)   int32  in [0, 2**17), of the accumulator
    skip_multiplier  (E,)   int32  in [0, 2**17), of the skip input
    offset           (E,)   int64  zero point of the skip input
    shift            int           in [1, 47], of the sum
    skip_shift       int           in [0, 18], by which the skip product is widened first: both
                                   multipliers keep 17 bits whatever the ratio of the two scales

    Raises ValueError when a dtype, a shape or a bound is broken.
    """

    weight: Int8Array
    bias: Int32Array
    multiplier: Int32Array
    skip_multiplier: Int32Array
    offset: Int64Array
    shift: int
    skip_shift: int

    def __post_init__(self) -> None:
        check_requantize(self.multiplier, self.offset, self.shift)
        check_requantize(self.skip_multiplier, self.offset, self.shift)
        if min(int(self.multiplier.min()), int(self.skip_multiplier.min())) < 0:
            raise ValueError("residual multipliers must not be negative: recalibrate the layer")
        check_linear(self.weight, self.bias, self.multiplier)
        if not 0 <= self.skip_shift <= SKIP_SHIFT_LIMIT:
            raise ValueError(
                f"skip_shift must be in [0, {SKIP_SHIFT_LIMIT}], not {self.skip_shift}"
            )

    def check_skip(self, bits: int) -> None:
        """Raise ValueError unless a skip input of `bits` keeps the sum within 48 bits."""
        bound = (
            accumulator_bound(self.weight, self.bias) * self.multiplier
            + (limit(bits) * self.skip_multiplier.astype(np.int64) << self.skip_shift)
            + np.abs(self.offset)
            + (1 << (self.shift - 1))
        )
        check_width("residual product", bound, PRODUCT_BITS)


def residual(params: ResidualLinear, acc: Int32Array, skip: Array) -> Int16Array:
    """Add the scaled accumulator and the scaled skip input, round half up, saturate.

    acc   (B, S, E) int32          27 signed bits
    skip  (B, S, E) int8 or int16  per-channel scale and zero point
    ->    (B, S, E) int16          one scale a tensor, in [-32767, 32767]
    """
    product = (
        acc.astype(np.int64) * params.multiplier
        + (skip.astype(np.int64) * params.skip_multiplier << params.skip_shift)
        + params.offset
    )
    return np.asarray(saturate(round_shift(product, params.shift), 16), np.int16)
