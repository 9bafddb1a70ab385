"""Stage 2: scores, softmax, context, output projection, residual sum and LayerNorm.

int8 query, key, value -> 22-bit scores -> 14-bit exponentials -> 31-bit context sums -> int8
context -> 27-bit accumulators -> int16 sums -> residual stream.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfab.quant.bert.layernorm import LayerNorm, layernorm
from transfab.quant.bert.residual import ResidualLinear, residual
from transfab.quant.bert.softmax import exponentials, normalize_context
from transfab.quant.config import EXPONENTIAL_BITS, EXPONENTIAL_ENTRIES, LayerConfig
from transfab.quant.intmath import (
    Array,
    Int16Array,
    Int32Array,
    Requantize,
    check_product,
    check_table,
    matmul,
    requantize,
)


@dataclass(frozen=True)
class AttentionParameters:
    """Constants of stage 2.

    scores_multiplier  (H,) int32      exponential-table steps per score unit, 1/sqrt(D) included
    scores_shift       int             in [1, 47]
    exponential_table  (4096,) int16   in [0, 16383]
    context            Requantize      over E, from value steps / 2**16 to int8
    projection         ResidualLinear  attention output projection and residual sum
    layernorm          LayerNorm
    """

    scores_multiplier: Int32Array
    scores_shift: int
    exponential_table: Int16Array
    context: Requantize
    projection: ResidualLinear
    layernorm: LayerNorm

    def __post_init__(self) -> None:
        zero = np.zeros(self.scores_multiplier.shape, np.int64)
        scores = Requantize(self.scores_multiplier, zero, self.scores_shift)
        check_product("scores", 1 << 22, scores)
        table, highest = self.exponential_table, (1 << EXPONENTIAL_BITS) - 1
        check_table("exponential table", table, EXPONENTIAL_ENTRIES, highest)
        # The largest score of a row has index 0: its entry keeps the row sum above zero.
        if int(table[0]) < 1:
            raise ValueError(f"exponential table must start in [1, {highest}], not {table[0]}")
        check_product("context", 127 << 16, self.context)


def split_heads(config: LayerConfig, tensor: Array) -> Array:
    """(B, S, E) to (B, H, S, D)."""
    batch, sequence, _ = tensor.shape
    return tensor.reshape(batch, sequence, config.heads, config.head_size).transpose(0, 2, 1, 3)


def merge_heads(tensor: Array) -> Array:
    """(B, H, S, D) to (B, S, E)."""
    batch, heads, sequence, size = tensor.shape
    return tensor.transpose(0, 2, 1, 3).reshape(batch, sequence, heads * size)


def attention(
    config: LayerConfig,
    params: AttentionParameters,
    query: Array,
    key: Array,
    value: Array,
    hidden: Array,
    mask: Array,
) -> dict[str, Array]:
    """Attend, project, add the hidden state and normalise.

    query, key, value  (B, S, E) int8
    hidden             (B, S, E) int16 or int8   input of stage 1, the skip input here
    mask               (B, S)    uint8           1 for a real token, 0 for padding
    ->  scores                  (B, H, S, S) int32   22 signed bits
        the tensors of `exponentials`
        context_accumulator     (B, S, E) int32   31 signed bits
        context_reciprocal      (B, H, S) int32   in [2**16, 2**17)
        context_mean            (B, S, E) int32   24 signed bits
        context                 (B, S, E) int8
        attention_accumulator   (B, S, E) int32   27 signed bits
        attention_sum           (B, S, E) int16
        attention_*             the tensors of `layernorm`
        attention_output        (B, S, E) int16 or int8
    """
    tensors: dict[str, Array] = {}
    scores = matmul(split_heads(config, query), split_heads(config, key).swapaxes(-1, -2))
    tensors["scores"] = scores
    tensors.update(
        exponentials(
            scores, mask, params.scores_multiplier, params.scores_shift, params.exponential_table
        )
    )
    context_acc = matmul(tensors["exponential"], split_heads(config, value))
    inverse, mean = normalize_context(context_acc, tensors["exponential_sum"])
    tensors["context_accumulator"] = merge_heads(context_acc)
    tensors["context_reciprocal"] = inverse
    tensors["context_mean"] = merge_heads(mean)
    tensors["context"] = requantize(tensors["context_mean"], params.context, 8)
    acc = matmul(tensors["context"], params.projection.weight.T) + params.projection.bias
    tensors["attention_accumulator"] = acc
    tensors["attention_sum"] = residual(params.projection, acc, hidden)
    normal = layernorm(config, params.layernorm, tensors["attention_sum"])
    tensors.update({f"attention_{name}": tensor for name, tensor in normal.items()})
    return tensors
