"""LayerNorm against the oracle, against the exact square root, and at its widest rows."""

from __future__ import annotations

from fractions import Fraction
from math import floor, isqrt
from typing import Any

import numpy as np
import oracle
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import examples, int16s, layernorm_of, refuses

from transfab.quant.bert.layernorm import LayerNorm, layernorm
from transfab.quant.config import LayerConfig

HALF = Fraction(1, 2)
near_zero = st.integers(-4, 4)
row_strategy = st.one_of(
    st.lists(int16s, min_size=1, max_size=24),
    st.lists(near_zero, min_size=1, max_size=24),
    st.lists(st.sampled_from([-32767, 32767]), min_size=1, max_size=24),
    st.tuples(int16s, st.integers(1, 24)).map(lambda pair: [pair[0]] * pair[1]),
)
EXTREMES = [32767, -32767] * 12


def one_row(row: list[int], params: LayerNorm, bits: int = 16) -> dict[str, Any]:
    """The tensors of a single row: B = S = 1."""
    config = LayerConfig(len(row), len(row), 1, residual_bits=bits)
    made = layernorm(config, params, np.array([[row]], np.int16))
    return {name: tensor[0, 0].tolist() for name, tensor in made.items()}


def constants(data: st.DataObject, size: int) -> dict[str, Any]:
    shift = data.draw(st.integers(1, 46))
    return {
        "gain": data.draw(st.lists(st.integers(-(2**17), 2**17 - 1), min_size=size, max_size=size)),
        "offset": data.draw(st.lists(st.integers(-(2**45), 2**45), min_size=size, max_size=size)),
        "shift": shift,
        "epsilon": data.draw(st.one_of(st.integers(1, 100), st.integers(1, 2**40 - 1))),
    }


@given(row_strategy, st.sampled_from([8, 16]), st.data())
@examples(300)
def test_a_row_is_the_oracles(row: list[int], bits: int, data: st.DataObject) -> None:
    leaves = constants(data, len(row))
    wanted = oracle.layernorm(row, {f"n.{k}": v for k, v in leaves.items()}, "n", bits)
    assert one_row(row, layernorm_of(**leaves), bits) == wanted


@given(row_strategy, st.integers(1, 2**40 - 1))
@examples(200)
@example(EXTREMES, 1)
@example([0] * 5, 1)
@example([32767] * 23 + [-32767], 1)
def test_every_step_satisfies_its_defining_inequality(row: list[int], epsilon: int) -> None:
    made = one_row(row, layernorm_of([1] * len(row), epsilon=epsilon))
    # rounding, and the 17-bit reciprocal of E on a row sum of at most 32767 * E
    assert abs(made["mean"] - Fraction(sum(row), len(row))) <= Fraction(3, 4)
    deviations = [value - made["mean"] for value in row]
    assert made["squares"] == sum(c * c for c in deviations) + epsilon
    half_shift = next(
        h for h in range(-8, 18) if 2**32 <= made["squares"] * Fraction(4) ** h < 2**34
    )
    shifted = floor(made["squares"] * Fraction(4) ** half_shift)
    assert made["root"] ** 2 <= shifted < (made["root"] + 1) ** 2
    assert made["reciprocal"] * made["root"] <= 2**33 - 1 < (made["reciprocal"] + 1) * made["root"]
    for c, u in zip(deviations, made["normalized"], strict=True):
        assert abs(u - c * made["reciprocal"] * Fraction(2) ** (half_shift - 8)) <= HALF
    assert 2**16 <= made["root"] < 2**17 and 2**16 <= made["reciprocal"] < 2**17
    assert max(map(abs, made["normalized"])) <= 2**25 + 2**10


def square_root(value: int) -> Fraction:
    """Within 2**-80 below the root of a positive integer."""
    return Fraction(isqrt(value * 4**80), 2**80)


@given(row_strategy, st.integers(1, 2**40 - 1))
@examples(200)
@example(EXTREMES, 1)
@example([1, 0, 0, 0, 0], 1)
@example([32767] * 23 + [-32767], 2**40 - 1)
def test_the_normalized_row_is_near_the_exact_one(row: list[int], epsilon: int) -> None:
    """Deviation over root of squares, from the exact mean and with no integer in between.

    Relative error: floor of a 17-bit root and of a 17-bit reciprocal, 2**-16 each; absolute:
    half a step, and what the rounded mean changes in the deviation and in the squares.
    """
    made = one_row(row, layernorm_of([1] * len(row), epsilon=epsilon))
    mean = Fraction(sum(row), len(row))
    exact = [value - mean for value in row]
    shift = abs(made["mean"] - mean)
    squares = sum(c * c for c in exact) + epsilon
    low = square_root(floor(squares))
    for c, u in zip(exact, made["normalized"], strict=True):
        ratio = abs(c) / low
        slack = shift / low + ratio * len(row) * shift**2 / (2 * squares)
        bound = (ratio + slack) * Fraction(1, 2**15) + slack + Fraction(1, floor(squares))
        assert abs(u - 2**25 * c / low) <= 2**25 * bound + HALF


@given(st.integers(-32767, 32767), st.integers(1, 24), st.integers(1, 2**40 - 1))
@examples(50)
def test_a_constant_row_gives_the_offset_alone(value: int, size: int, epsilon: int) -> None:
    offset = [1000 * channel << 4 for channel in range(size)]
    made = one_row([value] * size, layernorm_of([2**17 - 1] * size, offset, 4, epsilon))
    assert made["mean"] == value
    assert made["squares"] == epsilon
    assert made["normalized"] == [0] * size
    assert made["output"] == [1000 * channel for channel in range(size)]


def test_the_smallest_variance_does_not_divide_by_zero() -> None:
    made = one_row([0] * 8, layernorm_of([1] * 8, epsilon=1))
    assert (made["squares"], made["root"], made["reciprocal"]) == (1, 2**16, 2**17 - 1)


def test_rows_of_1024_alternating_extremes_fit_their_widths() -> None:
    row = [32767, -32767] * 512
    made = one_row(row, layernorm_of([1] * 1024, epsilon=2**40 - 1))
    assert made["mean"] == 0
    assert made["squares"] == 1024 * 32767**2 + 2**40 - 1 < 2**43
    wanted = oracle.layernorm(
        row,
        {"n.gain": [1] * 1024, "n.offset": [0] * 1024, "n.shift": 20, "n.epsilon": 2**40 - 1},
        "n",
        16,
    )
    assert made == wanted


def test_one_outlier_of_1024_fits_its_width() -> None:
    """The largest deviation over its root: |u| stays within 2**25 * (1 + 2**-15)."""
    made = one_row([32767] + [-32767] * 1023, layernorm_of([1] * 1024))
    assert max(map(abs, made["normalized"])) <= 2**25 + 2**10
    assert abs(made["normalized"][0]) > 2**25 * 0.999
    assert abs((32767 - made["mean"]) * made["reciprocal"]) < 2**34


@pytest.mark.parametrize("bits", [8, 16])
def test_the_output_saturates_at_the_width_of_the_stream(bits: int) -> None:
    top = 2 ** (bits - 1) - 1
    made = one_row([300, -300, 100, -100], layernorm_of([2**17 - 1] * 4, shift=1), bits)
    assert made["output"] == [top, -top, top, -top]


def test_a_gain_may_be_negative() -> None:
    plus = one_row([5, -5, 1, 0], layernorm_of([4000, 4000, 4000, 4000], shift=24))["output"]
    minus = one_row([5, -5, 1, 0], layernorm_of([-4000] * 4, shift=24))["output"]
    assert [abs(a + b) <= 1 for a, b in zip(plus, minus, strict=True)] == [True] * 4
    assert plus[0] > 1000


def test_the_largest_product_is_exact_and_one_step_more_is_refused() -> None:
    shift, gain = 46, 2**17 - 1
    offset = 2**47 - 1 - 2 ** (shift - 1) - gain * (2**25 + 2**10)
    offset = min(offset, 2**46 - 1)
    for sign in (1, -1):
        made = one_row([0, 0], layernorm_of([sign * gain] * 2, [sign * offset] * 2, shift))
        assert made["output"] == [oracle.round_shift(sign * offset, shift)] * 2
    edge = 2**47 - 1 - 2**46 - gain * (2**25 + 2**10)
    layernorm_of([gain], [edge], 47)
    layernorm_of([-gain], [-edge], 47)
    refuses(lambda: layernorm_of([gain], [edge + 1], 47), "LayerNorm product", "48", str(2**47))


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"epsilon": 0}, ("epsilon", "[1, 2**40)", "0")),
        ({"epsilon": 2**40}, ("epsilon", "[1, 2**40)", str(2**40))),
        ({"offset": [2**46]}, ("LayerNorm offset", "47 signed bits", str(2**46))),
        ({"offset": [-(2**46) - 1]}, ("LayerNorm offset", "47 signed bits")),
        ({"gain": [2**17]}, ("multiplier", "18 signed bits", str(2**17))),
        ({"gain": [-(2**17) - 1]}, ("multiplier", "18 signed bits")),
        ({"shift": 0}, ("shift", "[1, 47]", "0")),
        ({"shift": 48}, ("shift", "[1, 47]", "48")),
    ],
)
def test_constants_one_step_beyond_are_refused(
    fields: dict[str, Any], parts: tuple[str, ...]
) -> None:
    refuses(lambda: layernorm_of(**({"gain": [1]} | fields)), *parts)


def test_constants_at_their_edges_are_accepted() -> None:
    layernorm_of([2**17 - 1], [2**46 - 1], 1, 2**40 - 1)
    layernorm_of([-(2**17)], [-(2**46)], 46, 1)
