"""What makes an encoder hard to quantize, as numbers: outliers, tails, sharp heads, dead channels.

Ratios without unit, one of each layer: they compare models of any size, trained or seeded.
`python -m transfab.quant.evaluate.statistics [MODEL | random:PRESET]...` prints them as a table.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch

from transfab.quant.bert.reference import embed, float_layer
from transfab.quant.bert.weights import NAMES, FloatArray, FloatLayer
from transfab.quant.calibrate import one_thread_each
from transfab.quant.corpus import packaged, read_texts
from transfab.quant.random_source import RandomSource
from transfab.quant.sources import Source, open_source

DEAD: Final = 2.0**-5
# Sentences, paragraphs and passages of held-out text; of a model's own heldout.txt as many lines.
TEXTS: Final = (40, 4, 2)
STATISTICS: Final = {
    "gain_largest": "largest LayerNorm gain / median",
    "gain_least": "least LayerNorm gain / median",
    "weight_tail": "kurtosis of weights (normal: 3)",
    "weight_largest": "largest weight / RMS",
    "hidden_largest": "largest channel of the output / median channel",
    "middle_largest": "the same after the first LayerNorm",
    "sum_largest": "largest residual sum / RMS",
    "gelu_largest": "largest channel after GELU / median channel",
    "gelu_dead": "share of GELU channels below 1/32 of the largest",
    "score_spread": "scores, row maximum - mean, median head",
    "score_sharpest": "the same, sharpest head",
    "sink": "attention on first and last token, median head",
    "sink_largest": "the same, largest head",
    "directions": "independent directions of the output",
}


def layer_statistics(layer: FloatLayer, states: Sequence[FloatArray]) -> dict[str, float]:
    """The numbers of STATISTICS for a layer that reads `states`, each (S, E) float64."""
    found = [float_layer(layer, state) for state in states]
    rows = {name: np.concatenate([tensors[name] for tensors in found]) for name in found[0]}
    gains = [np.abs(getattr(layer, name).weight) for name in ("attention_norm", "output_norm")]
    projections = [getattr(layer, n).weight for n in NAMES if not n.endswith("norm")]
    spread, sink = _attention(layer.heads, found)
    gelu = np.abs(rows["intermediate_gelu"]).max(axis=0)
    return {
        "gain_largest": max(float(gain.max() / np.median(gain)) for gain in gains),
        "gain_least": min(float(gain.min() / np.median(gain)) for gain in gains),
        "weight_tail": float(np.median([_kurtosis(weight) for weight in projections])),
        "weight_largest": max(_peak(weight) for weight in projections),
        "hidden_largest": _widest(rows["output"]),
        "middle_largest": _widest(rows["attention_output"]),
        "sum_largest": max(_peak(rows["attention_sum"]), _peak(rows["output_sum"])),
        "gelu_largest": _widest(rows["intermediate_gelu"]),
        "gelu_dead": float((gelu < DEAD * gelu.max()).mean()),
        "score_spread": float(np.median(spread)),
        "score_sharpest": float(spread.max()),
        "sink": float(np.median(sink)),
        "sink_largest": float(sink.max()),
        "directions": _directions(rows["output"]),
    }


def encoder_statistics(source: Source, sequences: Sequence[list[int]]) -> list[dict[str, float]]:
    """The numbers of each layer on token ids."""
    embeddings = source.embeddings()
    states = [embed(embeddings, tokens) for tokens in sequences]
    result = []
    with one_thread_each():
        for index in range(source.layers):
            layer = source.layer(index)
            result.append(layer_statistics(layer, states))
            states = [float_layer(layer, state)["output"] for state in states]
    return result


def _kurtosis(values: FloatArray) -> float:
    centred = values - values.mean()
    return float((centred**4).mean() / max((centred**2).mean() ** 2, 1e-30))


def _peak(values: FloatArray) -> float:
    return float(np.abs(values).max() / max(np.sqrt((values**2).mean()), 1e-30))


def _widest(rows: FloatArray) -> float:
    largest = np.abs(rows).max(axis=0)
    return float(largest.max() / max(np.median(largest), 1e-30))


def _directions(rows: FloatArray) -> float:
    """Participation ratio of the correlations between channels, [1, E]."""
    centred = rows - rows.mean(axis=0)
    unit = centred / np.maximum(np.sqrt((centred**2).mean(axis=0)), 1e-30)
    correlation = unit.T @ unit / len(rows)
    return float(np.trace(correlation) ** 2 / (correlation**2).sum())


def _attention(heads: int, found: Sequence[dict[str, FloatArray]]) -> tuple[FloatArray, FloatArray]:
    """Per head: mean over rows of the scores' maximum over their mean, and the sinks' share."""
    spread, sink, count = np.zeros(heads), np.zeros(heads), 0
    for tensors in found:
        length, size = tensors["query"].shape
        query, key = (
            torch.from_numpy(tensors[name]).view(length, heads, -1).transpose(0, 1)
            for name in ("query", "key")
        )
        scores = query @ key.transpose(-1, -2) / (size // heads) ** 0.5
        share = scores.softmax(-1)
        spread += (scores.amax(-1) - scores.mean(-1)).sum(-1).numpy()
        sink += (share[..., 0] + share[..., -1]).sum(-1).numpy()
        count += length
    return spread / count, sink / count


def _source(name: str) -> tuple[Source, tuple[str, ...]]:
    """The source that an argument names, and texts for it."""
    if name.startswith("random:"):
        return RandomSource(name.removeprefix("random:")), packaged("heldout", *TEXTS)
    own = Path(name) / "heldout.txt"
    texts = read_texts(own)[: sum(TEXTS)] if own.is_file() else packaged("heldout", *TEXTS)
    return open_source(name if name != "default" else None), texts


def _number(value: float) -> str:
    """Two digits, whole numbers above 10, nothing below a thousandth."""
    if value >= 10:
        return f"{value:.0f}"
    return f"{value:.2g}" if value >= 1e-3 else "0"


def main(names: list[str]) -> int:
    """Print a Markdown table: a row a number, a column a model, least to largest layer."""
    columns = []
    try:
        for name in names or ["default"]:
            source, texts = _source(name)
            tokens = [source.tokens(text)[: source.longest] for text in texts]
            columns.append((source.name, encoder_statistics(source, tokens)))
    except ValueError as err:
        print(f"transfab: {err}", file=sys.stderr)
        return 1
    print("| least to largest layer | " + " | ".join(name for name, _ in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for key, text in STATISTICS.items():
        values = [[layer[key] for layer in layers] for _, layers in columns]
        cells = [f"{_number(min(row))} to {_number(max(row))}" for row in values]
        print(f"| {text} | " + " | ".join(cells) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
