"""Integer arithmetic of the layer: the only place that rounds, shifts or saturates.

Every value fits the width that its function states; values are carried in int64 so that an
intermediate of up to 48 bits (one DSP48E2) is exact. Rounding is half up: add half, then
shift arithmetically. Truncating instead costs 8 dB over six layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from transfab.quant.config import (
    ACCUMULATOR_BITS,
    EXPONENTIAL_BITS,
    EXPONENTIAL_ENTRIES,
    GELU_ENTRIES,
    GELU_RANGE,
    MULTIPLIER_BITS,
    PRODUCT_BITS,
)

Array = npt.NDArray[Any]
Int8Array = npt.NDArray[np.int8]
Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]

_STORAGE: dict[int, type[np.signedinteger[Any]]] = {8: np.int8, 16: np.int16}


def limit(bits: int) -> int:
    """Largest magnitude of a symmetric signed integer: 127 for 8 bits, 32767 for 16."""
    return (1 << (bits - 1)) - 1


def check_width(name: str, value: Array, bits: int) -> None:
    """Raise ValueError if any element of `value` needs more than `bits` signed bits."""
    if value.size and not (
        -(1 << (bits - 1)) <= int(value.min()) <= int(value.max()) < 1 << (bits - 1)
    ):
        worst = max(int(value.max()), int(value.min()), key=abs)
        raise ValueError(f"{name} must fit {bits} signed bits, not {worst}: recalibrate the layer")


def round_shift(value: Int64Array, shift: int | Int64Array) -> Int64Array:
    """Divide by 2**shift, rounding half up.

    value  (...) int64   |value| + 2**(shift-1) < 2**63
    shift  int or (...) int64 in [0, 62]
    ->     (...) int64   floor(value / 2**shift + 1/2)
    """
    shift = np.asarray(shift, np.int64)
    half = (np.int64(1) << shift) >> np.int64(1)
    return np.asarray((value + half) >> shift, np.int64)


def saturate(value: Int64Array, bits: int) -> Array:
    """Clamp to [-limit, limit] *before* narrowing, so that no cast can wrap.

    value  (...) int64          any value
    ->     (...) int8 or int16  in [-limit(bits), limit(bits)]
    """
    return np.clip(value, -limit(bits), limit(bits)).astype(_STORAGE[bits])


@dataclass(frozen=True)
class Requantize:
    """Constants of one requantization, per channel N (or per head), one shift a tensor.

    multiplier  (N,) int32  in [0, 2**17)
    offset      (N,) int64  the zero point, in the units of the product
    shift       int         in [1, 47]

    Raises ValueError when a constant is out of range.
    """

    multiplier: Int32Array
    offset: Int64Array
    shift: int

    def __post_init__(self) -> None:
        check_requantize(self.multiplier, self.offset, self.shift)
        if int(self.multiplier.min()) < 0:
            raise ValueError(f"multiplier must not be negative, not {int(self.multiplier.min())}")


def check_requantize(multiplier: Int32Array, offset: Int64Array, shift: int) -> None:
    """Raise ValueError unless the constants fit a 27 x 18 multiplier and a 48-bit adder."""
    if multiplier.dtype != np.int32 or offset.dtype != np.int64:
        raise ValueError(
            f"multiplier and offset must be int32 and int64, not {multiplier.dtype} "
            f"and {offset.dtype}"
        )
    if multiplier.ndim != 1 or multiplier.shape != offset.shape or not multiplier.size:
        raise ValueError(
            f"multiplier and offset must be two vectors of one length, not {multiplier.shape} "
            f"and {offset.shape}"
        )
    if not 1 <= shift <= PRODUCT_BITS - 1:
        raise ValueError(f"shift must be in [1, {PRODUCT_BITS - 1}], not {shift}")
    check_width("multiplier", multiplier, MULTIPLIER_BITS)
    check_width("offset", offset, PRODUCT_BITS)


def requantize(acc: Array, scale: Requantize, bits: int) -> Array:
    """Scale accumulators to `bits`: multiply, add the offset, round half up, shift, saturate.

    acc    (..., N) int     27 signed bits
    scale  N constants; |acc * multiplier + offset| + 2**(shift-1) < 2**47, checked when packed
    bits   8 or 16
    ->     (..., N) int8 or int16, in [-limit(bits), limit(bits)]
    """
    product = acc.astype(np.int64) * scale.multiplier + scale.offset
    return saturate(round_shift(product, scale.shift), bits)


def check_product(name: str, bound: Int64Array | int, scale: Requantize) -> None:
    """Raise ValueError unless |acc| <= bound keeps every step of requantize within 48 bits.

    bound  int or (N,) int64   largest magnitude of the accumulator, per channel
    """
    worst = np.abs(bound * scale.multiplier.astype(np.int64)) + np.abs(scale.offset)
    check_width(f"{name} product", worst + (np.int64(1) << np.int64(scale.shift - 1)), PRODUCT_BITS)


def bit_length(value: Int64Array) -> Int64Array:
    """Bits of a non-negative integer below 2**53 (0 has none), as Python's int.bit_length."""
    return np.asarray(np.frexp(value.astype(np.float64))[1], np.int64)


def integer_sqrt(value: Int64Array) -> Int64Array:
    """floor(sqrt(value)) for value in [0, 2**52), where a float64 root cannot round up across
    an integer.
    """
    return np.asarray(np.floor(np.sqrt(value.astype(np.float64))), np.int64)


def reciprocal(bits: Int64Array | int, value: Int64Array) -> Int64Array:
    """floor((2**bits - 1) / value), the one division of a row; value >= 1."""
    return np.asarray(((np.int64(1) << np.asarray(bits, np.int64)) - 1) // value, np.int64)


def exponential_table() -> Int16Array:
    """exp(-index * step) in 14 bits, step = ln(2 * 16383) / 4096; the last entry is 0.

    ->  (4096,) int16  falling from 16383 to 0

    The table ends where the exponential rounds to zero. Its last entry also stands for every
    score further away, so it is 0: at 512 tokens a leak of 1/16383 a key would be 3 %.
    """
    top = (1 << EXPONENTIAL_BITS) - 1
    step = exponential_step()
    table = [
        math.floor(top * math.exp(-index * step) + 0.5) for index in range(EXPONENTIAL_ENTRIES)
    ]
    return np.array([*table[:-1], 0], np.int16)


def exponential_step() -> float:
    """Score distance (natural logarithm) that one index of the exponential table stands for."""
    return math.log(2 * ((1 << EXPONENTIAL_BITS) - 1)) / EXPONENTIAL_ENTRIES


def gelu_table(fraction_bits: int) -> Int16Array:
    """|x| * Phi(-|x|), by which GELU falls short of max(x, 0), at the middle of 256 steps of 1/64.

    fraction_bits  int            fraction bits of the pre-activation, in [6, 14]
    ->             (256,) int16   in [0, 0.17 * 2**fraction_bits]
    """
    step = GELU_RANGE / GELU_ENTRIES
    middles = [(index + 0.5) * step for index in range(GELU_ENTRIES)]
    values = [x * 0.5 * math.erfc(x / math.sqrt(2)) for x in middles]
    return np.array([math.floor(v * (1 << fraction_bits) + 0.5) for v in values], np.int16)


def check_table(name: str, table: Int16Array, entries: int, highest: int) -> None:
    """Raise ValueError unless a table has its entries in int16, each in [0, highest]."""
    if table.shape != (entries,) or table.dtype != np.int16:
        raise ValueError(f"{name} must be {entries} int16, not {table.shape} {table.dtype}")
    for value in (int(table.min()), int(table.max())):
        if not 0 <= value <= highest:
            raise ValueError(f"{name} must lie in [0, {highest}], not {value}")


def matmul(left: Array, right: Array) -> Int32Array:
    """Exact integer product left @ right in int32.

    left   (..., M, K) int8 or int16
    right  (..., K, N) int8
    ->     (..., M, N) int32, |sum| < 2**31 for every shape inside the limits

    float64 products of these operands are exact below 2**53 whatever the order of the sum.
    """
    return (left.astype(np.float64) @ right.astype(np.float64)).astype(np.int32)


def accumulator_bound(weight: Int8Array, bias: Int32Array) -> Int64Array:
    """128 * sum|w| + |b| per output channel: no int8 input makes a larger accumulator.

    weight  (N, K) int8    in [-127, 127]
    bias    (N,)   int32
    ->      (N,)   int64
    """
    weights = np.abs(weight.astype(np.int64)).sum(axis=1)
    return np.asarray(128 * weights + np.abs(bias.astype(np.int64)), np.int64)


def check_accumulator(name: str, weight: Int8Array, bias: Int32Array) -> None:
    """Raise ValueError unless accumulator_bound is below 2**26 (27 bits) in every channel."""
    bound = accumulator_bound(weight, bias)
    if bound.size and int(bound.max()) >= 1 << (ACCUMULATOR_BITS - 1):
        channel = int(bound.argmax())
        raise ValueError(
            f"{name} accumulator of channel {channel} must stay below 2**{ACCUMULATOR_BITS - 1}, "
            f"not {int(bound[channel])}: recalibrate with a larger range"
        )
