"""Every tensor of every layer against float on held-out text, each layer alone.

A layer reads its own float input, quantized: what is measured is that layer's doing, not what it
was handed. How errors add up over the layers is in `Agreement.sqnr_by_layer`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from transfab.quant.bert.layer import STAGES
from transfab.quant.bert.reference import embed, float_layer
from transfab.quant.bert.weights import FloatArray, FloatEmbeddings
from transfab.quant.calibrate import BATCH_TOKENS, CalibratedLayer, batches, one_thread_each, pad
from transfab.quant.config import LayerConfig
from transfab.quant.deviation import Deviation, LayerTally, worst_first
from transfab.quant.executors import Executor
from transfab.quant.intmath import Array

# Of each class: enough for two of the longest texts, and seconds rather than minutes.
SAMPLE_TOKENS: Final = 1024


@dataclass(frozen=True)
class ClassDeviation:
    """Deviations on a sample of one length class, worst first, and the sample's size."""

    texts: int
    tokens: int
    tensors: list[Deviation]


def sample(sequences: Sequence[list[int]], tokens: int = SAMPLE_TOKENS) -> list[list[int]]:
    """About `tokens` tokens of texts, at least one text, evenly over texts sorted by length."""
    total = sum(len(sequence) for sequence in sequences)
    count = min(len(sequences), max(1, tokens * len(sequences) // total))
    return [sequences[(2 * i + 1) * len(sequences) // (2 * count)] for i in range(count)]


class LayersAlone:
    """Takes the calibrated layers of one scheme, from the first on.

    config      LayerConfig       of the scheme
    embeddings  FloatEmbeddings   the source's
    samples     class name -> token ids, shortest first
    """

    def __init__(
        self,
        config: LayerConfig,
        embeddings: FloatEmbeddings,
        samples: Mapping[str, Sequence[list[int]]],
    ) -> None:
        self._config = config
        self._states: dict[str, list[FloatArray]] = {
            name: [embed(embeddings, tokens) for tokens in sequences]
            for name, sequences in samples.items()
        }
        self._rows: dict[str, list[Deviation]] = {name: [] for name in samples}

    def add(self, calibrated: CalibratedLayer, executor: Executor) -> None:
        """Run a layer on its float input in every class."""
        stream, bits = calibrated.scales.hidden.stream, self._config.residual_bits
        for name, states in self._states.items():
            tally = LayerTally(
                calibrated.index, calibrated.layer, calibrated.params, calibrated.scales
            )
            after: list[FloatArray] = []
            for batch in batches(states, BATCH_TOKENS):
                with one_thread_each():
                    floats = [{"hidden": s, **float_layer(calibrated.layer, s)} for s in batch]
                tensors: dict[str, Array] = pad(batch, stream, bits)
                for stage in STAGES:
                    tensors |= executor.run(self._config, stage, calibrated.params, tensors)
                tally.add(tensors, floats)
                after += [state["output"] for state in floats]
            self._rows[name] += tally.result()
            self._states[name] = after

    def result(self) -> dict[str, ClassDeviation]:
        """By class, over all layers that were added."""
        return {
            name: ClassDeviation(
                len(self._states[name]), sum(map(len, self._states[name])), worst_first(rows)
            )
            for name, rows in self._rows.items()
        }
