"""Every tensor of a layer as real numbers: what its integers stand for, and the same in float64.

Both sides are of one sequence without padding: (S, E), (S, F), (H, S, S), (H, S) or (S,). What
cannot change the layer's result is left out on both: a key's center adds the same to every score
of a row, and a value's is added again after the context is divided.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields

import numpy as np

from transfab.quant.bert.layer import LayerParameters
from transfab.quant.bert.layernorm import ROOT_SQUARE_BITS
from transfab.quant.bert.residual import ResidualLinear
from transfab.quant.bert.scales import Affine, HiddenScales, LayerScales
from transfab.quant.bert.weights import FloatArray, FloatLayer
from transfab.quant.config import (
    CONTEXT_FRACTION_BITS,
    EXPONENTIAL_BITS,
    EXPONENTIAL_ENTRIES,
    NORMALIZED_FRACTION_BITS,
)
from transfab.quant.intmath import Array, Int64Array, bit_length, exponential_step
from transfab.quant.parameters import Linear

# Integers that stand for 1 in the exponentials and in what is summed over them.
ONE = (1 << EXPONENTIAL_BITS) - 1


def tensor_scales(scales: LayerScales) -> dict[str, Affine]:
    """Scales by tensor name, of every tensor that calibration gave one."""
    named: dict[str, Affine] = {}
    for field in fields(scales):
        value = getattr(scales, field.name)
        if isinstance(value, Affine):
            named[field.name] = value
        elif isinstance(value, HiddenScales):
            named[field.name] = value.stream
            if value.operand is not value.stream:
                named[f"{field.name}8"] = value.operand
    # The GELU output before it is requantized shares the pre-activation's steps.
    named["intermediate_gelu"] = scales.intermediate_preactivation
    return named


def _plain(scale: FloatArray | float) -> Affine:
    return Affine(np.asarray(scale, np.float64), np.zeros(np.shape(scale)))


def _accumulator(linear: Linear, target: Affine) -> Affine:
    """An accumulator in the units of what it is requantized to."""
    constants = linear.requantize
    step = target.scale * 2.0**-constants.shift
    return Affine(constants.multiplier * step, constants.offset * step + target.center)


def _projection(linear: ResidualLinear, total: Affine) -> Affine:
    """An accumulator in the units of the residual sum, the skip input left out."""
    return _plain(linear.multiplier * total.scale * 2.0**-linear.shift)


def all_scales(params: LayerParameters, scales: LayerScales) -> dict[str, Affine]:
    """Scales of every tensor whose integers are real numbers over a constant, in that constant.

    ->  tensor name -> Affine over channels (N,), over heads (H, 1, 1) or (H, 1), or over all ()
    """
    named = tensor_scales(scales)
    heads = params.attention.scores_multiplier.size
    size = scales.query.scale.size // heads
    per_score = (scales.query.scale * scales.key.scale)[::size] / math.sqrt(size)
    named |= {
        "query_accumulator": _accumulator(params.qkv.query, scales.query),
        "key_accumulator": _accumulator(params.qkv.key, scales.key),
        "value_accumulator": _accumulator(params.qkv.value, scales.value),
        "scores": _plain(per_score[:, None, None]),
        "scores_maximum": _plain(per_score[:, None]),
        "exponential_index": _plain(exponential_step()),
        "exponential": _plain(1 / ONE),
        "exponential_sum": _plain(1 / ONE),
        "context_accumulator": _plain(scales.value.scale / ONE),
        "context_mean": Affine(
            scales.value.scale * 2.0**-CONTEXT_FRACTION_BITS, scales.value.center
        ),
        "attention_accumulator": _projection(params.attention.projection, scales.attention_sum),
        "intermediate_accumulator": _accumulator(
            params.intermediate.projection, scales.intermediate_preactivation
        ),
        "output_accumulator": _projection(params.output.projection, scales.output_sum),
    }
    for name, total in (("attention", scales.attention_sum), ("output", scales.output_sum)):
        step = float(total.scale[0])
        named[f"{name}_mean"] = _plain(step)
        named[f"{name}_squares"] = _plain(step**2)
        named[f"{name}_root"] = _plain(step)
        named[f"{name}_reciprocal"] = _plain(1 / step)
        named[f"{name}_normalized"] = _plain(2.0**-NORMALIZED_FRACTION_BITS)
    named["context_reciprocal"] = _plain(ONE)
    return named


def real_tensor(named: Mapping[str, Affine], tensors: Mapping[str, Array], name: str) -> FloatArray:
    """What a tensor's integers stand for.

    named    of `all_scales`
    tensors  name -> integers of one sequence; beside a row's root or reciprocal also the
             exponential_sum or the squares that it was made of: its exponent follows from them
    ->       float64 of the tensor's shape
    """
    tensor = tensors[name]
    stem, _, kind = name.rpartition("_")
    if kind in ("root", "reciprocal"):
        tensor = np.ldexp(tensor.astype(np.float64), -_fraction_bits(stem, kind, tensors))
    return named[name].dequantize(tensor)


def _fraction_bits(stem: str, kind: str, tensors: Mapping[str, Array]) -> Int64Array:
    """Fraction bits of each row's root or reciprocal, which keep its 17 leading bits."""
    if stem == "context":
        return 16 + bit_length(tensors["exponential_sum"].astype(np.int64))
    half = (ROOT_SQUARE_BITS - bit_length(tensors[f"{stem}_squares"])) >> 1
    return half if kind == "root" else 33 - half


def float_tensors(
    layer: FloatLayer, scales: LayerScales, floats: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    """The float64 counterpart of every tensor of the integer layer, by its name.

    floats  of `float_layer`, and `hidden`, its input
    """
    tensors = dict(floats)
    tensors |= {"hidden8": tensors["hidden"], "attention_output8": tensors["attention_output"]}
    for name in ("query", "key", "value"):
        tensors[f"{name}_accumulator"] = tensors[name]
    tensors |= _softmax(
        _heads(layer, tensors["query"]),
        _heads(layer, tensors["key"] - scales.key.center),
        _heads(layer, tensors["value"] - scales.value.center),
    )
    tensors["context_mean"] = tensors["context"]
    tensors["attention_accumulator"] = tensors["attention_sum"] - tensors["hidden"]
    tensors["intermediate_accumulator"] = tensors["intermediate_preactivation"]
    tensors["intermediate"] = tensors["intermediate_gelu"]
    tensors["output_accumulator"] = tensors["output_sum"] - tensors["attention_output"]
    for name in ("attention", "output"):
        rows = _layernorm(tensors[f"{name}_sum"], layer.epsilon)
        tensors |= {f"{name}_{part}": value for part, value in rows.items()}
    return tensors


def _heads(layer: FloatLayer, tensor: FloatArray) -> FloatArray:
    """(S, E) to (H, S, D)."""
    return tensor.reshape(len(tensor), layer.heads, -1).transpose(1, 0, 2)


def _softmax(query: FloatArray, key: FloatArray, value: FloatArray) -> dict[str, FloatArray]:
    """Attention of (H, S, D) each, in the steps of `exponentials`."""
    scores = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
    maximum = scores.max(axis=-1)
    distance = maximum[..., None] - scores
    exponential = np.exp(-distance)
    total = exponential.sum(axis=-1)
    context = exponential @ value
    return {
        "scores": scores,
        "scores_maximum": maximum,
        # The table's last entry stands for everything beyond, where the exponential is 0.
        "exponential_index": np.minimum(distance, (EXPONENTIAL_ENTRIES - 1) * exponential_step()),
        "exponential": exponential,
        "exponential_sum": total,
        "context_accumulator": context.transpose(1, 0, 2).reshape(context.shape[1], -1),
        "context_reciprocal": 1 / total,
    }


def _layernorm(total: FloatArray, epsilon: float) -> dict[str, FloatArray]:
    """What `layernorm` makes of each row (S, E) before its gain and offset."""
    mean = total.mean(axis=-1)
    deviation = total - mean[:, None]
    squares = (deviation * deviation).sum(axis=-1) + total.shape[-1] * epsilon
    root = np.sqrt(squares)
    return {
        "mean": mean,
        "squares": squares,
        "root": root,
        "reciprocal": 1 / root,
        "normalized": deviation / root[:, None],
    }
