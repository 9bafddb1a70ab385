"""Calibration: run the float64 encoder layer by layer and keep each tensor's range and mean.

One sequence at a time, unpadded, one thread an operator, sequences spread over threads, their
statistics merged in the order of the texts: the result does not depend on threads, batch or
padding. Statistics keep 16 significant bits, so that another machine's last bit of a float64
sum does not change a scale. Only the current layer's states are held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch

from transfab.quant.bert.copies import choose_copies
from transfab.quant.bert.fit import Batch, Runner, fit_layer
from transfab.quant.bert.layer import LayerParameters
from transfab.quant.bert.pack import pack_layer
from transfab.quant.bert.reference import embed, float_layer
from transfab.quant.bert.scales import (
    Affine,
    HiddenScales,
    LayerScales,
    Statistics,
    hidden_scales,
    layer_scales,
)
from transfab.quant.bert.weights import FloatArray, FloatEmbeddings, FloatLayer
from transfab.quant.intmath import Array
from transfab.quant.sources import Source

# Below this the ranges are those of a few sentences: 8 of them lose 5 dB.
LEAST_TOKENS = 512
SIGNIFICANT_BITS = 16
# Tokens run at once, padding included; bounds the memory of the numpy layer.
BATCH_TOKENS = 2048

Rows = TypeVar("Rows", bound=Sized)


@dataclass(frozen=True)
class CalibratedLayer:
    """One layer, what calibration saw of it, the scales chosen from that, and its integers.

    The layer has the copies of feed-forward channels that its integers have (see copies.py).
    """

    index: int
    layer: FloatLayer
    statistics: dict[str, Statistics]
    scales: LayerScales
    params: LayerParameters


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
        self, embeddings: FloatEmbeddings, sequences: Sequence[list[int]], pool: ThreadPoolExecutor
    ) -> None:
        self.pool = pool
        self.states = [embed(embeddings, tokens) for tokens in sequences]

    def advance(self, layer: FloatLayer) -> dict[str, Statistics]:
        """Run every sequence through `layer`; returns statistics of its tensors and its input."""

        def step(state: FloatArray) -> tuple[FloatArray, dict[str, FloatArray]]:
            tensors = float_layer(layer, state)
            return tensors["output"], _reduce({"hidden": state, **tensors})

        with one_thread_each():
            results = list(self.pool.map(step, self.states))
        self.states = [state for state, _ in results]
        return _merge([reduced for _, reduced in results])


def pad(states: Sequence[FloatArray], scale: Affine, bits: int) -> dict[str, Array]:
    """Quantize states of several lengths into one batch; padding is zero and masked.

    states  B arrays (S_b, E) float64
    ->      hidden (B, max S_b, E) int8 or int16, mask (B, max S_b) uint8
    """
    longest = max(len(state) for state in states)
    mask = np.array([[int(i < len(state)) for i in range(longest)] for state in states], np.uint8)
    hidden = np.zeros((len(states), longest, states[0].shape[1]), f"int{bits}")
    for row, state in enumerate(states):
        hidden[row, : len(state)] = scale.quantize(state, bits)
    return {"hidden": hidden, "mask": mask}


def batches(sequences: Sequence[Rows], tokens: int) -> Iterator[Sequence[Rows]]:
    """Runs of neighbours that, padded to the longest, have at most `tokens` tokens, or are one."""
    start = longest = 0
    for end, sequence in enumerate(sequences):
        longest = max(longest, len(sequence))
        if longest * (end + 1 - start) > tokens and end > start:
            yield sequences[start:end]
            start, longest = end, len(sequence)
    if start < len(sequences):
        yield sequences[start:]


def calibrate(
    source: Source,
    embeddings: FloatEmbeddings,
    sequences: Sequence[list[int]],
    layers: int,
    residual_bits: int,
    threads: int = 1,
    runner: Runner | None = None,
) -> Iterator[CalibratedLayer]:
    """Calibrate layers 0 to layers - 1, yielding each as soon as it is done.

    source         float weights
    embeddings     the source's, shared with the caller
    sequences      token ids of the calibration texts, unpadded
    layers         how many, in [1, source.layers]
    residual_bits  8 or 16
    threads        sequences run at once; changes no bit of the result
    runner         executor on which weights are fitted to the integers of the same texts; None
                   rounds them to the nearest, in a fraction of the time (1 to 2 dB worse)

    Raises ValueError when there are fewer than LEAST_TOKENS tokens.
    """
    total = sum(len(tokens) for tokens in sequences)
    if total < LEAST_TOKENS:
        raise ValueError(
            f"calibration text must have at least {LEAST_TOKENS} tokens, not {total}: "
            "give a longer file, or none for the packaged corpus"
        )
    # The same threads for all layers: each new one would keep memory of its own.
    with ThreadPoolExecutor(threads) as pool:
        encoder = FloatEncoder(embeddings, sequences, pool)
        config = source.config(residual_bits)
        hidden: HiddenScales | None = None
        first, inputs = encoder.states, list[Batch]()
        for index in range(layers):
            layer = source.layer(index)
            statistics = encoder.advance(layer)
            if hidden is None:
                hidden = hidden_scales(statistics["hidden"], residual_bits)
                if runner is not None:
                    inputs = [
                        pad(group, hidden.stream, residual_bits)
                        for group in batches(sorted(first, key=len), BATCH_TOKENS)
                    ]
                del first
            output = hidden_scales(statistics["output"], residual_bits)
            copies = choose_copies(layer, statistics, config.copies)
            layer, statistics = copies.layer(layer), copies.statistics(statistics)
            scales = layer_scales(layer, statistics, hidden, output, residual_bits)
            scales = replace(scales, intermediate=copies.spread(scales.intermediate))
            if runner is None:
                params = pack_layer(config, layer, scales, statistics)
            else:
                with one_thread_each():
                    params = fit_layer(config, layer, scales, statistics, inputs, runner)
            yield CalibratedLayer(index, layer, statistics, scales, params)
            hidden = output
