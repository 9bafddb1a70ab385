"""Import of a Hugging Face I-BERT checkpoint: ranges and weights to one layer's integers.

The model computes its scales in float32 from the saved ranges at each call, so this file does
the same steps in the same precision: one other rounding of a scale and integers differ.
Weights are read from safetensors only; nothing is unpickled and torch is not needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from transfab.quant.ibert.gelu import Gelu
from transfab.quant.ibert.layer import AddNorm, Attention, FeedForwardAct, LayerParameters
from transfab.quant.ibert.layernorm import SHIFT_LIMIT, LayerNorm
from transfab.quant.ibert.linear import Linear
from transfab.quant.ibert.requantize import Dyadic, dyadic
from transfab.quant.ibert.residual import RESIDUAL_BITS, Residual
from transfab.quant.ibert.softmax import EXPONENTIAL_BITS, PROBABILITY_BITS, Softmax
from transfab.quant.ibert.tensors import CALIBRATE, CheckpointTensors

Float32Array = npt.NDArray[np.float32]

_ONE = np.ones(1, np.float32)
# The polynomials of the paper as the model writes them: a (x + b)**2 + c and (x + b) x + c.
ERF = (-0.2888, -1.769, 1 / -0.2888)
EXP = (0.35815147, 0.96963238 / 0.35815147, 1.0 / 0.35815147)
LN_2 = 0.6931
SQRT_2 = 1.4142
ERF_DROPPED_BITS = 14
EXP_FRACTION_BITS = 30


@dataclass(frozen=True)
class Scaled:
    """Accumulator scales of a projection beside its integers."""

    linear: Linear
    scale: Float32Array


@dataclass(frozen=True)
class Checkpoint:
    """A calibrated I-BERT encoder in Hugging Face's format.

    Raises ValueError, in one line with the tensor's name, for a folder that is no I-BERT, a
    model that is not in quant_mode, and, when a layer is asked for, a scale or range that is
    missing, not finite, never calibrated or at odds with its range.
    """

    folder: Path

    def __post_init__(self) -> None:
        self._tensors.check()

    @cached_property
    def _tensors(self) -> CheckpointTensors:
        return CheckpointTensors(self.folder)

    @property
    def layers(self) -> int:
        """Number of encoder layers."""
        return self._tensors.size("num_hidden_layers")

    def input_scale(self, index: int) -> Float32Array:
        """(1,) float32, value of one step of the layer's int8 input; index `layers` gives the
        scale of the encoder's output.
        """
        if not 0 <= index <= self.layers:
            raise ValueError(f"layer must be in [0, {self.layers}], not {index}: {self.folder}")
        above = f"encoder.layer.{index - 1}.output" if index else "embeddings"
        return self._tensors.activation_scale(f"{above}.output_activation", 8)

    def layer(self, index: int) -> LayerParameters:
        """Integer parameters of one layer, for an input in steps of `input_scale(index)`."""
        if not 0 <= index < self.layers:
            raise ValueError(f"layer must be in [0, {self.layers}), not {index}: {self.folder}")
        base = f"encoder.layer.{index}"
        try:
            return self._layer(base, self.input_scale(index))
        except ValueError as err:
            # A bound that an operator's constants break does not know whose they are.
            named = "encoder.layer." in str(err) or "embeddings." in str(err)
            raise (err if named else ValueError(f"{base}: {err}")) from err

    def _layer(self, base: str, hidden: Float32Array) -> LayerParameters:
        attention, context = self._attention(f"{base}.attention.self", hidden)
        output = self._linear(f"{base}.attention.output.dense", context)
        norm, middle = self._add_norm(f"{base}.attention.output", output.scale, hidden)
        first = self._scale(f"{base}.pre_intermediate_act")
        inner = self._linear(f"{base}.intermediate.dense", first)
        act, inner_scale = self._feed_forward_act(f"{base}.intermediate", inner.scale)
        second = self._scale(f"{base}.pre_output_act")
        last = self._linear(f"{base}.output.dense", second)
        last_norm, _ = self._add_norm(f"{base}.output", last.scale, first)
        return LayerParameters(
            attention=attention,
            self_output=output.linear,
            self_add_norm=norm,
            intermediate=inner.linear,
            intermediate_act=act,
            output=last.linear,
            add_norm=last_norm,
            pre_intermediate=_ratio(middle, first),
            pre_output=_ratio(inner_scale, second),
        )

    def _scale(self, name: str) -> Float32Array:
        return self._tensors.activation_scale(name, 8)

    def _linear(self, name: str, scale: Float32Array) -> Scaled:
        weight, bias = self._tensors.read(f"{name}.weight"), self._tensors.read(f"{name}.bias")
        self._tensors.positive(f"{name}.fc_scaling_factor")
        if weight.ndim != 2 or bias.shape != weight.shape[:1]:
            raise ValueError(
                f"{name} must have a matrix and one bias a row, not {weight.shape} and {bias.shape}"
            )
        rows = np.maximum(np.abs(weight).max(axis=1), np.float32(1e-8)) / np.float32(127)
        steps = np.asarray(rows * scale, np.float32)
        values = np.clip(np.round((_ONE / rows)[:, None] * weight), -127, 126)
        # The model clamps to 32 bits in float32, which has no 2**31 - 1; Linear checks the sum.
        biases = np.round((_ONE / steps) * bias)
        if (np.abs(biases) >= 2.0**31).any():
            channel = int(np.abs(biases).argmax())
            raise ValueError(
                f"{name}.bias must fit 32 bits, not {biases[channel]:.0f} in channel {channel}: "
                "train it again, the weights of that channel are nearly 0"
            )
        return Scaled(Linear(values.astype(np.int8), biases.astype(np.int32)), steps)

    def _attention(self, name: str, scale: Float32Array) -> tuple[Attention, Float32Array]:
        heads = self._tensors.size("num_attention_heads")
        query, key, value = (self._linear(f"{name}.{n}", scale) for n in ("query", "key", "value"))
        q, k, v = (self._scale(f"{name}.{n}_activation") for n in ("query", "key", "value"))
        out = self._scale(f"{name}.output_activation")
        if query.scale.size % heads:
            raise ValueError(
                f"num_attention_heads must divide {query.scale.size}, not {heads}: {self.folder}"
            )
        score = q * k / np.float32(math.sqrt(query.scale.size // heads))
        attention = Attention(
            query=query.linear,
            key=key.linear,
            value=value.linear,
            query_act=_ratio(query.scale, q),
            key_act=_ratio(key.scale, k),
            value_act=_ratio(value.scale, v),
            softmax=self._softmax(f"{name}.softmax", score),
            context_act=_ratio(v * np.float32(2.0**-PROBABILITY_BITS), out),
            heads=heads,
        )
        return attention, out

    def _softmax(self, name: str, scale: Float32Array) -> Softmax:
        inverse, square = _ONE / scale, scale * scale
        act = self._tensors.activation_scale(f"{name}.act", EXPONENTIAL_BITS)
        return Softmax(
            b=_floor(inverse * np.float32(EXP[1])),
            c=_floor(_ONE / square * np.float32(EXP[2])),
            x0=_floor(inverse * np.float32(-LN_2)),
            n=EXP_FRACTION_BITS,
            # The model gives its QuantAct the integers of exp, so the range counts integers too.
            factor=_ratio(_ONE, act),
        )

    def _feed_forward_act(
        self, name: str, scale: Float32Array
    ) -> tuple[FeedForwardAct, Float32Array]:
        act = self._scale(f"{name}.output_activation")
        narrow = scale / np.float32(SQRT_2)
        square = narrow * narrow
        erf_scale = square * np.float32(ERF[0]) * np.float32(2.0**ERF_DROPPED_BITS)
        constants = (
            np.floor(_ONE / narrow * np.float32(ERF[1])),
            np.floor(_ONE / square * np.float32(ERF[2])),
            _ONE // erf_scale,
        )
        if max(float(np.abs(values).max()) for values in constants) >= 2.0**62:
            raise ValueError(
                f"{name}.dense must have a coarser scale: channel {int(scale.argmin())} has "
                "weights that are nearly 0, and its GELU passes 62 bits"
            )
        b, c, shift = (values.astype(np.int64) for values in constants)
        gelu = Gelu(b, c, shift, ERF_DROPPED_BITS)
        out_scale = scale * erf_scale / np.float32(2)
        return FeedForwardAct(gelu, _ratio(out_scale, act)), act

    def _add_norm(
        self, name: str, acc: Float32Array, skip: Float32Array
    ) -> tuple[AddNorm, Float32Array]:
        total = self._tensors.activation_scale(f"{name}.ln_input_act", RESIDUAL_BITS)
        act = self._scale(f"{name}.output_activation")
        gamma = self._tensors.read(f"{name}.LayerNorm.weight")
        beta = self._tensors.read(f"{name}.LayerNorm.bias")
        shift = self._tensors.read(f"{name}.LayerNorm.shift")
        if not gamma.all():
            raise ValueError(
                f"{name}.LayerNorm.weight must not be 0, as in channel "
                f"{int((gamma == 0).argmax())}: I-BERT divides the bias by it"
            )
        if shift.size != 1 or shift.item() not in range(SHIFT_LIMIT + 1):
            raise ValueError(
                f"{name}.LayerNorm.shift must be one integer in [0, {SHIFT_LIMIT}], "
                f"not {shift.tolist()}: {CALIBRATE}"
            )
        step = np.float32(np.sqrt(np.float32(gamma.size))) / np.float32(2.0**30)
        bias = np.floor(beta / gamma / step)
        layernorm = LayerNorm(bias.astype(np.int64), int(shift.item()))
        residual = Residual(_ratio(acc, total), _ratio(skip, total))
        return AddNorm(residual, layernorm, _ratio(step * gamma, act)), act


def _ratio(of: Float32Array, to: Float32Array) -> Dyadic:
    """of / to in float64, as m / 2**e; a scalar where both have one element."""
    ratio = of.astype(np.float64) / to.astype(np.float64)
    return dyadic(ratio.reshape(()) if ratio.size == 1 else ratio)


def _floor(value: Float32Array) -> int:
    return math.floor(float(value[0]))
