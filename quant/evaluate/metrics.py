"""How closely two encoders agree: signal to noise by layer, and the geometry of embeddings.

A sentence embedding is the mean of the last hidden state over real tokens, divided by its length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from transfab.quant.bert.weights import FloatArray
from transfab.quant.deviation import decibels

NEIGHBOURS: Final = 10
# Two texts have one similarity, which has no rank correlation, and each other for neighbours.
LEAST_TEXTS: Final = 3


@dataclass(frozen=True)
class Agreement:
    """One scheme against float on the texts of one length class.

    sqnr_db        float         of the last hidden state, over all real tokens of the class
    cosine_mean    float         of a text's two embeddings, [-1, 1]
    cosine_min     float
    top1, top10    float | None  share of a text's nearest 1 and 10 others in float that are also
                                 the scheme's, [0, 1]; None below 3 texts
    spearman       float | None  rank correlation of the pairwise similarities, [-1, 1]; None below
                                 3 texts or where one side's similarities are all equal
    sqnr_by_layer  list[float]   dB of each layer's output
    texts, tokens  int
    """

    sqnr_db: float
    cosine_mean: float
    cosine_min: float
    top1: float | None
    top10: float | None
    spearman: float | None
    sqnr_by_layer: list[float]
    texts: int
    tokens: int


def embedding(state: FloatArray) -> FloatArray:
    """Mean over tokens at length 1, or 0 where the mean is 0; (S, E) to (E,) float64."""
    mean = state.mean(axis=0, dtype=np.float64)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-30))


def neighbour_overlap(wanted: FloatArray, got: FloatArray, count: int) -> float:
    """Share of each text's nearest others by `wanted` that are among its nearest by `got`.

    wanted, got  (N, E) float64  embeddings of the same N >= 2 texts
    count        int             neighbours of each text, at most N - 1 are taken
    ->           float           [0, 1]
    """
    count = min(count, len(wanted) - 1)
    return float((_nearest(wanted, count) & _nearest(got, count)).sum()) / (len(wanted) * count)


def _nearest(embeddings: FloatArray, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Row i marks the `count` texts nearest to text i, of equals those that come first."""
    similarity = embeddings @ embeddings.T
    np.fill_diagonal(similarity, -np.inf)
    chosen = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
    marks = np.zeros(similarity.shape, np.bool_)
    np.put_along_axis(marks, chosen, True, axis=1)
    return marks


def ranks(values: FloatArray) -> FloatArray:
    """Ranks from 0, equal values share their mean rank; (N,) to (N,) float64."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts + 1) / 2)[inverse], np.float64)


def spearman(first: FloatArray, second: FloatArray) -> float | None:
    """Pearson correlation of the ranks, None where a side has one value only; (N,), (N,)."""
    a, b = ranks(first), ranks(second)
    a, b = a - a.mean(), b - b.mean()
    norm = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / norm if norm else None


def similarities(embeddings: FloatArray) -> FloatArray:
    """Cosine of each unordered pair of unit embeddings; (N, E) to (N * (N - 1) / 2,)."""
    rows, columns = np.triu_indices(len(embeddings), 1)
    return np.asarray((embeddings @ embeddings.T)[rows, columns])


class Comparison:
    """Collects one scheme's texts of one length class, one after the other.

    layers  int  hidden states of each text
    """

    def __init__(self, layers: int) -> None:
        self._signal, self._noise = np.zeros(layers), np.zeros(layers)
        self._wanted: list[FloatArray] = []
        self._got: list[FloatArray] = []
        self._tokens = 0

    def add(self, wanted: list[FloatArray], got: list[FloatArray]) -> None:
        """Take the states of one text, a layer an (S, E) array.

        Raises ValueError for another number or shape of states, or values that are not finite.
        """
        if len(got) != len(self._signal) or len(wanted) != len(self._signal):
            raise ValueError(f"{len(self._signal)} hidden states are expected, not {len(got)}")
        for layer, (real, state) in enumerate(zip(wanted, got, strict=True)):
            if state.shape != real.shape:
                raise ValueError(f"layer {layer} must give {real.shape}, not {state.shape}")
            if not np.isfinite(state).all():
                raise ValueError(f"layer {layer} gave values that are not finite")
            exact = real.astype(np.float64)
            self._signal[layer] += float((exact * exact).sum())
            self._noise[layer] += float(((exact - state) ** 2).sum())
        self._wanted.append(embedding(wanted[-1]))
        self._got.append(embedding(got[-1]))
        self._tokens += len(wanted[-1])

    def result(self) -> Agreement:
        """The agreement over all texts that were added, at least one."""
        wanted, got = np.stack(self._wanted), np.stack(self._got)
        cosines = (wanted * got).sum(axis=1)
        by_layer = [
            round(decibels(float(s), float(n)), 2)
            for s, n in zip(self._signal, self._noise, strict=True)
        ]
        top1 = top10 = correlation = None
        if len(wanted) >= LEAST_TEXTS:
            top1 = round(neighbour_overlap(wanted, got, 1), 4)
            top10 = round(neighbour_overlap(wanted, got, NEIGHBOURS), 4)
            correlation = spearman(similarities(wanted), similarities(got))
        return Agreement(
            sqnr_db=by_layer[-1],
            cosine_mean=round(float(cosines.mean()), 5),
            cosine_min=round(float(cosines.min()), 5),
            top1=top1,
            top10=top10,
            spearman=None if correlation is None else round(correlation, 5),
            sqnr_by_layer=by_layer,
            texts=len(wanted),
            tokens=self._tokens,
        )
