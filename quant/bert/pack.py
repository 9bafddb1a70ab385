"""Integer parameters of a layer from its float weights and scales: all rounding done off line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from transfab.quant.bert.attention import AttentionParameters
from transfab.quant.bert.intermediate import IntermediateParameters
from transfab.quant.bert.layer import LayerParameters, check_shapes
from transfab.quant.bert.layernorm import LayerNorm
from transfab.quant.bert.output import OutputParameters
from transfab.quant.bert.qkv import QkvParameters
from transfab.quant.bert.residual import SKIP_SHIFT_LIMIT, ResidualLinear
from transfab.quant.bert.rounding import round_weights
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


@dataclass(frozen=True)
class Fit:
    """What a projection's rounding is to match.

    mean        (K,) float64         mean operand, in integer steps
    output      (N,) float64         mean output in real units, which the bias makes exact
    covariance  (K, K) float64|None  of the operand; None rounds each weight to the nearest
    """

    mean: FloatArray
    output: FloatArray
    covariance: FloatArray | None = None


@dataclass(frozen=True)
class Packed:
    """A projection in integers: weight (N, K) int8, bias (N,) int32, accumulator scale (N,)."""

    weight: Int8Array
    bias: Int32Array
    scale: FloatArray


def nearest_fit(linear: FloatLinear, operand: Affine, mean: FloatArray) -> Fit:
    """The mean output of the float weights at the real mean input (K,)."""
    steps = (mean - operand.center) / operand.scale
    return Fit(steps, linear.weight @ mean + linear.bias)


def pack_weight(linear: FloatLinear, operand: Affine, fit: Fit) -> Packed:
    """Round a projection's weights to int8 per output channel.

    operand  scales of the int8 input; folded into the weights (scale) and the bias (center)
    """
    folded = linear.weight * operand.scale
    largest = np.abs(folded).max(axis=1)
    # An all-zero output channel still needs a scale that keeps its bias within 27 bits.
    scale = np.maximum(largest, max(float(largest.max()) * 2.0**-10, 1e-30)) / limit(8)
    steps = folded / scale[:, None]
    if fit.covariance is None:
        weight = np.clip(np.floor(steps + 0.5), -limit(8), limit(8)).astype(np.int8)
    else:
        weight = round_weights(steps, fit.covariance)
    bias = fit.output / scale - weight.astype(np.float64) @ fit.mean
    return Packed(weight, _rounded("bias", bias, ACCUMULATOR_BITS).astype(np.int32), scale)


def pack_linear(packed: Packed, target: Affine) -> Linear:
    """A projection that maps its operand's integers to `target` integers."""
    source = Affine(packed.scale, np.zeros_like(packed.scale))
    return Linear(packed.weight, packed.bias, pack_requantize(source, target))


def pack_residual(packed: Packed, skip: Affine, total: Affine) -> ResidualLinear:
    """A projection whose result is added to a skip input."""
    ratio, skip_ratio = packed.scale / total.scale, skip.scale / total.scale
    shift = shift_for(ratio)
    skip_shift = min(max(shift - shift_for(skip_ratio), 0), SKIP_SHIFT_LIMIT)
    shift = min(shift, shift_for(skip_ratio) + skip_shift)
    return ResidualLinear(
        weight=packed.weight,
        bias=packed.bias,
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


def operands(scales: LayerScales) -> dict[str, tuple[str, Affine]]:
    """For each projection, the float tensor that it reads and the scales of that as int8."""
    hidden = ("hidden", scales.hidden.operand)
    return {
        "query": hidden,
        "key": hidden,
        "value": hidden,
        "attention_output": ("context", scales.context),
        "intermediate": ("attention_output", scales.attention_output.operand),
        "output": ("intermediate_gelu", scales.intermediate),
    }


def pack_layer(
    config: LayerConfig,
    layer: FloatLayer,
    scales: LayerScales,
    statistics: Mapping[str, Statistics],
    packed: Mapping[str, Packed] | None = None,
) -> LayerParameters:
    """Integer parameters of a layer.

    statistics  by the names of `float_layer`, and `hidden`: their means correct the biases
    packed      projections already rounded, by name; the others are rounded to the nearest

    Raises ValueError when a bound of the arithmetic does not hold: nothing wraps silently.
    """
    weights = dict(packed or {})
    for name, (source, operand) in operands(scales).items():
        if name not in weights:
            linear: FloatLinear = getattr(layer, name)
            fit = nearest_fit(linear, operand, statistics[source].mean)
            weights[name] = pack_weight(linear, operand, fit)

    def narrowing(hidden: HiddenScales) -> Requantize | None:
        if config.residual_bits == 8:
            return None
        return pack_requantize(hidden.stream, hidden.operand)

    hidden, middle = scales.hidden, scales.attention_output
    per_score = scales.query.scale * scales.key.scale / math.sqrt(config.head_size)
    per_score = per_score.reshape(config.heads, -1)[:, 0] / exponential_step()
    scores_shift = shift_for(per_score)
    context_mean = Affine(scales.value.scale * 2.0**-CONTEXT_FRACTION_BITS, scales.value.center)
    gelu_steps = scales.intermediate_preactivation
    params = LayerParameters(
        qkv=QkvParameters(
            hidden=narrowing(hidden),
            query=pack_linear(weights["query"], scales.query),
            key=pack_linear(weights["key"], scales.key),
            value=pack_linear(weights["value"], scales.value),
        ),
        attention=AttentionParameters(
            scores_multiplier=_multiplier(per_score, scores_shift),
            scores_shift=scores_shift,
            exponential_table=exponential_table(),
            context=pack_requantize(context_mean, scales.context),
            projection=pack_residual(
                weights["attention_output"], hidden.stream, scales.attention_sum
            ),
            layernorm=pack_layernorm(
                layer.attention_norm, layer.epsilon, scales.attention_sum, middle.stream
            ),
        ),
        intermediate=IntermediateParameters(
            hidden=narrowing(middle),
            projection=pack_linear(weights["intermediate"], gelu_steps),
            fraction_bits=scales.fraction_bits,
            gelu_table=gelu_table(scales.fraction_bits),
            activation=pack_requantize(gelu_steps, scales.intermediate),
        ),
        output=OutputParameters(
            projection=pack_residual(weights["output"], middle.stream, scales.output_sum),
            layernorm=pack_layernorm(
                layer.output_norm, layer.epsilon, scales.output_sum, scales.output.stream
            ),
        ),
    )
    check_shapes(config, params)
    return params
