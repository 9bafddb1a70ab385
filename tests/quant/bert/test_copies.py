"""Copies of feed-forward channels: the same function, chosen by load, finer by their number."""

from __future__ import annotations

import numpy as np
import pytest

from transfab.quant.bert.copies import Copies, choose_copies
from transfab.quant.bert.reference import float_layer
from transfab.quant.bert.scales import Affine, Statistics
from transfab.quant.bert.weights import FloatLayer, FloatLinear
from transfab.quant.config import COPIES
from transfab.quant.random_source import RandomSource

SIZE, INNER = 8, 20


def drawn() -> tuple[FloatLayer, dict[str, Statistics]]:
    """A layer of 8 channels with drawn weights, and ranges for what the copies read."""
    rng = np.random.default_rng(0)

    def linear(outputs: int, inputs: int) -> FloatLinear:
        return FloatLinear(rng.normal(0, 0.4, (outputs, inputs)), rng.normal(0, 0.1, outputs))

    norm = FloatLinear(rng.normal(1, 0.1, SIZE), rng.normal(0, 0.1, SIZE))
    square = [linear(SIZE, SIZE) for _ in range(4)]
    layer = FloatLayer(
        *square, norm, linear(INNER, SIZE), linear(SIZE, INNER), norm, heads=2, epsilon=1e-12
    )
    statistics = {}
    for name in ("context", "intermediate_preactivation", "intermediate_gelu"):
        low, high = rng.uniform(-4, -2, INNER), rng.uniform(2, 4, INNER)
        statistics[name] = Statistics(low, high, rng.uniform(-1, 1, INNER))
    return layer, statistics


def with_loads(loads: list[float]) -> tuple[FloatLayer, dict[str, Statistics]]:
    """A layer whose first channels have these loads (range 2, weight `load`), the others 0.01."""
    layer, statistics = drawn()
    inner = layer.intermediate.bias.size
    layer.output.weight[:] = 0.01
    layer.output.weight[0, : len(loads)] = loads
    statistics["intermediate_gelu"] = Statistics(-np.ones(inner), np.ones(inner), np.zeros(inner))
    return layer, statistics


def added(copies: Copies) -> list[int]:
    inner = int((copies.rank == 0).sum())
    return copies.channel[inner:].tolist()


@pytest.mark.parametrize(
    ("loads", "copies", "wanted"),
    [
        ([4.0, 9.0, 1.0], 0, []),
        ([4.0, 9.0, 1.0], 1, [1]),
        # 9, 9/2, 4 and then 9/3 of three copies against 4/2 of two.
        ([4.0, 9.0, 1.0], 3, [0, 1, 1]),
        ([4.0, 9.0, 1.0], 4, [0, 1, 1, 1]),
        # A negative weight is a load as well; of equals the first.
        ([-4.0, 2.0, 2.0], 2, [0, 0]),
        ([-4.0, 2.0, 2.0], 3, [0, 0, 1]),
    ],
)
def test_the_heaviest_copy_is_copied_next(loads, copies, wanted):
    layer, statistics = with_loads(loads)
    assert added(choose_copies(layer, statistics, copies)) == wanted


def test_counts_and_ranks_number_the_copies_of_a_channel():
    layer, statistics = with_loads([4.0, 9.0, 1.0])
    copies = choose_copies(layer, statistics, 4)
    inner = layer.intermediate.bias.size
    assert copies.channel.tolist() == [*range(inner), 0, 1, 1, 1]
    assert copies.count.tolist() == [2, 4, *[1] * (inner - 2), 2, 4, 4, 4]
    assert copies.rank.tolist() == [*[0] * inner, 1, 1, 2, 3]


def test_a_wide_range_is_a_load_as_much_as_a_large_weight():
    layer, statistics = with_loads([4.0, 9.0, 1.0])
    seen = statistics["intermediate_gelu"]
    high = seen.high.copy()
    high[2] = 41.0  # half the range: 21
    statistics["intermediate_gelu"] = Statistics(seen.low, high, seen.mean)
    assert added(choose_copies(layer, statistics, 1)) == [2]


@pytest.mark.parametrize("copies", [0, 1, 7])
def test_the_layer_with_copies_is_the_same_function(copies):
    layer, statistics = drawn()
    chosen = choose_copies(layer, statistics, copies)
    state = np.random.default_rng(1).normal(size=(9, layer.query.bias.size))
    wanted, got = (float_layer(each, state) for each in (layer, chosen.layer(layer)))
    np.testing.assert_allclose(got["output"], wanted["output"], rtol=0, atol=1e-12)
    for name in ("intermediate_preactivation", "intermediate_gelu"):
        repeated = wanted[name][:, chosen.channel]
        np.testing.assert_allclose(got[name], repeated, rtol=0, atol=1e-12)


def test_statistics_are_those_of_the_channel_that_is_copied():
    layer, statistics = drawn()
    copies = choose_copies(layer, statistics, 5)
    repeated = copies.statistics(statistics)
    for name in ("intermediate_preactivation", "intermediate_gelu"):
        for part in ("low", "high", "mean"):
            wanted = getattr(statistics[name], part)[copies.channel]
            assert getattr(repeated[name], part).tobytes() == wanted.tobytes()
    assert repeated["context"] is statistics["context"]
    assert len(statistics["intermediate_gelu"].low) == layer.intermediate.bias.size


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_sum_of_copies_has_as_many_times_the_resolution(count):
    copies = Copies(np.zeros(count, int), np.full(count, count), np.arange(count))
    affine = copies.spread(Affine(np.full(count, 0.5), np.full(count, 0.25)))
    values = np.linspace(-20, 20, 4001)
    steps = affine.quantize(values[:, None], 8)
    mean = affine.dequantize(steps).mean(axis=1)
    # Rounded half up like the mean of all copies: an error in (-s/2c - offset, s/2c + offset].
    error = mean - values
    assert error.max() - error.min() <= 0.5 / count + 1e-9
    assert len(np.unique(mean)) >= count * len(np.unique(steps[:, 0])) - count


def test_one_copy_each_changes_no_scale():
    copies = Copies(np.arange(3), np.ones(3, int), np.zeros(3, int))
    affine = Affine(np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0, 7.0]))
    assert copies.spread(affine).center.tolist() == affine.center.tolist()


def test_models_get_copies_and_their_float_layer_none():
    source = RandomSource("bert-tiny")
    config = source.config(16)
    assert config.copies == COPIES > 0
    assert config.inner == config.feed_forward + COPIES
    assert source.layer(0).intermediate.bias.size == config.feed_forward


def test_no_copy_clips_the_lowest_value():
    """Most GELU outputs lie there: clipped in every copy they would all err alike."""
    count = 5
    copies = Copies(np.zeros(count, int), np.full(count, count), np.arange(count))
    low, scale = -0.17, 0.03
    affine = Affine(np.full(count, scale), np.full(count, low + 127 * scale))
    steps = copies.spread(affine).quantize(np.full((1, count), low), 8)
    assert steps.tolist() == [[-127, -127, -127, -126, -126]]
