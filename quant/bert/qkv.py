"""Stage 1: query, key and value projections of the hidden state, requantized to int8.

int8 x int8 -> 27-bit accumulators -> int8; the hidden state is narrowed from int16 first.
"""

from __future__ import annotations

from dataclasses import dataclass

from transfab.quant.config import LayerConfig
from transfab.quant.intmath import Array, Requantize, check_product, limit, matmul, requantize
from transfab.quant.parameters import Linear


@dataclass(frozen=True)
class QkvParameters:
    """hidden: None with an 8-bit residual; query, key: one scale a head; value: a channel."""

    hidden: Requantize | None
    query: Linear
    key: Linear
    value: Linear

    def __post_init__(self) -> None:
        check_narrow(self.hidden)


def check_narrow(scale: Requantize | None) -> None:
    """Raise ValueError unless any int16 hidden state keeps its product within 48 bits."""
    if scale is not None:
        check_product("operand", limit(16), scale)


def narrow(hidden: Array, scale: Requantize | None) -> Array:
    """The int8 operand of a projection: the residual stream itself, or requantized from int16."""
    return hidden if scale is None else requantize(hidden, scale, 8)


def qkv(config: LayerConfig, params: QkvParameters, hidden: Array) -> dict[str, Array]:
    """Project the hidden state to query, key and value.

    hidden  (B, S, E) int16 or int8 by config.residual_bits
    ->  hidden8            (B, S, E) int8    only with a 16-bit residual
        *_accumulator      (B, S, E) int32   27 signed bits, query, key and value
        query, key, value  (B, S, E) int8    head h in channels [h * D, (h + 1) * D)
    """
    tensors: dict[str, Array] = {}
    operand = narrow(hidden, params.hidden)
    if params.hidden is not None:
        tensors["hidden8"] = operand
    for name in ("query", "key", "value"):
        linear: Linear = getattr(params, name)
        acc = matmul(operand, linear.weight.T) + linear.bias
        tensors[f"{name}_accumulator"] = acc
        tensors[name] = requantize(acc, linear.requantize, 8)
    return tensors
