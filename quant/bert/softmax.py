"""Softmax of a row of scores, without its division: exponentials in 14 bits, sum, reciprocal.

The context is accumulated with the unnormalised exponentials and scaled once a row, so no
probability is ever rounded to 8 bits (which costs 6 to 14 dB at 512 tokens).
"""

from __future__ import annotations

import numpy as np

from transfab.quant.config import EXPONENTIAL_ENTRIES
from transfab.quant.intmath import (
    Array,
    Int16Array,
    Int32Array,
    Int64Array,
    bit_length,
    reciprocal,
    round_shift,
)

# The pre-shift brings the context sum (below 2**(t+7) for a row sum of t bits) to 27 bits.
PRE_SHIFT_FROM = 19


def exponentials(
    scores: Int32Array, mask: Array, multiplier: Int32Array, shift: int, table: Int16Array
) -> dict[str, Array]:
    """Exponential of each score relative to its row's largest, from a table.

    scores      (B, H, S, S) int32   query times key, 22 signed bits
    mask        (B, S)       uint8   1 for a key that may be attended to, at least one a sequence
    multiplier  (H,)         int32   table steps per score unit times 2**shift, in [0, 2**17)
    shift       int                  in [1, 47]
    table       (4096,)      int16   in [0, 16383]
    ->  scores_maximum     (B, H, S)    int32   over the unmasked keys
        exponential_index  (B, H, S, S) int16   in [0, 4095]; 4095 for masked keys
        exponential        (B, H, S, S) int16   in [0, 16383]; 0 for masked keys
        exponential_sum    (B, H, S)    int32   in [16383, 2**23)
    """
    allowed = mask[:, None, None, :].astype(bool)
    lowest = np.iinfo(np.int32).min
    maximum = np.where(allowed, scores, lowest).max(axis=-1)
    # A masked score may exceed the maximum: its distance is taken as 0 before it is masked.
    distance = np.maximum(maximum[..., None].astype(np.int64) - scores, 0)
    index = round_shift(distance * multiplier[:, None, None].astype(np.int64), shift)
    index = np.where(allowed, np.minimum(index, EXPONENTIAL_ENTRIES - 1), EXPONENTIAL_ENTRIES - 1)
    exponential = np.where(allowed, table[index], np.int16(0))
    return {
        "scores_maximum": maximum,
        "exponential_index": index.astype(np.int16),
        "exponential": exponential,
        "exponential_sum": exponential.sum(axis=-1, dtype=np.int32),
    }


def row_reciprocal(total: Int32Array) -> tuple[Int32Array, Int64Array, Int64Array]:
    """Reciprocal of a row sum in 17 bits and the two shifts that go with it.

    total  (...) int32   in [1, 2**23)
    ->  reciprocal   (...) int32  floor((2**(16+t) - 1) / total), t bits in total; in [2**16, 2**17)
        pre_shift    (...) int64  max(0, t - 19), for the context sum
        post_shift   (...) int64  min(t, 19), leaves 16 fraction bits
    """
    bits = bit_length(total.astype(np.int64))
    inverse = reciprocal(16 + bits, total.astype(np.int64)).astype(np.int32)
    return inverse, np.maximum(bits - PRE_SHIFT_FROM, 0), np.minimum(bits, PRE_SHIFT_FROM)


def normalize_context(context: Int32Array, total: Int32Array) -> tuple[Int32Array, Int32Array]:
    """Divide the context sum by the row sum.

    context  (..., D) int32   |context| <= 127 * total, 31 signed bits
    total    (...)    int32   in [1, 2**23)
    ->  reciprocal    (...)    int32   in [2**16, 2**17)
        context_mean  (..., D) int32   in steps of value / 2**16, 24 signed bits
    """
    inverse, pre, post = row_reciprocal(total)
    narrow = round_shift(context.astype(np.int64), pre[..., None])
    mean = round_shift(narrow * inverse[..., None], post[..., None])
    return inverse, mean.astype(np.int32)
