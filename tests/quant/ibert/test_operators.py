"""The integer operators against plain Python integers, and what their constants refuse."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfab.quant.ibert.gelu import Gelu, gelu
from transfab.quant.ibert.layernorm import LayerNorm, layernorm, root, rounded_mean
from transfab.quant.ibert.linear import Linear, linear, merge_heads, split_heads
from transfab.quant.ibert.requantize import Dyadic
from transfab.quant.ibert.residual import Residual, residual
from transfab.quant.ibert.softmax import MASKED, Softmax, softmax

SOME = settings(max_examples=150, derandomize=True, database=None, deadline=None)


def one(multiplier: int, shift: int) -> Dyadic:
    return Dyadic(np.array(multiplier, np.int64), np.array(shift, np.int64))


def softmax_constants(x0: int) -> Softmax:
    """Those of a score scale of about ln 2 / -x0, its exponential scaled to 32767."""
    step = Fraction(math.log(2)).limit_denominator(10**9) / -x0
    b, c = math.floor(Fraction(27073, 10000) / step), math.floor(Fraction(27921, 10000) / step**2)
    shift = ((c << 30) // 32767).bit_length() + 30
    return Softmax(b, c, x0, 30, one((32767 << shift) // (c << 30), shift))


def plain_softmax(params: Softmax, scores: list[int]) -> list[int]:
    m, e = int(params.factor.multiplier), int(params.factor.shift)
    exponentials = []
    for score in scores:
        x = max(score - max(scores), params.n * params.x0)
        q = x // params.x0
        r = x - params.x0 * q
        exp = max((r + params.b) * r + params.c << params.n - q, 0)
        exponentials.append(min(exp * m + 2 ** (e - 1) >> e, 32767))
    f = 2**32 // sum(exponentials)
    return [t * f >> 24 for t in exponentials]


@SOME
@given(
    st.lists(st.one_of(st.integers(-(10**6), 10**6), st.just(MASKED)), min_size=1, max_size=9),
    st.integers(-(10**6), -3),
)
def test_softmax_is_the_plain_integers(scores, x0):
    params = softmax_constants(x0)
    got = softmax(params, np.array(scores))
    assert got["output"].tolist() == plain_softmax(params, scores)
    assert got["output"].dtype == np.int16
    assert int(got["output"].max()) <= 256
    if max(scores) - (x0 * 16) > MASKED:
        assert not any(
            p
            for s, p in zip(scores, got["output"].tolist(), strict=True)
            if s < max(scores) + 16 * x0
        )


def test_a_sum_that_is_a_power_of_two_gives_256():
    params = dataclasses.replace(softmax_constants(-490), factor=one(1, 37))
    assert (params.c << 30) + 2**36 >> 37 != 0
    alone = Softmax(b=1, c=1 << 10, x0=-1, n=1, factor=one(1, 1))
    assert softmax(alone, np.array([7]))["output"].tolist() == [256]


@SOME
@given(st.data())
def test_gelu_is_the_plain_integers(data):
    size = data.draw(st.integers(1, 6))
    b = data.draw(st.lists(st.integers(-(2**20), -1), min_size=size, max_size=size))
    c = data.draw(st.lists(st.integers(-(2**41), 0), min_size=size, max_size=size))
    shift = data.draw(st.lists(st.integers(-(2**27), 0), min_size=size, max_size=size))
    x = data.draw(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=size, max_size=size))
    params = Gelu(np.array(b), np.array(c), np.array(shift), 14)
    wanted = []
    for xi, bi, ci, si in zip(x, b, c, shift, strict=True):
        erf = (xi > 0) - (xi < 0)
        erf *= (min(abs(xi), -bi) + bi) ** 2 + ci
        wanted.append(xi * ((erf >> 14) + si))
    assert gelu(params, np.array(x))["output"].tolist() == wanted


@SOME
@given(
    st.lists(st.integers(-(2**21), 2**21 - 1), min_size=1, max_size=12),
    st.integers(0, 12),
    st.integers(-(2**31), 2**31),
)
def test_layernorm_is_the_plain_integers(row, shift, bias):
    mean = round(Fraction(sum(row), len(row)))
    deviation = [x - mean for x in row]
    std = max(math.isqrt(sum((y >> shift) ** 2 for y in deviation)), 1) << shift
    factor = 2**31 // std
    params = LayerNorm(np.full(len(row), bias), shift)
    got = layernorm(params, np.array(row, np.int32))
    assert got["mean"].tolist() == [mean]
    assert got["std"].tolist() == [std]
    assert got["y_int"].tolist() == [y * factor >> 1 for y in deviation]
    assert got["output"].tolist() == [(y * factor >> 1) + bias for y in deviation]


@SOME
@given(st.lists(st.integers(-(2**21), 2**21), min_size=1, max_size=9), st.integers(-(2**40), 2**40))
def test_a_mean_rounds_half_to_even(row, offset):
    rows = np.array(row) + offset
    assert rounded_mean(rows).tolist() == [round(Fraction(int(rows.sum()), len(row)))]


@SOME
@given(st.integers(0, 2**31 - 1), st.integers(-2, 2))
def test_the_root_is_the_integer_root(base, step):
    value = min(max(base * base + step, 0), 2**62 - 1)
    assert root(np.array([value])).tolist() == [math.isqrt(value)]


def test_a_constant_row_gives_the_bias():
    params = LayerNorm(np.array([5, -6, 7]), 4)
    assert layernorm(params, np.array([[9, 9, 9]]))["output"].tolist() == [[5, -6, 7]]


@SOME
@given(st.data())
def test_a_residual_is_the_plain_integers(data):
    size = data.draw(st.integers(1, 5))

    def many(low: int, high: int) -> list[int]:
        return data.draw(st.lists(st.integers(low, high), min_size=size, max_size=size))

    acc, skip = many(-(2**31), 2**31 - 1), many(-128, 127)
    m, e = many(2**30, 2**31 - 1), many(20, 40)
    m1, e1 = data.draw(st.integers(-(2**31) + 1, 2**31 - 1)), data.draw(st.integers(10, 30))
    params = Residual(Dyadic(np.array(m), np.array(e)), one(m1, e1))
    got = residual(params, np.array(acc), np.array(skip, np.int8))
    for i, total in enumerate(got["output"].tolist()):
        terms = round(Fraction(acc[i] * m[i], 2 ** e[i])), round(Fraction(skip[i] * m1, 2**e1))
        assert (got["output0"][i], got["output1"][i]) == terms
        assert total == min(max(sum(terms), -(2**21)), 2**21 - 1)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 3), (7, 33, 16)])
def test_a_projection_is_the_plain_integers(shape):
    rows, inner, outer = shape
    rng = np.random.default_rng(rows)
    x = rng.choice(np.array([-128, -1, 0, 127], np.int8), (rows, inner))
    w = rng.choice(np.array([-128, -127, 1, 127], np.int8), (outer, inner))
    b = rng.integers(-(2**30), 2**30, outer, dtype=np.int32)
    wanted = [
        [
            sum(int(p) * int(q) for p, q in zip(row, col, strict=True)) + int(bias)
            for col, bias in zip(w, b, strict=True)
        ]
        for row in x
    ]
    assert linear(Linear(w, b), x).tolist() == wanted


def test_heads_split_and_merge():
    values = np.arange(2 * 3 * 8).reshape(2, 3, 8)
    split = split_heads(values, 4)
    assert split.shape == (2, 4, 3, 2)
    assert split[1, 2, 0].tolist() == values[1, 0, 4:6].tolist()
    np.testing.assert_array_equal(merge_heads(split), values)


W, B = np.ones((2, 3), np.int8), np.zeros(2, np.int32)
V = np.full(2, -5)
REFUSED = {
    "a matrix of int8": lambda: Linear(W.astype(np.int16), B),
    "one value per output channel 2": lambda: Linear(W, np.zeros(3, np.int32)),
    "accumulator must fit 32 signed bits": lambda: Linear(W, np.full(2, 2**31 - 1, np.int32)),
    "input must have 3 channels, not 4": lambda: linear(Linear(W, B), np.ones((1, 4), np.int8)),
    "x0 must be negative": lambda: Softmax(9, 9, 0, 30, one(1, 40)),
    "needs one scale": lambda: Softmax(9, 9, -4, 30, Dyadic(V + 6, V + 45)),
    "n must be in": lambda: Softmax(9, 9, -4, 41, one(1, 40)),
    "polynomial must fit 62 bits": lambda: Softmax(9, 1 << 62, -4, 30, one(1, 40)),
    "exp\\(0\\) to at least 1, not 0": lambda: Softmax(9, 9, -4, 30, one(1, 40)),
    "GELU c must be a vector": lambda: Gelu(V, np.array(3), V, 14),
    "GELU b must be negative, not 5": lambda: Gelu(-V, V, V, 14),
    "GELU const": lambda: Gelu(V, V, V, 63),
    "GELU of channel 1 must fit 31 bits": lambda: Gelu(np.array([-5, -(2**40)]), V, V, 14),
    "LayerNorm bias must be": lambda: LayerNorm(np.zeros((2, 2), np.int64), 0),
    "LayerNorm shift": lambda: LayerNorm(V, 23),
    "LayerNorm must have 2 channels": lambda: layernorm(LayerNorm(V, 0), np.ones((1, 3))),
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_constant_that_breaks_a_bound_is_refused(text):
    with pytest.raises(ValueError, match=text) as caught:
        REFUSED[text]()
    assert "\n" not in str(caught.value)
