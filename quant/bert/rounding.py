"""Rounding of weights to int8 so that a projection errs least on the inputs that it really sees.

GPTQ (Frantar et al. 2022, arXiv:2210.17323): columns are rounded one after the other, and each
one's error is made up for by those not yet rounded, as the inputs' covariance says. The inputs
are the integers of the layer's own int8 operand, so their moments are exact whatever the order
of the sum. The covariance is central: a mean error is the bias's to correct.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from transfab.quant.bert.weights import FloatArray
from transfab.quant.intmath import Array, Int8Array, limit

# Share of the mean variance added to each channel's own, growing where text is short for K.
DAMPING: Final = 0.01
SHORT: Final = 8
_BLOCK: Final = 128
# 1024 products of int8 stay below 2**24: a float32 sum of them is exact.
_EXACT_ROWS: Final = 1024


@dataclass
class Moments:
    """Exact sums over rows of an int8 operand: count, sum (K,) and second moment (K, K)."""

    count: int
    total: FloatArray
    second: FloatArray

    @classmethod
    def of(cls, channels: int) -> Moments:
        return cls(0, np.zeros(channels), np.zeros((channels, channels)))

    def add(self, rows: Array) -> None:
        """Add rows (R, K) of int8."""
        for start in range(0, len(rows), _EXACT_ROWS):
            part = torch.from_numpy(rows[start : start + _EXACT_ROWS].astype(np.float32))
            self.second += (part.T @ part).numpy()
        self.total += rows.sum(axis=0, dtype=np.int64)
        self.count += len(rows)

    @property
    def mean(self) -> FloatArray:
        return self.total / self.count

    @property
    def covariance(self) -> FloatArray:
        """Central and damped: positive definite however little text there was."""
        covariance = self.second / self.count - np.outer(self.mean, self.mean)
        diagonal = np.einsum("kk->k", covariance)
        share = DAMPING * max(1.0, SHORT * len(self.total) / self.count)
        diagonal += share * max(float(diagonal.mean()), 1e-6)
        return covariance


def round_weights(steps: FloatArray, covariance: FloatArray) -> Int8Array:
    """Round weights, the channels that vary most first, carrying each error into the rest.

    steps       (N, K) float64   weights in units of the output channel's scale, in [-127, 127]
    covariance  (K, K) float64   of the operand, positive definite
    ->          (N, K) int8      in [-127, 127]
    """
    order = np.argsort(-np.diag(covariance), kind="stable")
    inverse = torch.linalg.cholesky(torch.from_numpy(covariance[np.ix_(order, order)]))
    factor = torch.linalg.cholesky(torch.cholesky_inverse(inverse), upper=True)
    weights = torch.from_numpy(steps[:, order])
    rounded = torch.empty_like(weights)
    for start in range(0, weights.shape[1], _BLOCK):
        stop = min(start + _BLOCK, weights.shape[1])
        block, errors = weights[:, start:stop].clone(), torch.empty_like(weights[:, start:stop])
        near = factor[start:stop, start:stop]
        for column in range(stop - start):
            value = torch.clamp(torch.floor(block[:, column] + 0.5), -limit(8), limit(8))
            error = (block[:, column] - value) / near[column, column]
            block[:, column:] -= error[:, None] * near[column, column:]
            errors[:, column] = error
            rounded[:, start + column] = value
        weights[:, stop:] -= errors @ factor[start:stop, stop:]
    result = np.empty(steps.shape, np.int8)
    result[:, order] = rounded.numpy().astype(np.int8)
    return result
