"""The scheme of the project that started this: int8 with one dynamic scale a tensor.

Written from its description, with the step that it lacked: without requantizing query, key and
value their int8 cast wraps. Weights, layer input, query, key, value, probabilities, context, both
LayerNorm outputs and the GELU output are int8, each with one symmetric scale that follows the
tensor's largest magnitude; accumulators, softmax, GELU, residual sums and LayerNorm are float.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import torch
from torch.nn import functional

from transfab.quant.bert.reference import embed
from transfab.quant.bert.weights import FloatEmbeddings, FloatLayer, FloatLinear
from transfab.quant.evaluate.schemes import States, over_threads
from transfab.quant.sources import Source

_PROJECTIONS: Final = ("query", "key", "value", "attention_output", "intermediate", "output")


def int8(tensor: torch.Tensor) -> torch.Tensor:
    """Each value rounded to a multiple of the largest magnitude over 127."""
    scale = tensor.abs().max().clamp_min(1e-30) / 127
    return torch.round(tensor / scale) * scale


def _tensors(linear: FloatLinear) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(linear.weight).float(), torch.from_numpy(linear.bias).float()


class PerTensorLayer:
    """One layer in that scheme, as real numbers in float32."""

    def __init__(self, layer: FloatLayer) -> None:
        self.heads = layer.heads
        self.epsilon = layer.epsilon
        self.linear = {}
        for name in _PROJECTIONS:
            weight, bias = _tensors(getattr(layer, name))
            self.linear[name] = int8(weight), bias
        self.norm = {n: _tensors(getattr(layer, n)) for n in ("attention_norm", "output_norm")}

    def _normalize(self, name: str, total: torch.Tensor) -> torch.Tensor:
        return int8(functional.layer_norm(total, total.shape[-1:], *self.norm[name], self.epsilon))

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        """(S, E) float32 of int8 values to the same."""
        sequence, size = hidden.shape
        depth = size // self.heads

        def heads(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.view(sequence, self.heads, depth).transpose(0, 1)

        query, key, value = (
            heads(int8(functional.linear(hidden, *self.linear[name])))
            for name in ("query", "key", "value")
        )
        probabilities = int8((query @ key.transpose(-1, -2) / depth**0.5).softmax(-1))
        context = int8((probabilities @ value).transpose(0, 1).reshape(sequence, size))
        projected = functional.linear(context, *self.linear["attention_output"])
        middle = self._normalize("attention_norm", projected + hidden)
        activated = functional.gelu(functional.linear(middle, *self.linear["intermediate"]))
        produced = functional.linear(int8(activated), *self.linear["output"])
        return self._normalize("output_norm", produced + middle)


class PerTensor:
    """The whole encoder in that scheme."""

    name = "per-tensor"

    def __init__(self, source: Source, embeddings: FloatEmbeddings, threads: int) -> None:
        self._embeddings = embeddings
        self._threads = threads
        self._layers = [PerTensorLayer(source.layer(index)) for index in range(source.layers)]

    def _states(self, tokens: list[int]) -> States:
        hidden = int8(torch.from_numpy(embed(self._embeddings, tokens)).float())
        states = []
        for layer in self._layers:
            hidden = layer(hidden)
            states.append(hidden.numpy())
        return states

    def run(self, sequences: Sequence[list[int]]) -> Iterator[States]:
        return over_threads(self._states, sequences, self._threads)
