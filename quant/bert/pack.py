"""Integer parameters of a layer from its float weights and scales: all rounding done off line."""

from __future__ import annotations

import math

import numpy as np

from transfab.quant.bert.attention import AttentionParameters
from transfab.quant.bert.intermediate import IntermediateParameters
from transfab.quant.bert.layer import LayerParameters, check_shapes
from transfab.quant.bert.layernorm import LayerNorm
from transfab.quant.bert.output import OutputParameters
from transfab.quant.bert.qkv import QkvParameters
from transfab.quant.bert.residual import SKIP_SHIFT_LIMIT, ResidualLinear
from transfab.quant.bert.scales import Affine, HiddenScales, LayerScales, Statistics
from transfab.quant.bert.weights import FloatArray, FloatLayer, FloatLinear
from transfab.quant.config import (
    ACCUMULATOR_BITS,
    CONTEXT_FRACTION_BITS,
    MULTIPLIER_BITS,
    NORMALIZED_FRACTION_BITS,
    PRODUCT_BITS,
    LayerConfig,
)
from transfab.quant.intmath import (
    Int8Array,
    Int32Array,
    Int64Array,
    Requantize,
    exponential_step,
    exponential_table,
    gelu_table,
    limit,
)
from transfab.quant.parameters import Linear


def shift_for(ratio: FloatArray) -> int:
    """The shift in [1, 47] that gives the largest |ratio| a multiplier of 17 bits."""
    largest = float(np.abs(ratio).max())
    if not 0 < largest < math.inf:
        raise ValueError(f"a scale ratio must be positive and finite, not {largest}")
    shift = MULTIPLIER_BITS - 1 - math.frexp(largest)[1]
    shift = min(shift, PRODUCT_BITS - 1)
    if math.floor(largest * 2.0**shift + 0.5) >= 1 << (MULTIPLIER_BITS - 1):
        shift -= 1
    if shift < 1:
        raise ValueError(f"a scale ratio must be below 2**16, not {largest:.3g}: recalibrate")
    return shift


def _rounded(name: str, value: FloatArray, bits: int = PRODUCT_BITS) -> Int64Array:
    """Nearest integers; ValueError unless they fit `bits` signed bits."""
    if value.size and not float(np.abs(value).max()) < 2.0 ** (bits - 1):
        largest = float(np.abs(value).max())
        raise ValueError(f"{name} must fit {bits} bits, not {largest:.3g}: recalibrate")
    return np.asarray(np.floor(value + 0.5), np.int64)


def _multiplier(ratio: FloatArray, shift: int) -> Int32Array:
    return _rounded("multiplier", ratio * 2.0**shift).astype(np.int32)


def pack_requantize(source: Affine, target: Affine) -> Requantize:
    """Constants that turn integers of `source` into integers of `target`, per channel."""
    ratio = source.scale / target.scale
    shift = shift_for(ratio)
    offset = (source.center - target.center) / target.scale
    return Requantize(_multiplier(ratio, shift), _rounded("offset", offset * 2.0**shift), shift)


def pack_weight(
    linear: FloatLinear, operand: Affine, mean: FloatArray
) -> tuple[Int8Array, Int32Array, FloatArray]:
    """Round a projection's weights to int8 per output channel.

    operand  scales of the int8 input; folded into the weights (scale) and the bias (center)
    mean     (K,) float64   mean input, at which the bias corrects the weights' rounding error
    ->  weight (N, K) int8, bias (N,) int32, scale of the accumulator (N,) float64
    """
    folded = linear.weight * operand.scale
    largest = np.abs(folded).max(axis=1)
    # An all-zero output channel still needs a scale that keeps its bias within 27 bits.
    scale = np.maximum(largest, max(float(largest.max()) * 2.0**-10, 1e-30)) / limit(8)
    weight = np.clip(np.floor(folded / scale[:, None] + 0.5), -limit(8), limit(8))
    error = (folded - weight * scale[:, None]) @ ((mean - operand.center) / operand.scale)
    bias = (linear.weight @ operand.center + linear.bias + error) / scale
    return weight.astype(np.int8), _rounded("bias", bias, ACCUMULATOR_BITS).astype(np.int32), scale


def pack_linear(
    linear: FloatLinear, operand: Affine, mean: FloatArray, target: Affine
) -> tuple[Int8Array, Int32Array, Requantize]:
    """The three fields of a `Linear` that maps `operand` integers to `target` integers."""
    weight, bias, scale = pack_weight(linear, operand, mean)
    return weight, bias, pack_requantize(Affine(scale, np.zeros_like(scale)), target)


def pack_residual(
    linear: FloatLinear, operand: Affine, mean: FloatArray, skip: Affine, total: Affine
) -> ResidualLinear:
    """Constants of a projection whose result is added to a skip input."""
    weight, bias, scale = pack_weight(linear, operand, mean)
    ratio, skip_ratio = scale / total.scale, skip.scale / total.scale
    shift = shift_for(ratio)
    skip_shift = min(max(shift - shift_for(skip_ratio), 0), SKIP_SHIFT_LIMIT)
    shift = min(shift, shift_for(skip_ratio) + skip_shift)
    return ResidualLinear(
        weight=weight,
        bias=bias,
        multiplier=_multiplier(ratio, shift),
        skip_multiplier=_multiplier(skip_ratio, shift - skip_shift),
        offset=_rounded("offset", skip.center / total.scale * 2.0**shift),
        shift=shift,
        skip_shift=skip_shift,
    )


def pack_layernorm(norm: FloatLinear, epsilon: float, total: Affine, target: Affine) -> LayerNorm:
    """Constants of a LayerNorm from sums of one scale to `target` integers."""
    size = norm.weight.size
    ratio = norm.weight * math.sqrt(size) * 2.0**-NORMALIZED_FRACTION_BITS / target.scale
    shift = shift_for(ratio)
    offset = (norm.bias - target.center) / target.scale
    # The offset has 47 bits: give up multiplier bits where a far zero point needs them.
    while float(np.abs(offset).max()) * 2.0**shift >= 2.0 ** (PRODUCT_BITS - 2) and shift > 1:
        shift -= 1
    return LayerNorm(
        gain=_multiplier(ratio, shift),
        offset=_rounded("offset", offset * 2.0**shift),
        shift=shift,
        epsilon=max(1, round(size * epsilon / float(total.scale[0]) ** 2)),
    )


def pack_layer(
    config: LayerConfig, layer: FloatLayer, scales: LayerScales, statistics: dict[str, Statistics]
) -> LayerParameters:
    """Integer parameters of a layer.

    statistics  by the names of `float_layer`, and `hidden`: their means correct the biases

    Raises ValueError when a bound of the arithmetic does not hold: nothing wraps silently.
    """

    def narrowing(hidden: HiddenScales) -> Requantize | None:
        if config.residual_bits == 8:
            return None
        return pack_requantize(hidden.stream, hidden.operand)

    def linear(name: str, operand: Affine, source: str, target: Affine) -> Linear:
        return Linear(*pack_linear(getattr(layer, name), operand, statistics[source].mean, target))

    hidden, middle = scales.hidden, scales.attention_output
    per_score = scales.query.scale * scales.key.scale / math.sqrt(config.head_size)
    per_score = per_score.reshape(config.heads, -1)[:, 0] / exponential_step()
    scores_shift = shift_for(per_score)
    context_mean = Affine(scales.value.scale * 2.0**-CONTEXT_FRACTION_BITS, scales.value.center)
    gelu_steps = scales.intermediate_preactivation
    params = LayerParameters(
        qkv=QkvParameters(
            hidden=narrowing(hidden),
            query=linear("query", hidden.operand, "hidden", scales.query),
            key=linear("key", hidden.operand, "hidden", scales.key),
            value=linear("value", hidden.operand, "hidden", scales.value),
        ),
        attention=AttentionParameters(
            scores_multiplier=_multiplier(per_score, scores_shift),
            scores_shift=scores_shift,
            exponential_table=exponential_table(),
            context=pack_requantize(context_mean, scales.context),
            projection=pack_residual(
                layer.attention_output,
                scales.context,
                statistics["context"].mean,
                hidden.stream,
                scales.attention_sum,
            ),
            layernorm=pack_layernorm(
                layer.attention_norm, layer.epsilon, scales.attention_sum, middle.stream
            ),
        ),
        intermediate=IntermediateParameters(
            hidden=narrowing(middle),
            projection=linear("intermediate", middle.operand, "attention_output", gelu_steps),
            fraction_bits=scales.fraction_bits,
            gelu_table=gelu_table(scales.fraction_bits),
            activation=pack_requantize(gelu_steps, scales.intermediate),
        ),
        output=OutputParameters(
            projection=pack_residual(
                layer.output,
                scales.intermediate,
                statistics["intermediate_gelu"].mean,
                middle.stream,
                scales.output_sum,
            ),
            layernorm=pack_layernorm(
                layer.output_norm, layer.epsilon, scales.output_sum, scales.output.stream
            ),
        ),
    )
    check_shapes(config, params)
    return params
