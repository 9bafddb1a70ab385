"""Feed-forward channels that are computed several times, so that the worst of them cost less.

A trained layer has a few GELU channels with many times the load of the others; their outputs take
int8 steps that are too wide, and their weights stretch the steps of every row of the second
projection. Outlier channel splitting (Zhao et al. 2019, arXiv:1901.09504) computes such a channel
c times with 1/c of its weight. Here the copies are also quantized 1/c of a step apart, so that
their sum has c times the resolution. The operators do not change: F grows by a few channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from transfab.quant.bert.scales import Affine, Statistics
from transfab.quant.bert.weights import FloatArray, FloatLayer, FloatLinear

IndexArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Copies:
    """Which channel of the model each channel of the integer layer computes.

    channel  (F + copies,) int64  the model's channels in order, then the copies
    count    (F + copies,) int64  how many compute the same one, itself included
    rank     (F + copies,) int64  its place among them, in [0, count)
    """

    channel: IndexArray
    count: IndexArray
    rank: IndexArray

    def layer(self, layer: FloatLayer) -> FloatLayer:
        """The same function of real numbers with F + copies channels."""
        first, second = layer.intermediate, layer.output
        return replace(
            layer,
            intermediate=FloatLinear(first.weight[self.channel], first.bias[self.channel]),
            output=FloatLinear(second.weight[:, self.channel] / self.count, second.bias),
        )

    def statistics(self, statistics: Mapping[str, Statistics]) -> dict[str, Statistics]:
        """Those of the layer with copies."""
        repeated = dict(statistics)
        for name in ("intermediate_preactivation", "intermediate_gelu"):
            seen = statistics[name]
            low, high, mean = (part[self.channel] for part in (seen.low, seen.high, seen.mean))
            repeated[name] = Statistics(low, high, mean)
        return repeated

    def spread(self, affine: Affine) -> Affine:
        """Scales of the GELU output with the copies of a channel 1/count of a step apart.

        Downwards: the lowest value, near which most GELU outputs lie, stays in every range.
        """
        return Affine(affine.scale, affine.center - affine.scale * self.rank / self.count)


def choose_copies(layer: FloatLayer, statistics: Mapping[str, Statistics], copies: int) -> Copies:
    """Copy, one after the other, the channel whose copies each carry the largest load.

    The load is half the range of the GELU output times the largest weight that reads it: what
    the channel asks of its own step and of the steps of the weights.

    statistics  by the names of `float_layer`
    copies      int >= 0
    """
    load: FloatArray = statistics["intermediate_gelu"].half_range
    load = load * np.abs(layer.output.weight).max(axis=0)
    count = np.ones(load.size, np.int64)
    added = np.empty(copies, np.int64)
    for index in range(copies):
        added[index] = np.argmax(load / count)
        count[added[index]] += 1
    added.sort()
    rank = np.arange(copies) - np.searchsorted(added, added) + 1
    channel = np.concatenate([np.arange(load.size), added])
    return Copies(channel, count[channel], np.concatenate([np.zeros(load.size, np.int64), rank]))
