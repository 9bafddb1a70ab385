"""Scales of a layer's tensors from calibration statistics: real = scale * integer + center.

A center is free wherever the next operator is linear: it folds into that operator's bias. So
the hidden state, value, context and GELU output are asymmetric per channel; a key's center
drops out of the softmax; only query and the residual sums are symmetric.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from transfab.quant.bert.weights import FloatArray, FloatLayer
from transfab.quant.intmath import Array, limit, saturate

# How far a channel may fill its int8 range at the next weights' expense (SmoothQuant's alpha);
# the residual stream's channels fill it whole.
GELU_STRENGTH: Final = 0.8
CONTEXT_STRENGTH: Final = 0.75
# Headroom of int16 tensors over the largest value that calibration saw.
HEADROOM: Final = 1.5
# A channel narrower than this share of the widest is treated as that wide: a dead channel
# would otherwise ask for a zero point beyond 48 bits.
FLOOR: Final = 2.0**-8


@dataclass(frozen=True)
class Statistics:
    """What calibration saw of one tensor, per channel: low, high and mean, (N,) float64."""

    low: FloatArray
    high: FloatArray
    mean: FloatArray

    @property
    def center(self) -> FloatArray:
        return (self.low + self.high) / 2

    @property
    def half_range(self) -> FloatArray:
        """Half of high - low, floored so that no channel is dead."""
        half = (self.high - self.low) / 2
        return np.maximum(half, max(float(half.max()) * FLOOR, 1e-12))

    @property
    def magnitude(self) -> FloatArray:
        return np.maximum(np.abs(self.low), np.abs(self.high))


@dataclass(frozen=True)
class Affine:
    """real = scale * integer + center, per channel.

    scale   (N,) float64  > 0
    center  (N,) float64
    """

    scale: FloatArray
    center: FloatArray

    def quantize(self, real: FloatArray, bits: int) -> Array:
        """Nearest integer of each value, saturated; (..., N) float64 to int8 or int16."""
        steps = np.floor((real - self.center) / self.scale + 0.5)
        # Clamped before the cast as well: a float beyond int64 has no defined integer.
        return saturate(np.clip(steps, -(2.0**31), 2.0**31).astype(np.int64), bits)

    def dequantize(self, integer: Array) -> FloatArray:
        """(..., N) integer to float64."""
        return integer * self.scale + self.center


def symmetric(scale: FloatArray | float, channels: int) -> Affine:
    """One scale (or one a channel), no center."""
    return Affine(np.broadcast_to(np.float64(scale), channels).copy(), np.zeros(channels))


def per_channel(statistics: Statistics, bits: int, headroom: float = 1.0) -> Affine:
    """Each channel fills the integer range, around its own center."""
    return Affine(statistics.half_range * headroom / limit(bits), statistics.center)


def smoothed(statistics: Statistics, columns: FloatArray, strength: float) -> Affine:
    """int8 scale per channel that shares the difficulty with the next weights.

    columns   (N,) float64  largest magnitude of the next weights, per input channel
    strength  float         1: every channel fills its range; less: channels that matter little
                            to the next product give range up so that its weights stay even
    """
    columns = np.maximum(columns, max(float(columns.max()) * FLOOR, 1e-12))
    half = statistics.half_range
    load = half * columns
    half = half * (load.max() / load) ** (1 - strength)
    return Affine(half / limit(8), statistics.center)


def with_zero(affine: Affine) -> Affine:
    """The nearest scales in which zero is an integer.

    Most GELU outputs are within a step of zero: rounded they would err alike in every row, and
    the next projection would add these errors up (0.9 to 2.7 dB over six layers).
    """
    return Affine(affine.scale, np.floor(affine.center / affine.scale + 0.5) * affine.scale)


def per_head(values: FloatArray, heads: int) -> FloatArray:
    """Largest value of each head, repeated for its channels; (E,) to (E,)."""
    largest = values.reshape(heads, -1).max(axis=1)
    return np.repeat(np.maximum(largest, 1e-12), values.size // heads)


@dataclass(frozen=True)
class HiddenScales:
    """Scales of a residual stream: `stream` as it travels, `operand` as int8 into a product."""

    stream: Affine
    operand: Affine


def hidden_scales(statistics: Statistics, residual_bits: int) -> HiddenScales:
    """Scales of a residual stream: every channel fills its range."""
    operand = per_channel(statistics, 8)
    if residual_bits == 8:
        return HiddenScales(operand, operand)
    return HiddenScales(per_channel(statistics, 16, HEADROOM), operand)


@dataclass(frozen=True)
class LayerScales:
    """Scales of every tensor of a layer that stands for a real number."""

    hidden: HiddenScales
    query: Affine
    key: Affine
    value: Affine
    context: Affine
    attention_sum: Affine
    attention_output: HiddenScales
    intermediate_preactivation: Affine
    intermediate: Affine
    output_sum: Affine
    output: HiddenScales
    fraction_bits: int


def layer_scales(
    layer: FloatLayer,
    statistics: dict[str, Statistics],
    hidden: HiddenScales,
    output: HiddenScales,
    residual_bits: int,
) -> LayerScales:
    """Choose every scale of a layer.

    statistics  by the names of `float_layer`
    hidden      scales of the layer's input, shared with the output of the layer before
    output      scales of its output, shared with the input of the next
    """
    size = layer.query.weight.shape[0]
    key = statistics["key"]
    context_columns = np.abs(layer.attention_output.weight).max(axis=0)
    gelu_columns = np.abs(layer.output.weight).max(axis=0)
    preactivation = float(statistics["intermediate_preactivation"].magnitude.max())
    fraction_bits = fraction_bits_for(preactivation)

    def sum_scale(name: str) -> Affine:
        largest = max(float(statistics[name].magnitude.max()), 1e-6)
        return symmetric(HEADROOM * largest / limit(16), size)

    return LayerScales(
        hidden=hidden,
        query=symmetric(per_head(statistics["query"].magnitude, layer.heads) / limit(8), size),
        key=Affine(per_head(key.half_range, layer.heads) / limit(8), key.center),
        value=per_channel(statistics["value"], 8),
        context=smoothed(statistics["context"], context_columns, CONTEXT_STRENGTH),
        attention_sum=sum_scale("attention_sum"),
        attention_output=hidden_scales(statistics["attention_output"], residual_bits),
        intermediate_preactivation=symmetric(
            2.0**-fraction_bits, layer.intermediate.weight.shape[0]
        ),
        intermediate=with_zero(
            smoothed(statistics["intermediate_gelu"], gelu_columns, GELU_STRENGTH)
        ),
        output_sum=sum_scale("output_sum"),
        output=output,
        fraction_bits=fraction_bits,
    )


def fraction_bits_for(largest: float) -> int:
    """Most fraction bits, in [6, 14], that leave an int16 pre-activation its headroom."""
    for bits in range(14, 6, -1):
        if largest * HEADROOM * (1 << bits) <= limit(16):
            return bits
    return 6
