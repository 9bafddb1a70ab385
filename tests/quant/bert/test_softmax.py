"""Softmax against the oracle, against exact decimals, and at the widest row."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import oracle
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import examples, int32

from transfab.quant.bert.softmax import exponentials, normalize_context, row_reciprocal
from transfab.quant.intmath import exponential_step, exponential_table

TABLE = exponential_table()
SCORE = 127 * 127 * 128
scores_strategy = st.one_of(st.integers(-SCORE, SCORE), st.integers(-2000, 2000))
rows = st.lists(st.tuples(scores_strategy, st.booleans()), min_size=1, max_size=12)


def one_row(scores: list[int], mask: list[int], multiplier: int, shift: int) -> dict[str, list]:
    """The tensors of a single query over len(scores) keys: B = H = 1, one row."""
    made = exponentials(
        int32(scores).reshape(1, 1, 1, -1),
        np.array([mask], np.uint8),
        int32([multiplier]),
        shift,
        TABLE,
    )
    return {name: tensor[0, 0, 0].tolist() for name, tensor in made.items()}


def allowed(row: list[tuple[int, bool]]) -> tuple[list[int], list[int]]:
    """Scores and a mask with at least one real key."""
    scores, mask = [score for score, _ in row], [int(real) for _, real in row]
    mask[-1] = 1
    return scores, mask


@given(rows, st.integers(0, 2**17 - 1), st.integers(1, 47))
@examples(300)
@example([(SCORE, True), (-SCORE, True)], 2**17 - 1, 1)
@example([(SCORE, False), (-SCORE, True)], 2**17 - 1, 1)
@example([(0, True), (1, True), (2, True), (3, True)], 1, 1)
def test_a_row_of_exponentials_is_the_oracles(
    row: list[tuple[int, bool]], multiplier: int, shift: int
) -> None:
    scores, mask = allowed(row)
    top, indices, values, total = oracle.softmax(
        scores, mask, multiplier, shift, oracle.exponential_table()
    )
    assert one_row(scores, mask, multiplier, shift) == {
        "scores_maximum": top,
        "exponential_index": indices,
        "exponential": values,
        "exponential_sum": total,
    }


@given(rows, st.integers(1, 2**17 - 1), st.integers(1, 30), st.integers(-(2**20), 2**20))
@examples(100)
def test_a_keys_constant_offset_does_not_matter(
    row: list[tuple[int, bool]], multiplier: int, shift: int, offset: int
) -> None:
    scores, mask = allowed(row)
    moved = one_row([score + offset for score in scores], mask, multiplier, shift)
    there = one_row(scores, mask, multiplier, shift)
    assert moved.pop("scores_maximum") == there.pop("scores_maximum") + offset
    assert moved == there


@given(rows, st.integers(1, 2**17 - 1), st.integers(1, 30), st.lists(scores_strategy, min_size=12))
@examples(100)
def test_masked_scores_do_not_matter(
    row: list[tuple[int, bool]], multiplier: int, shift: int, others: list[int]
) -> None:
    scores, mask = allowed(row)
    changed = [s if real else o for s, real, o in zip(scores, mask, others, strict=False)]
    assert one_row(changed, mask, multiplier, shift) == one_row(scores, mask, multiplier, shift)


def test_masked_scores_above_every_unmasked_one_get_nothing() -> None:
    made = one_row([SCORE, 5, SCORE, 3], [0, 1, 0, 1], 2**17 - 1, 10)
    assert made["scores_maximum"] == 5
    assert made["exponential"][::2] == [0, 0]
    assert made["exponential_index"][::2] == [4095, 4095]
    assert made["exponential_sum"] == sum(made["exponential"][1::2])


def test_the_largest_score_has_the_largest_exponential() -> None:
    assert one_row([7, 9, 9, 8], [1, 1, 1, 1], 2**16, 16)["exponential"][1:3] == [16383, 16383]


@pytest.mark.parametrize("keys", [1, 2, 32, 33, 512])
def test_equal_keys_share_evenly_within_the_stated_widths(keys: int) -> None:
    made = one_row([SCORE] * keys, [1] * keys, 2**17 - 1, 1)
    assert made["exponential"] == [16383] * keys
    assert made["exponential_sum"] == 16383 * keys < 2**23


def test_a_score_beyond_the_table_gets_nothing() -> None:
    """Index 4095 stands for every distance beyond: a leak there would add up over 512 keys."""
    made = one_row([0, -4094, -4095, -4096, -SCORE], [1] * 5, 2, 1)
    assert made["exponential_index"] == [0, 4094, 4095, 4095, 4095]
    assert made["exponential"] == [16383, 1, 0, 0, 0]


def test_the_scale_of_the_scores_matters() -> None:
    """One divisor for another, 8 for 27, changes every exponential but the largest."""
    near = one_row([100, 80, 60, 40], [1] * 4, 8 * 512, 9)["exponential"]
    far = one_row([100, 80, 60, 40], [1] * 4, 27 * 512, 9)["exponential"]
    assert near[0] == far[0] == 16383
    assert all(a > b for a, b in zip(near[1:], far[1:], strict=True))


@given(st.lists(st.integers(-6000, 0), min_size=1, max_size=40), st.integers(2**16, 2**17 - 1))
@examples(60)
@example([0] * 512, 2**16)
@example([0] + [-4095] * 511, 2**16)
def test_probabilities_are_those_of_the_exact_exponential(
    scores: list[int], multiplier: int
) -> None:
    """Error from half an index step, half a unit of the table and its cut tail, nothing else."""
    shift = 16
    made = one_row(scores, [1] * len(scores), multiplier, shift)
    with localcontext() as context:
        context.prec = 40
        step = Decimal(32766).ln() / 4096
        distance = [(max(scores) - score) * Decimal(multiplier) / 2**shift for score in scores]
        exact = [16383 * (-x * step).exp() for x in distance]
        spread, unit = (step / 2).exp() - 1, Decimal("0.503")
        for e, x in zip(made["exponential"], exact, strict=True):
            assert abs(e - x) <= spread * x + unit
        total, sum_exact = Decimal(made["exponential_sum"]), sum(exact)
        total_error = spread * sum_exact + unit * len(scores)
        assert abs(total - sum_exact) <= total_error
        for e, x in zip(made["exponential"], exact, strict=True):
            p, q = e / total, x / sum_exact
            assert abs(p - q) <= (spread * x + unit) / total + q * total_error / total


def test_an_index_is_one_step_of_the_exponential() -> None:
    with localcontext() as context:
        context.prec = 40
        assert abs(Decimal(exponential_step()) - Decimal(32766).ln() / 4096) < Decimal("1e-18")


# The division of a row


def plain_normalize(values: list[int], total: int) -> tuple[int, list[int]]:
    inverse, mean = normalize_context(int32([values]), int32([total]))
    assert inverse.dtype == mean.dtype == np.int32
    return inverse[0].item(), mean[0].tolist()


@given(st.integers(1, 2**23 - 1), st.lists(st.integers(-127 * 2**16, 127 * 2**16), min_size=1))
@examples(200)
@example(2**19 - 1, [127 << 16])
@example(2**19, [127 << 16, -127 << 16])
@example(2**20, [1 << 15])
@example(2**22, [127 << 16, -127 << 16])
@example(2**23 - 1, [127 << 16, -127 << 16])
@example(1, [127 << 16])
def test_the_context_is_the_row_sum_divided(total: int, means: list[int]) -> None:
    values = [mean * total >> 16 for mean in means]
    inverse, got = plain_normalize(values, total)
    assert (inverse, got) == oracle.normalize(values, total)
    # the reciprocal is up to 2**-16 small, the pre-shift half a unit, the result half a step
    for value, mean in zip(values, got, strict=True):
        real = Fraction(value * 2**16, total)
        slack = abs(real) * Fraction(1, 2**16) + Fraction(1, 8) + Fraction(1, 2)
        assert abs(mean - real) <= slack
        assert abs(mean) <= 127 * 2**16


@given(st.integers(1, 2**23 - 1))
@examples(200)
@example(2**22)
@example(2**23 - 1)
@example(2**19)
@example(2**19 - 1)
@example(1)
def test_the_reciprocal_of_a_row_has_17_bits_and_its_shifts(total: int) -> None:
    inverse, pre, post = row_reciprocal(int32([total]))
    bits = total.bit_length()
    assert inverse[0] * total <= 2 ** (16 + bits) - 1 < (inverse[0] + 1) * total
    assert 2**16 <= inverse[0] < 2**17
    assert (pre[0], post[0]) == (max(0, bits - 19), min(bits, 19))


def test_the_largest_context_sum_fits_31_bits_and_27_after_the_shift() -> None:
    total, value = 16383 * 512, 127 * 16383 * 512
    assert value < 2**30 and oracle.round_shift(value, 4) < 2**26
    _, pre, _ = row_reciprocal(int32([total]))
    assert pre.tolist() == [4]
    inverse, mean = plain_normalize([value, -value], total)
    assert oracle.round_shift(value, 4) * inverse < 2**47
    assert mean == oracle.normalize([value, -value], total)[1]
    assert 127 * 2**16 - 127 * 2 <= mean[0] <= 127 * 2**16
