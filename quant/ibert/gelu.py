"""I-BERT's GELU: x (1 + erf(x / sqrt 2)) / 2 with a second-order polynomial for erf."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfab.quant.intmath import Array, Int32Array, Int64Array


@dataclass(frozen=True)
class Gelu:
    """Constants of each channel, in steps of its accumulator scale.

    b      (N,) int64   where the polynomial's clipping begins, negative
    c      (N,) int64   its constant, negative
    shift  (N,) int64   one, in steps of erf, negative because erf's own scale is
    const  int          bits dropped from erf, in [0, 62]

    Raises ValueError when a dtype or shape is wrong, or a step could pass 63 bits.
    """

    b: Int64Array
    c: Int64Array
    shift: Int64Array
    const: int

    def __post_init__(self) -> None:
        for name, value in (("b", self.b), ("c", self.c), ("shift", self.shift)):
            if value.dtype != np.int64 or value.shape != (self.b.size,):
                raise ValueError(
                    f"GELU {name} must be a vector of int64, one a channel, not {value.shape} "
                    f"{value.dtype}"
                )
        if not 0 <= self.const <= 62:
            raise ValueError(f"GELU const must be in [0, 62], not {self.const}")
        if not (self.b < 0).all():
            raise ValueError(f"GELU b must be negative, not {int(self.b.max())}")
        # In Python's integers: b * b of a channel with almost no weight passes 64 bits.
        for channel, (b, c, shift) in enumerate(zip(self.b, self.c, self.shift, strict=True)):
            bound = int(b) ** 2 + abs(int(c))
            if bound >= 1 << 62 or (bound >> self.const) + abs(int(shift)) + 1 >= 1 << 31:
                raise ValueError(
                    f"GELU of channel {channel} must fit 31 bits: its accumulator scale is too "
                    "fine, as of a channel whose weights are nearly 0"
                )


def gelu(params: Gelu, acc: Int32Array) -> dict[str, Array]:
    """x times (erf + 1), with erf = sign(x) ((min(|x|, -b) + b)**2 + c) >> const.

    acc  (..., N) int32
    ->  sign    (..., N) int8    of x
        output  (..., N) int64   below 2**62; its scale is negative

    Source: I-BERT, section 3.4 and algorithm 2.
    """
    wide = acc.astype(np.int64)
    sign = np.sign(wide)
    clipped = np.minimum(np.abs(wide), -params.b)
    erf = sign * ((clipped + params.b) ** 2 + params.c)
    output = wide * ((erf >> params.const) + params.shift)
    return {"sign": sign.astype(np.int8), "output": output}
