"""Calibration: run the float64 encoder layer by layer and keep each tensor's range and mean.

One sequence at a time, unpadded, one thread an operator, sequences spread over threads, their
statistics merged in the order of the texts: the result does not depend on threads, batch or
padding. Statistics keep 16 significant bits, so that another machine's last bit of a float64
sum does not change a scale. Only the current layer's states are held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from transfab.quant.bert.reference import embed, float_layer
from transfab.quant.bert.scales import (
    HiddenScales,
    LayerScales,
    Statistics,
    hidden_scales,
    layer_inputs,
    layer_scales,
)
from transfab.quant.bert.weights import FloatArray, FloatEmbeddings, FloatLayer
from transfab.quant.sources import Source

# Below this the ranges are those of a few sentences: 8 of them lose 5 dB.
LEAST_TOKENS = 512
SIGNIFICANT_BITS = 16


@dataclass(frozen=True)
class CalibratedLayer:
    """One layer, what calibration saw of it and the scales chosen from that."""

    index: int
    layer: FloatLayer
    statistics: dict[str, Statistics]
    scales: LayerScales


def round_significant(value: FloatArray) -> FloatArray:
    """Keep 16 significant bits of each value."""
    mantissa, exponent = np.frexp(value)
    grid = 2.0**SIGNIFICANT_BITS
    return np.asarray(np.ldexp(np.floor(mantissa * grid + 0.5) / grid, exponent))


def _merge(states: Sequence[dict[str, FloatArray]]) -> dict[str, Statistics]:
    """Merge what `_reduce` kept of each sequence, in their order."""
    rows = sum(int(state["rows"][0]) for state in states)
    summary = {}
    for name in states[0]:
        if name == "rows":
            continue
        low = np.min([state[name][0] for state in states], axis=0)
        high = np.max([state[name][1] for state in states], axis=0)
        mean = np.sum([state[name][2] for state in states], axis=0) / rows
        summary[name] = Statistics(*(round_significant(value) for value in (low, high, mean)))
    return summary


def _reduce(tensors: dict[str, FloatArray]) -> dict[str, FloatArray]:
    reduced = {
        name: np.stack([tensor.min(axis=0), tensor.max(axis=0), tensor.sum(axis=0)])
        for name, tensor in tensors.items()
    }
    reduced["rows"] = np.array([next(iter(tensors.values())).shape[0]], np.float64)
    return reduced


class one_thread_each:
    """Context in which a torch operator uses one thread, so that its sum has one order."""

    def __enter__(self) -> None:
        self.before = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *_: object) -> None:
        torch.set_num_threads(self.before)


class FloatEncoder:
    """Float64 states of a set of sequences, advanced one layer at a time."""

    def __init__(
        self, embeddings: FloatEmbeddings, sequences: Sequence[list[int]], threads: int
    ) -> None:
        self.threads = threads
        self.states = [embed(embeddings, tokens) for tokens in sequences]

    def advance(self, layer: FloatLayer) -> dict[str, Statistics]:
        """Run every sequence through `layer`; returns statistics of its tensors and its input."""

        def step(state: FloatArray) -> tuple[FloatArray, dict[str, FloatArray]]:
            tensors = float_layer(layer, state)
            return tensors["output"], _reduce({"hidden": state, **tensors})

        with one_thread_each(), ThreadPoolExecutor(self.threads) as pool:
            results = list(pool.map(step, self.states))
        self.states = [state for state, _ in results]
        return _merge([reduced for _, reduced in results])


def calibrate(
    source: Source,
    embeddings: FloatEmbeddings,
    sequences: Sequence[list[int]],
    layers: int,
    residual_bits: int,
    threads: int = 1,
) -> Iterator[CalibratedLayer]:
    """Calibrate layers 0 to layers - 1, yielding each as soon as it is done.

    source         float weights
    embeddings     the source's, shared with the caller
    sequences      token ids of the calibration texts, unpadded
    layers         how many, in [1, source.layers]
    residual_bits  8 or 16
    threads        sequences run at once; changes no bit of the result

    Raises ValueError when there are fewer than LEAST_TOKENS tokens.
    """
    total = sum(len(tokens) for tokens in sequences)
    if total < LEAST_TOKENS:
        raise ValueError(
            f"calibration text must have at least {LEAST_TOKENS} tokens, not {total}: "
            "give a longer file, or none for the packaged corpus"
        )
    encoder = FloatEncoder(embeddings, sequences, threads)
    layer = source.layer(0)
    hidden: HiddenScales | None = None
    for index in range(layers):
        following = source.layer(index + 1) if index + 1 < source.layers else None
        statistics = encoder.advance(layer)
        if hidden is None:
            hidden = hidden_scales(statistics["hidden"], layer_inputs(layer), residual_bits)
        consumers = layer_inputs(following) if following is not None else ()
        output = hidden_scales(statistics["output"], consumers, residual_bits)
        scales = layer_scales(layer, statistics, hidden, output, residual_bits)
        yield CalibratedLayer(index, layer, statistics, scales)
        if following is None:
            return
        layer, hidden = following, output
