"""GELU of an int16 pre-activation: a rectifier less a table of 256 entries over |x| < 4."""

from __future__ import annotations

import numpy as np

from transfab.quant.config import GELU_ENTRIES, GELU_RANGE
from transfab.quant.intmath import Int16Array

# log2 of table entries per unit: an index is |x| without its lowest bits.
_ENTRIES_PER_UNIT_BITS = (GELU_ENTRIES // GELU_RANGE).bit_length() - 1


def gelu(preactivation: Int16Array, table: Int16Array, fraction_bits: int) -> Int16Array:
    """max(x, 0) - table[|x| >> k], and max(x, 0) beyond the table.

    preactivation  (...) int16   in [-32767, 32767], with `fraction_bits` fraction bits
    table          (256,) int16  of |x| * Phi(-|x|) in the same steps
    fraction_bits  int           in [6, 14]
    ->             (...) int16   same steps, in [-0.17, 32767]
    """
    magnitude = np.abs(preactivation.astype(np.int32))
    index = magnitude >> (fraction_bits - _ENTRIES_PER_UNIT_BITS)
    short = np.where(index < GELU_ENTRIES, table[np.minimum(index, GELU_ENTRIES - 1)], np.int16(0))
    return np.asarray(np.maximum(preactivation, 0) - short, np.int16)
