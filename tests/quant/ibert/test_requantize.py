"""Dyadic requantization against fractions, over the whole range of its words."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transfab.quant.ibert.requantize import (
    MULTIPLIER_LIMIT,
    SHIFT_LIMIT,
    Dyadic,
    dyadic,
    requantize,
    scale,
)

MANY = settings(max_examples=400, derandomize=True, database=None, deadline=None)
INT64 = st.integers(-(2**63), 2**63 - 1)
VALUES = st.one_of(
    INT64, st.integers(-(2**22), 2**22), st.builds(lambda b: 1 << b, st.integers(0, 62))
)
MULTIPLIERS = st.one_of(
    st.integers(-MULTIPLIER_LIMIT, MULTIPLIER_LIMIT),
    st.builds(lambda b, s: s << b, st.integers(0, 30), st.sampled_from((-1, 1))),
)
SHIFTS = st.one_of(st.integers(0, SHIFT_LIMIT), st.sampled_from((0, 1, 31, 32, 33, 34, 63, 66, 94)))


def one(multiplier: int, shift: int) -> Dyadic:
    return Dyadic(np.array(multiplier, np.int64), np.array(shift, np.int64))


def fits(value: int) -> bool:
    return -(2**62) <= value < 2**62


@MANY
@given(VALUES, MULTIPLIERS, SHIFTS)
@example(2**62 - 1, MULTIPLIER_LIMIT, 66)
@example(-(2**63), -MULTIPLIER_LIMIT, 66)
@example(-3, 1 << 30, 31)
@example(2**63 - 1, MULTIPLIER_LIMIT, 94)
@example(-(2**63), 1 << 30, 94)
def test_scaling_is_the_fraction_rounded_half_to_even(value, multiplier, shift):
    wanted = round(Fraction(value * multiplier, 2**shift))
    half_up = math.floor(Fraction(value * multiplier, 2**shift) + Fraction(1, 2))
    values = np.array([value], np.int64)
    if not fits(value * multiplier >> shift):
        with pytest.raises(ValueError, match="must fit 63 signed bits"):
            scale(values, one(multiplier, shift))
        return
    assert scale(values, one(multiplier, shift)).tolist() == [wanted]
    assert scale(values, one(multiplier, shift), half_up=True).tolist() == [half_up]
    assert requantize(values, one(multiplier, shift)).tolist() == [min(max(wanted, -128), 127)]


@MANY
@given(st.integers(-(2**40), 2**40), st.integers(0, 20), st.integers(1, 66), st.booleans())
def test_a_tie_goes_to_the_even_integer(whole, zeros, shift, negative):
    """value * m = (whole + 1/2) * 2**shift, exactly: m takes what it can of the power of two."""
    bits = min(shift - 1, 30)
    value = (2 * whole + 1) << (shift - 1 - bits)
    multiplier = (-1 if negative else 1) << bits
    if not -(2**63) <= value < 2**63:
        return
    got = int(scale(np.array([value]), one(multiplier, shift))[0])
    assert got % 2 == 0
    assert abs(Fraction(value * multiplier, 2**shift) - got) == Fraction(1, 2)


@MANY
@given(
    st.lists(st.tuples(st.integers(-(2**40), 2**40), MULTIPLIERS, st.integers(31, 66)), min_size=1)
)
def test_channels_have_their_own_scales(channels):
    values, multipliers, shifts = (np.array(column) for column in zip(*channels, strict=True))
    got = scale(np.stack([values, -values]), Dyadic(multipliers, shifts))
    for sign, row in zip((1, -1), got.tolist(), strict=True):
        wanted = [round(Fraction(sign * v * m, 2**e)) for v, m, e in channels]
        assert row == wanted


@MANY
@given(st.integers(0, 2**40), MULTIPLIERS, st.integers(30, 66), st.integers(0, 30))
def test_a_dropped_shift_is_a_wider_value(value, multiplier, shift, drop):
    wanted = round(Fraction((value << drop) * multiplier, 2**shift))
    if fits(wanted):
        assert scale(np.array([value]), one(multiplier, shift), drop=drop).tolist() == [wanted]


@MANY
@given(st.floats(1e-15, 1e8), st.booleans())
@example(math.nextafter(1.0, 0.0), False)
@example(1.0, True)
def test_a_ratio_keeps_31_bits(ratio, negative):
    found = dyadic(np.array(-ratio if negative else ratio))
    multiplier, shift = int(found.multiplier), int(found.shift)
    assert 2**30 <= abs(multiplier) < 2**31
    assert (multiplier < 0) == negative
    error = Fraction(abs(multiplier), 2**shift) / Fraction(ratio) - 1
    assert abs(error) <= Fraction(1, 2**31)


@pytest.mark.parametrize(
    ("multiplier", "shift", "text"),
    [
        (2**31, 5, "below 2\\*\\*31 in magnitude, not 2147483648"),
        (-(2**31), 5, "not -2147483648"),
        (1, -1, "shift must be in \\[0, 94\\], not -1"),
        (1, 95, "not 95"),
    ],
)
def test_a_constant_out_of_range_is_refused(multiplier, shift, text):
    with pytest.raises(ValueError, match=text):
        one(multiplier, shift)


def test_shapes_and_types_are_checked():
    with pytest.raises(ValueError, match="must have one shape"):
        Dyadic(np.ones(2, np.int64), np.ones(3, np.int64))
    with pytest.raises(ValueError, match="not \\(2,\\) int32"):
        Dyadic(np.ones(2, np.int32), np.ones(2, np.int64))


@pytest.mark.parametrize("ratio", [0.0, math.inf, math.nan, 1e-40, 1e10])
def test_a_ratio_that_is_no_scale_is_refused(ratio):
    with pytest.raises(ValueError, match="must be"):
        dyadic(np.array([1.0, ratio]))
