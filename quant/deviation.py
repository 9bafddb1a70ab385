"""Deviation of a layer's integers from float64, tensor by tensor: the one definition.

A tensor's integers, read as real numbers by the layer's scales, against the same tensor of the
float64 layer, over real tokens only: rows, and keys, of padding do not count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from transfab.quant.bert.layer import LayerParameters
from transfab.quant.bert.names import TENSORS
from transfab.quant.bert.real import all_scales, float_tensors, real_tensor
from transfab.quant.bert.scales import LayerScales
from transfab.quant.bert.shapes import INPUTS
from transfab.quant.bert.shapes import TENSORS as STAGE_TENSORS
from transfab.quant.bert.weights import FloatArray, FloatLayer
from transfab.quant.intmath import Array, limit

# Beyond what a float64 reference can show; stands for an exact match, which has no noise.
HIGHEST_DB: Final = 200.0
_AXES: Final = {name: axes for name, (axes, _) in INPUTS.items()} | {
    name.rstrip("?"): axes for rows in STAGE_TENSORS.values() for name, axes, _ in rows
}
_STAGES: Final = {
    name.rstrip("?"): stage for stage, rows in STAGE_TENSORS.items() for name, _, _ in rows
}
# A row mean is near 0 by nature; it matters by what it is subtracted from.
_MEANS: Final = {"attention_mean": "attention_sum", "output_mean": "output_sum"}


@dataclass(frozen=True)
class Deviation:
    """One tensor of one layer against float64.

    stage      str           that makes it; "input" for the layer's input `hidden`
    sqnr_db    float         signal to noise, within +-200: 200 without error, -200 where the float
                             tensor is all zero and the integers are not
    max_error  float         largest absolute error, real units
    rms        float         root mean square of the float tensor, real units; for the mean of a
                             LayerNorm's row, which is near 0, that of the row; SQNR likewise
    saturated  float | None  share of elements at the limit of their width; None if never clamped

    Raises ValueError for figures that no tensor has.
    """

    layer: int
    stage: str
    tensor: str
    sqnr_db: float
    max_error: float
    rms: float
    saturated: float | None = None

    def __post_init__(self) -> None:
        low, high = -HIGHEST_DB, HIGHEST_DB
        if not (low <= self.sqnr_db <= high and self.max_error >= 0 and self.rms >= 0):
            raise ValueError(f"no tensor deviates by {self.sqnr_db} dB and {self.max_error}")
        if self.saturated is not None and not 0 <= self.saturated <= 1:
            raise ValueError(f"saturated must be a share, not {self.saturated}")

    @property
    def relative(self) -> float:
        """Largest error over the float tensor's RMS; infinite where that is 0 and the error not."""
        if self.max_error == 0:
            return 0.0
        return self.max_error / self.rms if self.rms else math.inf


def decibels(signal: float, noise: float) -> float:
    """10 log10 of signal over noise, within +-HIGHEST_DB."""
    if noise <= 0:
        return HIGHEST_DB
    if signal <= 0:
        return -HIGHEST_DB
    return min(max(10 * math.log10(signal / noise), -HIGHEST_DB), HIGHEST_DB)


def saturation(name: str, tensor: Array) -> int | None:
    """Elements at +-127 or +-32767 of a tensor that is clamped, None for one that is not."""
    if name not in TENSORS or not TENSORS[name].clamped:
        return None
    top = limit(8 * tensor.itemsize)
    return int(np.count_nonzero(tensor == top) + np.count_nonzero(tensor == -top))


def worst_first(rows: Iterable[Deviation]) -> list[Deviation]:
    """By SQNR, of equals by the largest relative error, then in the order given."""
    return sorted(rows, key=lambda row: (row.sqnr_db, -row.relative))


class Tally:
    """Collects one tensor over sequences."""

    def __init__(self) -> None:
        self._signal = self._noise = self._largest = 0.0
        self._elements = 0
        self._saturated: int | None = None

    def add(
        self,
        wanted: FloatArray,
        got: FloatArray,
        saturated: int | None = None,
        signal: float | None = None,
    ) -> None:
        """Take one sequence.

        wanted     float64      the float tensor
        got        float64      the integers as real numbers, of the same shape
        saturated  int | None   elements at the limit of their width
        signal     float | None  sum of squares that the error is put against, by default wanted's

        Raises ValueError for two shapes that differ.
        """
        if wanted.shape != got.shape:
            raise ValueError(f"a tensor must be {wanted.shape}, not {got.shape}")
        error = got - wanted
        self._largest = max(self._largest, float(error.max()), -float(error.min()))
        self._noise += _squares(error)
        self._signal += _squares(wanted) if signal is None else signal
        self._elements += wanted.size
        if saturated is not None:
            self._saturated = (self._saturated or 0) + saturated

    def result(self, layer: int, stage: str, tensor: str) -> Deviation:
        """The figures, with 2 digits of a dB and 4 significant ones of everything else."""
        share = None if self._saturated is None else self._saturated / self._elements
        return Deviation(
            layer,
            stage,
            tensor,
            round(decibels(self._signal, self._noise), 2),
            _significant(self._largest),
            _significant(math.sqrt(self._signal / self._elements)),
            None if share is None else _significant(share),
        )


def _squares(tensor: FloatArray) -> float:
    """Sum of squares; in one order, unlike a BLAS on several threads."""
    flat = tensor.reshape(-1)
    return float(np.einsum("i,i->", flat, flat))


def _significant(value: float) -> float:
    return float(f"{value:.4g}")


class LayerTally:
    """Collects every tensor of one layer over batches of sequences."""

    def __init__(
        self, index: int, layer: FloatLayer, params: LayerParameters, scales: LayerScales
    ) -> None:
        self._index = index
        self._layer = layer
        self._scales = scales
        self._named = all_scales(params, scales)
        self._tallies: dict[str, Tally] = {}

    def add(self, tensors: Mapping[str, Array], floats: Sequence[Mapping[str, FloatArray]]) -> None:
        """Take a batch.

        tensors  name -> (B, ...) integers, as the stages make them; `hidden` counts, `mask` not
        floats   B results of `float_layer` with its `hidden`, each of its own length
        """
        for row, states in enumerate(floats):
            tokens = len(states["hidden"])
            part = {
                name: tensor[row][tuple(slice(tokens if a == "S" else None) for a in axes)]
                for name, tensor in tensors.items()
                if name != "mask"
                for axes in [_AXES[name][1:]]
            }
            wanted = float_tensors(self._layer, self._scales, states)
            for name in part:
                signal = None
                if name in _MEANS:
                    row_sums = wanted[_MEANS[name]]
                    signal = _squares(row_sums) / row_sums.shape[-1]
                real = real_tensor(self._named, part, name)
                tally = self._tallies.setdefault(name, Tally())
                tally.add(wanted[name], real, saturation(name, part[name]), signal)

    def result(self) -> list[Deviation]:
        """One row a tensor, in the order of computation."""
        return [
            tally.result(self._index, _STAGES.get(name, "input"), name)
            for name, tally in self._tallies.items()
        ]
