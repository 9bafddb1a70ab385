"""Dyadic requantization: a value times m / 2**e, rounded half to even, saturated.

A product has up to 94 bits, so it is held in two words: `high` (signed, 63 bits) and `low`
(unsigned, 32 bits), product = high * 2**32 + low. No step uses a float.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transfab.quant.intmath import Array, Int8Array, Int64Array

# |m| < 2**31 and |value| < 2**63: from shift 95 on every product rounds to 0.
SHIFT_LIMIT = 94
MULTIPLIER_LIMIT = (1 << 31) - 1
ACTIVATION_BITS = 8

_WORD_BITS = 32
_WORD = np.int64((1 << _WORD_BITS) - 1)
_ONE = np.int64(1)


@dataclass(frozen=True)
class Dyadic:
    """A scale m / 2**e, one for a tensor or one a channel.

    multiplier  () or (N,) int64   m, |m| < 2**31
    shift       () or (N,) int64   e, in [0, 94]

    Raises ValueError when a constant is out of range or the two shapes differ.
    """

    multiplier: Int64Array
    shift: Int64Array

    def __post_init__(self) -> None:
        for name, value in (("multiplier", self.multiplier), ("shift", self.shift)):
            if value.dtype != np.int64 or value.ndim > 1 or not value.size:
                raise ValueError(
                    f"dyadic {name} must be one int64 or a vector of them, not "
                    f"{value.shape} {value.dtype}"
                )
        if self.multiplier.shape != self.shift.shape:
            raise ValueError(
                f"dyadic multiplier and shift must have one shape, not {self.multiplier.shape} "
                f"and {self.shift.shape}"
            )
        if int(np.abs(self.multiplier).max()) > MULTIPLIER_LIMIT:
            worst = int(self.multiplier.flat[np.abs(self.multiplier).argmax()])
            raise ValueError(f"dyadic multiplier must be below 2**31 in magnitude, not {worst}")
        if not 0 <= int(self.shift.min()) <= int(self.shift.max()) <= SHIFT_LIMIT:
            worst = int(self.shift.min() if self.shift.min() < 0 else self.shift.max())
            raise ValueError(f"dyadic shift must be in [0, {SHIFT_LIMIT}], not {worst}")


def dyadic(ratio: npt.NDArray[np.float64]) -> Dyadic:
    """Nearest m / 2**e to a positive or negative ratio of scales, m of 31 bits.

    ratio  () or (N,) float64   finite, not 0, magnitude in [2**-64, 2**31)
    ->     m = round(mantissa * 2**31), half away from zero; 2**31 is written as 2**30, e - 1

    Raises ValueError when a ratio is not finite, 0, or needs a shift outside [0, 94].
    Source: Yao et al., HAWQ-V3 (2021), dyadic quantization, which I-BERT takes over.
    """
    if not np.isfinite(ratio).all() or not ratio.all():
        raise ValueError(f"a ratio of scales must be finite and not 0, not {ratio.min()}")
    mantissa, exponent = np.frexp(ratio)
    magnitude = np.floor(np.abs(mantissa) * 2.0**31 + 0.5).astype(np.int64)
    carried = magnitude >> 31
    signed = np.where(ratio < 0, -(magnitude >> carried), magnitude >> carried)
    return Dyadic(np.asarray(signed, np.int64), np.asarray(31 - exponent - carried, np.int64))


def scale(value: Array, factor: Dyadic, *, drop: Array | int = 0, half_up: bool = False) -> Array:
    """Exact round(value * m / 2**(e - drop)), half to even, or half up as a shifter rounds.

    value    (..., N) int     any int64
    factor   one scale, or N
    drop     int or (..., N)  bits by which the value is meant to be shifted left first, in [0, e]
    half_up  bool             round a tie up instead
    ->       (..., N) int64

    Raises ValueError when a result needs more than 63 bits.
    """
    multiplier, shift = factor.multiplier, factor.shift - drop
    wide = value.astype(np.int64)
    low = (wide & _WORD) * multiplier
    high = (wide >> _WORD_BITS) * multiplier + (low >> _WORD_BITS)
    low &= _WORD
    # A shift of less than a word moves low bits of `high` into the result.
    up = np.maximum(_WORD_BITS - shift, 0)
    if not np.isin(high >> (62 - up), (-1, 0)).all():
        raise ValueError("a requantized value must fit 63 signed bits: its scale is too large")
    down = np.maximum(shift - _WORD_BITS, 0)
    floor = ((high >> down) << up) + np.where(up > 0, low >> np.minimum(shift, _WORD_BITS), 0)
    half = _bit(high, low, shift - 1)
    if half_up:
        return np.asarray(floor + half, np.int64)
    return np.asarray(floor + (half & (_sticky(high, low, shift - 1) | floor)), np.int64)


def requantize(value: Array, factor: Dyadic) -> Int8Array:
    """Scale an accumulator to int8: exact product, round half to even, saturate.

    value   (..., N) int    any int64
    factor  one scale, or N
    ->      (..., N) int8   in [-128, 127]
    """
    return saturate(scale(value, factor), ACTIVATION_BITS).astype(np.int8)


def saturate(value: Array, bits: int) -> Array:
    """Clamp to [-2**(bits-1), 2**(bits-1) - 1]: I-BERT uses the lowest value too."""
    return np.asarray(np.clip(value, -(1 << (bits - 1)), (1 << (bits - 1)) - 1))


def _bit(high: Array, low: Array, position: Array) -> Array:
    """Bit `position` of the two-word product; 0 at position -1."""
    above = (high >> np.maximum(position - _WORD_BITS, 0)) & 1
    below = (low >> np.clip(position, 0, _WORD_BITS)) & 1
    return np.asarray(np.where(position >= _WORD_BITS, above, np.where(position < 0, 0, below)))


def _sticky(high: Array, low: Array, position: Array) -> Array:
    """1 where any bit below `position` of the two-word product is set."""
    above = high & ((_ONE << np.maximum(position - _WORD_BITS, 0)) - 1)
    below = low & ((_ONE << np.clip(position, 0, _WORD_BITS)) - 1)
    return np.asarray((above | below) != 0, np.int64)
