"""Each measure of agreement, against hand-computed cases and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest

from transfab.quant.deviation import HIGHEST_DB, decibels
from transfab.quant.evaluate.metrics import (
    Comparison,
    embedding,
    neighbour_overlap,
    ranks,
    similarities,
    spearman,
)


def unit(rows):
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("signal", "noise", "wanted"),
    [(100.0, 1.0, 20.0), (1.0, 1.0, 0.0), (1.0, 1000.0, -30.0), (2.0, 1.0, 10 * math.log10(2))],
)
def test_decibels_are_ten_log10(signal, noise, wanted):
    assert decibels(signal, noise) == pytest.approx(wanted, abs=1e-12)


def test_decibels_stay_finite_without_noise_and_without_signal():
    assert decibels(5.0, 0.0) == HIGHEST_DB
    assert decibels(0.0, 5.0) == -HIGHEST_DB
    assert decibels(1.0, 1e-300) == HIGHEST_DB


def test_an_embedding_is_the_mean_over_tokens_at_length_one():
    state = np.array([[1.0, 8.0], [5.0, 0.0]], np.float32)
    assert embedding(state) == pytest.approx([3 / 5, 4 / 5])
    assert embedding(np.zeros((3, 4))).tolist() == [0.0] * 4


def test_equal_values_share_their_mean_rank():
    assert ranks(np.array([30.0, 20.0, 10.0, 20.0])).tolist() == [3.0, 1.5, 0.0, 1.5]
    assert ranks(np.array([7.0, 7.0, 7.0])).tolist() == [1.0, 1.0, 1.0]


def test_ranks_equal_brute_force_with_many_ties():
    values = np.random.default_rng(0).integers(0, 9, 60).astype(np.float64)
    wanted = [(values < v).sum() + ((values == v).sum() - 1) / 2 for v in values]
    assert ranks(values).tolist() == wanted


def test_spearman_of_hand_computed_cases():
    up = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert spearman(up, up**3) == pytest.approx(1.0)
    assert spearman(up, -np.exp(up)) == pytest.approx(-1.0)
    # Without ties: 1 - 6 * sum d^2 / (n (n^2 - 1)), here sum d^2 = 4 + 1 + 1 + 1 + 1 = 8.
    assert spearman(up, np.array([3.0, 1.0, 2.0, 5.0, 4.0])) == pytest.approx(1 - 6 * 8 / 120)
    # Ranks 0 1.5 1.5 3 against 0 1 2 3: covariance 4.5, variances 4.5 and 5.
    tied = spearman(np.array([1.0, 2.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert tied == pytest.approx(4.5 / math.sqrt(4.5 * 5))


def test_spearman_of_one_value_only_is_undefined():
    assert spearman(np.ones(4), np.arange(4.0)) is None


def test_similarities_are_those_of_each_unordered_pair():
    rows = unit(np.random.default_rng(1).normal(size=(7, 5)))
    wanted = [rows[i] @ rows[j] for i in range(7) for j in range(i + 1, 7)]
    assert similarities(rows) == pytest.approx(wanted)


def test_neighbour_overlap_of_a_hand_computed_case():
    wanted = unit([[1, 0], [1, 0.1], [0, 1], [0.1, 1]])  # pairs 0-1 and 2-3
    assert neighbour_overlap(wanted, wanted, 1) == 1.0
    crossed = unit([[1, 0], [0, 1], [1, 0.1], [0.1, 1]])  # pairs 0-2 and 1-3
    assert neighbour_overlap(wanted, crossed, 1) == 0.0
    assert neighbour_overlap(wanted, crossed, 10) == 1.0  # all three others are neighbours


@pytest.mark.parametrize("count", [1, 3, 10])
def test_neighbour_overlap_equals_brute_force(count):
    rng = np.random.default_rng(count)
    wanted = unit(rng.normal(size=(40, 6)))
    got = unit(wanted + rng.normal(scale=0.4, size=wanted.shape))

    def nearest(rows, i):
        others = sorted((j for j in range(40) if j != i), key=lambda j: -(rows[i] @ rows[j]))
        return set(others[:count])

    shared = sum(len(nearest(wanted, i) & nearest(got, i)) for i in range(40))
    assert 0 < shared < 40 * count
    assert neighbour_overlap(wanted, got, count) == shared / (40 * count)


def states(seed, lengths=(3, 9, 5, 4), layers=2):
    rng = np.random.default_rng(seed)
    return [[rng.normal(size=(n, 6)).astype(np.float32) for _ in range(layers)] for n in lengths]


def compared(wanted, got):
    comparison = Comparison(len(wanted[0]))
    for real, state in zip(wanted, got, strict=True):
        comparison.add(real, state)
    return comparison.result()


def test_a_scheme_that_is_float_itself_agrees_fully():
    result = compared(states(0), states(0))
    assert result.sqnr_by_layer == [HIGHEST_DB, HIGHEST_DB]
    assert (result.cosine_mean, result.cosine_min) == (1.0, 1.0)
    assert (result.top1, result.top10, result.spearman) == (1.0, 1.0, 1.0)
    assert (result.texts, result.tokens) == (4, 21)


def test_a_scale_error_of_ten_percent_is_twenty_decibels_and_turns_no_embedding():
    wanted = [[state.astype(np.float64) for state in text] for text in states(0)]
    result = compared(wanted, [[1.1 * state for state in text] for text in wanted])
    assert result.sqnr_by_layer == [20.0, 20.0]
    assert (result.cosine_min, result.top10, result.spearman) == (1.0, 1.0, 1.0)


def test_sqnr_by_layer_is_over_all_tokens_of_all_texts():
    wanted, got = states(0), states(1)
    result = compared(wanted, got)
    for layer in range(2):
        real = np.concatenate([text[layer] for text in wanted]).astype(np.float64)
        state = np.concatenate([text[layer] for text in got])
        ratio = (real**2).sum() / ((real - state) ** 2).sum()
        assert result.sqnr_by_layer[layer] == round(10 * np.log10(ratio), 2)
    assert result.sqnr_db == result.sqnr_by_layer[-1]


def test_cosines_are_of_a_texts_two_embeddings():
    wanted = [[np.array([[1.0, 0.0]])], [np.array([[1.0, 1.0]])]]
    got = [[np.array([[0.6, 0.8]])], [np.array([[2.0, 2.0]])]]
    result = compared(wanted, got)
    assert (result.cosine_min, result.cosine_mean) == (0.6, 0.8)


def test_below_three_texts_neighbours_and_ranks_are_undefined():
    result = compared(states(0, (3, 4)), states(1, (3, 4)))
    assert (result.top1, result.top10, result.spearman) == (None, None, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda got: got[:1], "2 hidden states are expected, not 1"),
        (lambda got: [got[0], got[1][:2]], r"layer 1 must give \(3, 6\), not \(2, 6\)"),
        (lambda got: [got[0] * np.nan, got[1]], "layer 0 gave values that are not finite"),
    ],
)
def test_states_that_cannot_be_compared_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Comparison(2).add(states(0)[0], change(states(0)[0]))
