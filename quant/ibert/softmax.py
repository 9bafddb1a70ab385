"""I-BERT's softmax: a second-order polynomial and a shift for exp, one division a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfab.quant.ibert.requantize import Dyadic, saturate, scale
from transfab.quant.intmath import Array, Int32Array

EXPONENTIAL_BITS = 16
RECIPROCAL_BITS = 32
PROBABILITY_BITS = 8
MASKED = -(1 << 31)


@dataclass(frozen=True)
class Softmax:
    """Constants in steps of the score scale s.

    b, c    int     exp(r) is nearly proportional to (r + b) r + c on (x0, 0]
    x0      int     floor(-ln 2 / s), negative
    n       int     halvings that are kept; the exponential carries n fraction bits
    factor  Dyadic  one scale, of the exponential to 16 bits

    Raises ValueError when a constant breaks a bound: the polynomial must fit 62 bits.
    """

    b: int
    c: int
    x0: int
    n: int
    factor: Dyadic

    def __post_init__(self) -> None:
        if self.x0 >= 0:
            raise ValueError(f"softmax x0 must be negative, not {self.x0}")
        if self.factor.shift.ndim:
            raise ValueError(f"softmax needs one scale, not {self.factor.shift.shape}")
        if not 1 <= self.n <= int(self.factor.shift):
            raise ValueError(
                f"softmax n must be in [1, {int(self.factor.shift)}], its shift, not {self.n}"
            )
        bound = (abs(self.x0) + abs(self.b)) * abs(self.x0) + abs(self.c)
        if max(bound, self.n * -self.x0) >= 1 << 62:
            raise ValueError(
                f"softmax polynomial must fit 62 bits: the score scale is too fine for x0 {self.x0}"
            )
        largest = (self.c << self.n) * int(self.factor.multiplier) >> int(self.factor.shift)
        if largest < 1:
            raise ValueError(
                f"softmax must scale exp(0) to at least 1, not {largest}: calibrate its range"
            )


def mask_scores(scores: Int32Array, mask: Array) -> Int32Array:
    """Give every masked key the lowest score.

    scores  (..., H, S, T) int32
    mask    (..., T)       bool or uint8, 1 for a key that may be attended to
    ->      (..., H, S, T) int32   -2**31 for masked keys
    """
    allowed = np.asarray(mask, bool)[..., None, None, :]
    return np.where(allowed, scores, np.int32(MASKED))


def softmax(params: Softmax, scores: Array) -> dict[str, Array]:
    """Probabilities of each row in steps of 1/256.

    scores  (..., T) int32   -2**31 for masked keys
    ->  halvings     (..., T) int64   q, in [0, n]
        polynomial   (..., T) int64   z, below 2**62; exp = z << (n - q), n fraction bits
        exponential  (..., T) int32   t, exp scaled to 16 signed bits, rounded half up
        factor       (..., 1) int64   f = floor(2**32 / sum of t)
        output       (..., T) int16   (t f) >> 24, in [0, 256]

    The largest score has exp(0), at least 1 after scaling, so no sum is 0. Source: I-BERT,
    section 3.5 and algorithm 3.
    """
    wide = scores.astype(np.int64)
    distance = np.maximum(wide - wide.max(axis=-1, keepdims=True), params.n * params.x0)
    halvings = distance // params.x0
    rest = distance - params.x0 * halvings
    polynomial = np.maximum((rest + params.b) * rest + params.c, 0)
    # exp itself may pass 64 bits, so its left shift is taken off the scale's right shift.
    scaled = scale(polynomial, params.factor, drop=params.n - halvings, half_up=True)
    exponential = saturate(scaled, EXPONENTIAL_BITS).astype(np.int32)
    total = exponential.sum(axis=-1, keepdims=True, dtype=np.int64)
    factor = (np.int64(1) << RECIPROCAL_BITS) // total
    output = (exponential * factor) >> (RECIPROCAL_BITS - PROBABILITY_BITS)
    return {
        "halvings": halvings,
        "polynomial": polynomial,
        "exponential": exponential,
        "factor": factor,
        "output": output.astype(np.int16),
    }
