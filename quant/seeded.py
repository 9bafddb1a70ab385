"""Seeded encoder weights whose tensors are as hard to quantize as those of trained encoders.

What trained post-LayerNorm encoders have in common, drawn (docs/accuracy.md has the figures):

- one channel is huge on the marker tokens alone: a feed-forward neuron that only they excite
  writes it, both LayerNorms let it through, and keys read it, so heads attend to the markers;
- a few channels are large on all tokens, by gain, offset and neurons that fire often;
- weights have heavy tails, rows of unequal size, GELU is mostly near zero, heads differ in
  sharpness, and the last LayerNorm switches the large channels off.

Values are sums and products of PCG64's uniforms: the same bits on every machine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from transfab.quant.bert.weights import FloatArray
from transfab.quant.intmath import Array

# Channels that are large on all tokens; the one of the marker tokens is apart.
_WIDE: Final = 3
# Root mean square of weights at E = 384 and 6 layers, from which other sizes follow.
_REFERENCE_SIZE: Final = 384
_REFERENCE_LAYERS: Final = 6
_WEIGHT: Final = {
    "attention.self.query": 0.1,
    "attention.self.key": 0.1,
    "attention.self.value": 0.05,
    "attention.output.dense": 0.045,
    "intermediate.dense": 0.08,
    "output.dense": 0.045,
}
_BIAS: Final = {
    "attention.self.query": 0.25,
    "attention.self.key": 0.0,
    "attention.self.value": 0.02,
    "attention.output.dense": 0.02,
    "intermediate.dense": 0.12,
    "output.dense": 0.02,
}


@dataclass(frozen=True)
class Shape:
    """layers, hidden size E, heads, feed-forward size F, rows of the three embedding tables."""

    layers: int
    hidden: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int


@dataclass(frozen=True)
class Recipe:
    """Draws any tensor of a seeded encoder by its Hugging Face name, in any order.

    name     str              decides every value
    shape    Shape
    markers  tuple[int, ...]  token ids on which one channel is huge
    offset   float            added to the first wide channel by each LayerNorm, times 0.6 or 1.2
    """

    name: str
    shape: Shape
    markers: tuple[int, ...]
    offset: float

    def draw(self, tensor: str) -> FloatArray:
        """The tensor of that name, float64."""
        module, _, kind = tensor.rpartition(".")
        if module.endswith("LayerNorm"):
            return self._norm(tensor)
        if module.startswith("embeddings."):
            return self._table(module.removeprefix("embeddings."))
        _, _, index, module = module.split(".", 3)
        return (
            self._bias(int(index), module) if kind == "bias" else self._weight(int(index), module)
        )

    def _random(self, *names: object) -> np.random.Generator:
        text = ":".join((self.name, *map(str, names)))
        digest = hashlib.sha256(text.encode()).digest()
        return np.random.default_rng(np.frombuffer(digest, np.uint32))

    @property
    def marker_channel(self) -> int:
        """The channel that is huge on the marker tokens."""
        return int(self._order()[0])

    @property
    def wide_channels(self) -> Array:
        """The channels that are large on all tokens, (3,) int."""
        return self._order()[1 : 1 + _WIDE]

    def _order(self) -> Array:
        return np.argsort(self._random("channels").random(self.shape.hidden), kind="stable")

    def _table(self, table: str) -> FloatArray:
        shape = self.shape
        rows = {
            "word_embeddings": shape.vocabulary,
            "position_embeddings": shape.positions,
            "token_type_embeddings": shape.token_types,
        }[table]
        values = 0.05 * normal(self._random(table), rows, shape.hidden)
        if table == "word_embeddings":
            values[list(self.markers), self.marker_channel] = 1.5
        else:
            values *= 0.5
        return values

    def _norm(self, tensor: str) -> FloatArray:
        random, size = self._random(tensor), self.shape.hidden
        first, wide = self.marker_channel, self.wide_channels
        last = tensor.startswith(f"encoder.layer.{self.shape.layers - 1}.output.")
        middle = ".attention." in tensor
        if tensor.endswith("bias"):
            values = (0.03 if middle else 0.015) * normal(random, size)
            if not last:
                values[wide[0]] += self.offset * (1.2 if middle else 0.6)
            return values
        values = 0.6 * (1 + 0.1 * normal(random, size))
        values[first] = 1.5 if middle else 0.42
        values[wide] = np.array([1.3, 1.5, 1.0]) if middle else np.array([0.28, 0.24, 0.36])
        if last:
            values[[first, *wide]] *= [0.5, 0.0, 0.0, 0.01]
        return values

    def _bias(self, index: int, module: str) -> FloatArray:
        inner = module == "intermediate.dense"
        size = self.shape.feed_forward if inner else self.shape.hidden
        values = _BIAS[module] * heavy(self._random(index, module, "bias"), size)
        if inner:
            values -= 0.7
            # So that only the markers excite them: their channel grows as sqrt(E).
            values[self._neurons(index)[:2]] = -0.2 * float(np.sqrt(self.shape.hidden))
        return values

    def _weight(self, index: int, module: str) -> FloatArray:
        values = self._plain(index, module)
        if module == "output.dense":
            self._write(index, values)
        elif module != "attention.output.dense":
            # What reads the large channels has small weights for them, values the smallest.
            small = 0.15 if module == "attention.self.value" else 0.5
            values[:, self.marker_channel] *= small
            values[:, self.wide_channels] *= 0.5 * small
            if module == "intermediate.dense":
                neurons = self._neurons(index)[:2]
                values[np.ix_(neurons, self.wide_channels)] = 0.0
                values[neurons, self.marker_channel] = [0.9, 0.6]
            elif module != "attention.self.value":
                self._shape_heads(index, module, values)
        return values

    def _plain(self, index: int, module: str) -> FloatArray:
        """Weights with heavy tails and unequal rows."""
        shape, random = self.shape, self._random(index, module)
        outputs = shape.feed_forward if module == "intermediate.dense" else shape.hidden
        inputs = shape.feed_forward if module == "output.dense" else shape.hidden
        scale = _WEIGHT[module] * float(np.sqrt(_REFERENCE_SIZE / shape.hidden))
        if module == "output.dense":
            scale *= float(np.sqrt(4 * shape.hidden / shape.feed_forward))
        if module in ("output.dense", "attention.output.dense"):
            # In a deep stack large branches would make all tokens alike.
            scale *= float(np.sqrt(min(1.0, _REFERENCE_LAYERS / shape.layers)))
        rows = 0.75 + 0.5 * random.random(outputs)
        rows *= np.where(random.random(outputs) < 0.03, 1.8, 1.0)
        return np.asarray(scale * rows[:, None] * heavy(random, outputs, inputs))

    def _shape_heads(self, index: int, module: str, values: FloatArray) -> None:
        """Heads of unequal sharpness, keys of the markers where queries point on average."""
        shape, first = self.shape, self.marker_channel
        depth = shape.hidden // shape.heads
        random = self._random(index, "heads")
        sharp, sink, alike = random.random((3, shape.heads))
        sink *= 1.5 / len(self.markers)
        if module == "attention.self.query":
            values *= _per_head(np.where(sharp < 1 / shape.heads, 2.5, 0.7 + 0.6 * sharp), depth)
            return
        # Heads whose keys resemble their queries attend to what is like the token itself.
        alike = _per_head(np.where(alike < 0.6, 0.8 * alike, 0.0), depth)
        values *= np.sqrt(1 - alike**2)
        values += alike * self._plain(index, "attention.self.query")
        bias = self._bias(index, "attention.self.query")
        values[:, first] += _per_head(sink, depth)[:, 0] * bias * (1.0 if index else 0.6)

    def _neurons(self, index: int) -> Array:
        """The layer's neurons for the marker channel, 2, and for the wide ones, 2 each."""
        order = self._random(index, "neurons").random(self.shape.feed_forward)
        return np.argsort(order, kind="stable")[: 2 + 2 * _WIDE]

    def _write(self, index: int, values: FloatArray) -> None:
        """Columns of the second: what those neurons add to the large channels."""
        neurons, late = self._neurons(index), index / max(self.shape.layers - 1, 1)
        values[self.marker_channel, neurons[:2]] = [4.5 - 2.5 * late, 1.5]
        for place, channel in enumerate(self.wide_channels):
            pair = neurons[2 + 2 * place : 4 + 2 * place]
            values[channel, pair] = (0.3 + 1.2 * late) * np.array([1.0, 0.6])


def _per_head(values: FloatArray, depth: int) -> FloatArray:
    """One value a head to one a row of its weights, (H,) to (H * depth, 1)."""
    return np.repeat(values, depth)[:, None]


def normal(random: np.random.Generator, *shape: int) -> FloatArray:
    """Nearly normal, of mean 0 and variance 1: four uniforms added up, kurtosis 2.7."""
    total = random.random(shape)
    for _ in range(3):
        total += random.random(shape)
    return (total - 2.0) * float(np.sqrt(3.0))


def heavy(random: np.random.Generator, *shape: int) -> FloatArray:
    """The same with one value in ten doubled: variance 1, kurtosis 4."""
    values = normal(random, *shape)
    values *= np.where(random.random(shape) < 0.1, 2.0, 1.0)
    return np.asarray(values / float(np.sqrt(1.3)))
