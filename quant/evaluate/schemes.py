"""What is compared: the float64 encoder, and the integer one with its layers in cascade.

A scheme takes the same float embeddings as every other and gives the hidden state after each
layer as real numbers. Only the first state is quantized from float; from there on the integers of
one layer are the integers that the next one reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Protocol

import numpy as np

from transfab.quant.bert.layer import LayerParameters, run_layer
from transfab.quant.bert.reference import embed, float_layer
from transfab.quant.bert.scales import Affine
from transfab.quant.bert.weights import FloatArray, FloatEmbeddings, FloatLayer
from transfab.quant.calibrate import (
    BATCH_TOKENS,
    CalibratedLayer,
    batches,
    calibrate,
    one_thread_each,
    pad,
)
from transfab.quant.config import LayerConfig
from transfab.quant.executors import Executor
from transfab.quant.intmath import Array
from transfab.quant.native import NativeLayer, available
from transfab.quant.native_executor import fastest
from transfab.quant.sources import Source

Step = Callable[[str], None]
Observe = Callable[[int, CalibratedLayer, Executor], None]
Run = Callable[[Array, Array], Array]
States = list[FloatArray]


class Scheme(Protocol):
    """One way to compute the encoder."""

    @property
    def name(self) -> str: ...

    def run(self, sequences: Sequence[list[int]]) -> Iterator[States]:
        """For each sequence, in order, the state (S, E) after each layer, float32 or float64."""
        ...


def float_states(
    source: Source, embeddings: FloatEmbeddings, sequences: Sequence[list[int]], threads: int
) -> list[States]:
    """What every scheme is measured against: float64 layers, their outputs kept in float32.

    threads  sequences run at once; changes no bit
    ->       for each sequence the state (S, E) after each layer
    """

    def step(state: FloatArray) -> FloatArray:
        return float_layer(layer, state)["output"]

    states = [embed(embeddings, tokens) for tokens in sequences]
    kept: list[States] = [[] for _ in sequences]
    with one_thread_each(), ThreadPoolExecutor(threads) as pool:
        for index in range(source.layers):
            layer: FloatLayer = source.layer(index)
            states = list(pool.map(step, states))
            for row, state in zip(kept, states, strict=True):
                row.append(state.astype(np.float32))
    return kept


def over_threads(
    states: Callable[[list[int]], States], sequences: Sequence[list[int]], threads: int
) -> Iterator[States]:
    """Call `states` on each sequence, several at once, one thread an operator; in order."""
    with one_thread_each(), ThreadPoolExecutor(threads) as pool:
        yield from pool.map(states, sequences)


class IntegerScheme:
    """The product: integer layers in cascade, each output read as real by its recorded scales.

    bits    8 or 16  width of the residual stream
    layers           per layer: how to run it, and the scales of its input and of its output
    """

    def __init__(
        self, embeddings: FloatEmbeddings, bits: int, layers: list[tuple[Run, Affine, Affine]]
    ) -> None:
        self.name = f"R{bits}"
        self.bits = bits
        self._embeddings = embeddings
        self._layers = layers
        for (_, _, given), (_, taken, _) in pairwise(layers):
            same = np.array_equal(given.scale, taken.scale)
            if not (same and np.array_equal(given.center, taken.center)):
                raise ValueError("a layer must read its input in the scales of the output before")

    def run(self, sequences: Sequence[list[int]]) -> Iterator[States]:
        for batch in batches(sequences, BATCH_TOKENS):
            states = [embed(self._embeddings, tokens) for tokens in batch]
            inputs = pad(states, self._layers[0][1], self.bits)
            hidden, mask = inputs["hidden"], inputs["mask"]
            made: list[States] = [[] for _ in batch]
            for run, _, scales in self._layers:
                hidden = run(hidden, mask)
                for row, tokens in enumerate(batch):
                    made[row].append(scales.dequantize(hidden[row, : len(tokens)]))
            yield from made


def runner(config: LayerConfig, params: LayerParameters, threads: int) -> Run:
    """The C++ layer, or the definition in numpy where no compiler is: the same bits."""
    if available()[0]:
        native = NativeLayer(config, params)
        return lambda hidden, mask: native.run(hidden, mask, "stage", threads)["output"]
    return lambda hidden, mask: run_layer(config, params, hidden, mask)["output"]


def integer_schemes(
    source: Source,
    embeddings: FloatEmbeddings,
    calibration: Sequence[list[int]],
    widths: Sequence[int],
    threads: int,
    quick: bool = False,
    progress: Step = lambda text: None,
    observe: Observe = lambda bits, calibrated, executor: None,
) -> list[IntegerScheme]:
    """Calibrate and pack every layer for each width of the residual stream.

    calibration  token ids of the calibration texts
    widths       of 8 and 16
    quick        weights rounded to the nearest, not fitted to the integers of that width
    observe      called with the width and each calibrated layer, and an executor that runs it
    """
    executor = fastest(threads)
    schemes = []
    for bits in widths:
        progress(f"calibrating R{bits} on {len(calibration)} texts")
        layers: list[tuple[Run, Affine, Affine]] = []
        for calibrated in calibrate(
            source,
            embeddings,
            calibration,
            source.layers,
            bits,
            threads,
            None if quick else executor,
        ):
            progress(f"R{bits} layer {calibrated.index}: calibrated")
            run = runner(source.config(bits), calibrated.params, threads)
            streams = calibrated.scales.hidden.stream, calibrated.scales.output.stream
            layers.append((run, *streams))
            observe(bits, calibrated, executor)
        schemes.append(IntegerScheme(embeddings, bits, layers))
    return schemes
