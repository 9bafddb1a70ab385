"""The residual sum is one exact sum, rounded once and saturated at 16 bits."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import oracle
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import (
    LARGEST_MULTIPLIER,
    accumulators,
    examples,
    int16s,
    int32,
    multipliers,
    refuses,
    residual_of,
    shifts,
)

from transfab.quant.bert.residual import residual

TOP = 2**47
channel = st.tuples(accumulators, int16s, multipliers, multipliers, st.integers(-(2**44), 2**44))


def add(acc: list[int], skip: list[int], dtype: type = np.int16, **constants: Any) -> list[int]:
    """The residual sum of one row."""
    size = len(acc)
    weights = {"weight": [[0]] * size, "bias": [0] * size}
    made = residual(residual_of(**weights, **constants), int32([acc]), np.array([skip], dtype))
    assert made.dtype == np.int16
    result: list[int] = made[0].tolist()
    return result


@given(st.lists(channel, min_size=1, max_size=6), shifts, st.integers(0, 13))
@examples(300)
@example([(2**26 - 1, 32767, LARGEST_MULTIPLIER, LARGEST_MULTIPLIER, 0)], 47, 13)
@example([(1 - 2**26, -32767, LARGEST_MULTIPLIER, LARGEST_MULTIPLIER, 0)], 27, 0)
def test_the_sum_is_exact_and_rounded_once(
    channels: list[tuple[int, ...]], shift: int, skip_shift: int
) -> None:
    acc, skip, multiplier, skip_multiplier, offset = map(list, zip(*channels, strict=True))
    got = add(
        acc,
        skip,
        multiplier=multiplier,
        skip_multiplier=skip_multiplier,
        offset=offset,
        shift=shift,
        skip_shift=skip_shift,
    )
    for (a, x, m, n, o), y in zip(channels, got, strict=True):
        real = Fraction(a * m + x * n * 2**skip_shift + o, 2**shift)
        assert y == oracle.clamp((real + Fraction(1, 2)).__floor__(), 16)
        if abs(real) <= 32767:
            assert abs(y - real) <= Fraction(1, 2)


@given(st.lists(int16s, min_size=1), st.integers(1, 16), st.integers(0, 13))
@examples(60)
def test_the_skip_input_counts_once(skip: list[int], shift: int, skip_shift: int) -> None:
    """A skip of scale one and nothing else comes out as it went in."""
    size, widened = len(skip), min(shift, skip_shift)
    ones = [2 ** (shift - widened)] * size
    zeros = [0] * size
    constants = {"multiplier": zeros, "skip_multiplier": ones, "offset": zeros}
    assert add(zeros, skip, shift=shift, skip_shift=widened, **constants) == skip


def test_the_sum_is_not_taken_in_int8() -> None:
    constants = {"multiplier": [2], "skip_multiplier": [2], "offset": [0], "shift": 1}
    assert add([127], [127], np.int8, **constants) == [254]
    assert add([-127], [-127], np.int8, **constants) == [-254]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_sum_saturates_at_16_bits(sign: int) -> None:
    constants = {"multiplier": [2], "skip_multiplier": [2], "offset": [0], "shift": 1}
    assert add([sign * 32767], [sign], **constants) == [sign * 32767]
    assert add([sign * 2**26 - sign], [sign * 32767], **constants) == [sign * 32767]


@pytest.mark.parametrize(("bits", "top"), [(8, 127), (16, 32767)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_of_48_bits_is_exact_and_one_step_more_is_refused(
    bits: int, top: int, sign: int
) -> None:
    accumulator, shift, skip_shift = 128 * 127 + 5, 40, 13
    product = accumulator * LARGEST_MULTIPLIER + (top * LARGEST_MULTIPLIER << skip_shift)
    room = TOP - 1 - product - 2 ** (shift - 1)
    constants = {
        "weight": [[127]],
        "bias": [5],
        "multiplier": [LARGEST_MULTIPLIER],
        "skip_multiplier": [LARGEST_MULTIPLIER],
        "shift": shift,
        "skip_shift": skip_shift,
    }
    edge = residual_of(**constants, offset=[sign * room])
    edge.check_skip(bits)
    got = residual(edge, int32([[sign * accumulator]]), np.array([[sign * top]], f"int{bits}"))
    assert got.item() == oracle.clamp(oracle.round_shift(sign * (product + room), shift), 16)
    beyond = residual_of(**constants, offset=[sign * (room + 1)])
    refuses(lambda: beyond.check_skip(bits), "residual product", "48 signed bits", str(TOP))


def test_an_int8_skip_widened_by_18_bits_fits_27() -> None:
    residual_of(skip_shift=18)
    assert 127 << 18 < 2**26


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"skip_shift": 19}, ("skip_shift", "[0, 18]", "19")),
        ({"skip_shift": -1}, ("skip_shift", "[0, 18]", "-1")),
        ({"shift": 0}, ("shift", "[1, 47]", "0")),
        ({"shift": 48}, ("shift", "[1, 47]", "48")),
        ({"multiplier": [2**17]}, ("multiplier", "18 signed bits", str(2**17))),
        ({"skip_multiplier": [2**17]}, ("multiplier", "18 signed bits", str(2**17))),
        ({"multiplier": [-1]}, ("multipliers", "negative")),
        ({"skip_multiplier": [-1]}, ("multipliers", "negative")),
        ({"offset": [TOP]}, ("offset", "48 signed bits", str(TOP))),
        ({"weight": [[-128]]}, ("weight", "[-127, 127]", "-128")),
        ({"bias": [0, 0]}, ("one value per output channel", "(2,)")),
        ({"weight": [[127] * 4096], "bias": [524288]}, ("accumulator", "2**26", str(2**26))),
    ],
)
def test_constants_one_step_beyond_are_refused(
    fields: dict[str, Any], parts: tuple[str, ...]
) -> None:
    refuses(lambda: residual_of(**fields), *parts)


def test_an_accumulator_of_27_bits_is_accepted() -> None:
    residual_of(weight=[[127] * 4096], bias=[2**26 - 1 - 128 * 127 * 4096])
    residual_of(weight=[[-127] * 4096], bias=[-(2**26) + 1 + 128 * 127 * 4096])
