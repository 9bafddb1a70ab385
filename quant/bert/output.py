"""Stage 4: second feed-forward projection, residual sum and LayerNorm.

int8 x int8 -> 27-bit accumulators -> int16 sums -> residual stream.
"""

from __future__ import annotations

from dataclasses import dataclass

from transfab.quant.bert.layernorm import LayerNorm, layernorm
from transfab.quant.bert.residual import ResidualLinear, residual
from transfab.quant.config import LayerConfig
from transfab.quant.intmath import Array, matmul


@dataclass(frozen=True)
class OutputParameters:
    """projection: second feed-forward projection and residual sum; layernorm of that sum."""

    projection: ResidualLinear
    layernorm: LayerNorm


def output(
    config: LayerConfig, params: OutputParameters, intermediate: Array, attention_output: Array
) -> dict[str, Array]:
    """Project back to E channels, add the attention output and normalise.

    intermediate      (B, S, F) int8
    attention_output  (B, S, E) int16 or int8   input of stage 3, the skip input here
    ->  output_accumulator  (B, S, E) int32  27 signed bits
        output_sum          (B, S, E) int16
        output_*            the tensors of `layernorm`
        output              (B, S, E) int16 or int8, the hidden state of the next layer
    """
    acc = matmul(intermediate, params.projection.weight.T) + params.projection.bias
    total = residual(params.projection, acc, attention_output)
    tensors: dict[str, Array] = {"output_accumulator": acc, "output_sum": total}
    for name, tensor in layernorm(config, params.layernorm, total).items():
        tensors["output" if name == "output" else f"output_{name}"] = tensor
    return tensors
