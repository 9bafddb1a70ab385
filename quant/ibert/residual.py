"""Residual sum: accumulator and skip input brought to one scale of 22 bits and added."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfab.quant.ibert.requantize import Dyadic, saturate, scale
from transfab.quant.intmath import Array, Int8Array, Int32Array

RESIDUAL_BITS = 22


@dataclass(frozen=True)
class Residual:
    """Scales of the two terms.

    acc   N scales   of the projection's accumulator
    skip  one scale  of the skip input
    """

    acc: Dyadic
    skip: Dyadic


def residual(params: Residual, acc: Int32Array, skip: Int8Array) -> dict[str, Array]:
    """Add the two scaled terms, each rounded half to even; saturate their sum.

    acc   (..., N) int32
    skip  (..., N) int8
    ->  output0  (..., N) int64   scaled accumulator
        output1  (..., N) int64   scaled skip input
        output   (..., N) int32   22 signed bits
    """
    terms = scale(acc, params.acc), scale(skip, params.skip)
    total = saturate(terms[0] + terms[1], RESIDUAL_BITS).astype(np.int32)
    return {"output0": terms[0], "output1": terms[1], "output": total}
