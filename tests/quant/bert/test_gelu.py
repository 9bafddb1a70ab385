"""GELU at every one of its 65535 inputs and in every format, exactly and against erfc."""

from __future__ import annotations

import math

import numpy as np
import oracle
import pytest

from transfab.quant.bert.gelu import gelu
from transfab.quant.intmath import gelu_table

FORMATS = range(6, 15)
INPUTS = range(-32767, 32768)


def everywhere(fraction_bits: int) -> list[int]:
    made = gelu(np.arange(-32767, 32768).astype(np.int16), gelu_table(fraction_bits), fraction_bits)
    assert made.dtype == np.int16
    values: list[int] = made.tolist()
    return values


@pytest.mark.parametrize("fraction_bits", FORMATS)
def test_every_input_has_the_bits_of_the_definition(fraction_bits: int) -> None:
    table = oracle.gelu_table(fraction_bits)
    assert everywhere(fraction_bits) == [oracle.gelu(x, table, fraction_bits) for x in INPUTS]


@pytest.mark.parametrize("fraction_bits", FORMATS)
def test_every_input_is_within_the_table_step_of_the_exact_gelu(fraction_bits: int) -> None:
    """Half a unit of rounding, and the shortfall's change over half a step of 1/64.

    erfc is a float64: its error is 1e-15 of a value below one, far below the margin of 1e-9.
    """
    scale = 2.0**fraction_bits

    def shortfall(x: float) -> float:
        return x * 0.5 * math.erfc(x / math.sqrt(2))

    middles = [shortfall((i + 0.5) / 64) for i in range(256)]
    for x, y in zip(INPUTS, everywhere(fraction_bits), strict=True):
        distance = abs(x) / scale
        exact = max(x, 0) - shortfall(distance) * scale
        if distance >= 4:
            assert 0 <= y - exact <= shortfall(4.0) * scale + 1e-9
            continue
        index = abs(x) * 64 // 2**fraction_bits
        ends = shortfall(index / 64), shortfall((index + 1) / 64)
        # The shortfall bends once, near 0.75; within a step it passes its ends by 3e-5 at most.
        change = max(abs(end - middles[index]) for end in ends) + 3e-5
        assert abs(y - exact) <= 0.5 + change * scale + 1e-9
        assert change <= 0.5 / 128 + 3e-5


@pytest.mark.parametrize("fraction_bits", FORMATS)
def test_no_input_falls_below_the_dip_or_above_itself(fraction_bits: int) -> None:
    values = everywhere(fraction_bits)
    assert min(values) >= -math.ceil(0.17 * 2**fraction_bits)
    assert all(y <= max(x, 0) for x, y in zip(INPUTS, values, strict=True))


@pytest.mark.parametrize("fraction_bits", FORMATS)
def test_the_shortfall_is_even(fraction_bits: int) -> None:
    values = everywhere(fraction_bits)
    assert all(values[32767 + x] - values[32767 - x] == x for x in range(32768))


@pytest.mark.parametrize("fraction_bits", range(6, 13))
def test_the_table_ends_at_four(fraction_bits: int) -> None:
    """The last entry serves up to 4, and nothing from 4 on."""
    table = np.arange(1000, 1256, dtype=np.int16)
    end = 4 << fraction_bits
    inputs = np.array([end - 1, end, -end + 1, -end], np.int16)
    wanted = [end - 1 - 1255, end, -1255, 0]
    assert gelu(inputs, table, fraction_bits).tolist() == wanted
