"""Stage 3: first feed-forward projection and GELU.

int8 x int8 -> 27-bit accumulators -> int16 pre-activation -> int16 GELU -> int8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfab.quant.bert.gelu import gelu
from transfab.quant.bert.qkv import check_narrow, narrow
from transfab.quant.config import GELU_ENTRIES, LayerConfig
from transfab.quant.intmath import (
    Array,
    Int16Array,
    Requantize,
    check_product,
    check_table,
    limit,
    matmul,
    requantize,
)
from transfab.quant.parameters import Linear


@dataclass(frozen=True)
class IntermediateParameters:
    """Constants of stage 3.

    hidden         Requantize | None   over E; None with an 8-bit residual
    projection     Linear              accumulators to the int16 pre-activation
    fraction_bits  int                 of the pre-activation, in [6, 14]
    gelu_table     (256,) int16
    activation     Requantize          over F, int16 GELU to int8
    """

    hidden: Requantize | None
    projection: Linear
    fraction_bits: int
    gelu_table: Int16Array
    activation: Requantize

    def __post_init__(self) -> None:
        check_narrow(self.hidden)
        if not 6 <= self.fraction_bits <= 14:
            raise ValueError(f"fraction_bits must be in [6, 14], not {self.fraction_bits}")
        check_table("gelu table", self.gelu_table, GELU_ENTRIES, limit(16))
        check_product("activation", limit(16), self.activation)


def intermediate(
    config: LayerConfig, params: IntermediateParameters, attention_output: Array
) -> dict[str, Array]:
    """Project to F channels and apply GELU.

    attention_output  (B, S, E) int16 or int8 by config.residual_bits
    ->  attention_output8           (B, S, E) int8   only with a 16-bit residual
        intermediate_accumulator    (B, S, F) int32  27 signed bits
        intermediate_preactivation  (B, S, F) int16  fraction_bits fraction bits
        intermediate_gelu           (B, S, F) int16  the same steps
        intermediate                (B, S, F) int8   per-channel scale and zero point
    """
    tensors: dict[str, Array] = {}
    operand = narrow(attention_output, params.hidden)
    if params.hidden is not None:
        tensors["attention_output8"] = operand
    acc = matmul(operand, params.projection.weight.T) + params.projection.bias
    preactivation = np.asarray(requantize(acc, params.projection.requantize, 16), np.int16)
    activated = gelu(preactivation, params.gelu_table, params.fraction_bits)
    tensors["intermediate_accumulator"] = acc
    tensors["intermediate_preactivation"] = preactivation
    tensors["intermediate_gelu"] = activated
    tensors["intermediate"] = requantize(activated, params.activation, 8)
    return tensors
