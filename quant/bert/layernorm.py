"""LayerNorm of a row of int16 sums, with one integer square root and one division a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfab.quant.config import PRODUCT_BITS, LayerConfig
from transfab.quant.intmath import (
    Array,
    Int16Array,
    Int32Array,
    Int64Array,
    bit_length,
    check_requantize,
    check_width,
    integer_sqrt,
    reciprocal,
    round_shift,
    saturate,
)

# A sum of squares is shifted by an even amount to 33 or 34 bits, so its root has 17.
ROOT_SQUARE_BITS = 34
OFFSET_BITS = 47


@dataclass(frozen=True)
class LayerNorm:
    """Constants of a LayerNorm; sqrt(E) and the output scale are folded into the gain.

    gain     (E,) int32   18 signed bits
    offset   (E,) int64   |offset| < 2**46: beta and the zero point of the output
    shift    int          in [1, 47]
    epsilon  int          E * eps in squared steps of the sum, in [1, 2**40)

    Raises ValueError when a constant is out of range.
    """

    gain: Int32Array
    offset: Int64Array
    shift: int
    epsilon: int

    def __post_init__(self) -> None:
        check_requantize(self.gain, self.offset, self.shift)
        check_width("LayerNorm offset", self.offset, OFFSET_BITS)
        # |normalized| <= 2**25 * (1 + 2**-15), the reciprocal being up to 2**-16 too large.
        product = np.abs(self.gain.astype(np.int64)) * ((1 << 25) + (1 << 10))
        bound = product + np.abs(self.offset) + (np.int64(1) << np.int64(self.shift - 1))
        check_width("LayerNorm product", bound, PRODUCT_BITS)
        # A zero epsilon would divide a constant row by zero.
        if not 1 <= self.epsilon < 1 << 40:
            raise ValueError(f"LayerNorm epsilon must be in [1, 2**40), not {self.epsilon}")


def layernorm(config: LayerConfig, params: LayerNorm, total: Int16Array) -> dict[str, Array]:
    """Normalise each row to mean 0 and variance 1, then apply gain and offset.

    total  (B, S, E) int16   residual sums, one scale a tensor
    ->  mean        (B, S)    int32   rounded row mean, 17 signed bits
        squares     (B, S)    int64   sum of squared deviations + epsilon, in [1, 2**43)
        root        (B, S)    int32   root of the squares shifted to 34 bits, in [2**16, 2**17)
        reciprocal  (B, S)    int32   floor((2**33 - 1) / root), in [2**16, 2**17)
        normalized  (B, S, E) int32   deviation over root, 25 fraction bits, 27 signed bits
        output      (B, S, E) int8 or int16 by config.residual_bits, saturated
    """
    rows = total.astype(np.int64)
    mean = round_shift(rows.sum(axis=-1) * config.mean_multiplier, config.mean_shift)
    deviation = rows - mean[..., None]
    squares = (deviation * deviation).sum(axis=-1) + params.epsilon
    # Half the even shift: positive widens small sums, negative narrows large ones.
    half_shift = (ROOT_SQUARE_BITS - bit_length(squares)) >> 1
    shifted = np.where(
        half_shift >= 0,
        squares << np.maximum(2 * half_shift, 0),
        squares >> np.maximum(-2 * half_shift, 0),
    )
    root = integer_sqrt(shifted)
    inverse = reciprocal(33, root)
    # deviation * inverse has 33 fraction bits less the half shift: bring it to 25.
    drop = 8 - half_shift
    product = deviation * inverse[..., None]
    normalized = np.where(
        drop[..., None] >= 0,
        round_shift(product, np.maximum(drop, 0)[..., None]),
        product << np.maximum(-drop, 0)[..., None],
    )
    output = round_shift(normalized * params.gain + params.offset, params.shift)
    return {
        "mean": mean.astype(np.int32),
        "squares": squares,
        "root": root.astype(np.int32),
        "reciprocal": inverse.astype(np.int32),
        "normalized": normalized.astype(np.int32),
        "output": saturate(output, config.residual_bits),
    }
