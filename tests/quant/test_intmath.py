"""Every primitive against exact integers and fractions, at its edges and one step beyond."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import oracle
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import (
    LARGEST_MULTIPLIER,
    accumulators,
    examples,
    int8s,
    int16s,
    int32,
    int64,
    multipliers,
    refuses,
    requantize_of,
    shifts,
)

from transfab.quant import intmath

HALF = Fraction(1, 2)
TOP = 2**47


def nearest(value: Fraction) -> int:
    """floor(value + 1/2)"""
    return math.floor(value + HALF)


# round_shift and saturate


@given(st.lists(st.integers(-(2**61), 2**61), min_size=1, max_size=8), st.integers(0, 62))
@examples(200)
@example([-3, -2, -1, 0, 1, 2, 3], 1)
@example([2**61, -(2**61)], 62)
@example([2**63 - 1 - 2**46, -(2**63)], 47)
def test_round_shift_is_the_nearest_integer_with_halves_up(values: list[int], shift: int) -> None:
    got = intmath.round_shift(int64(values), shift)
    assert got.dtype == np.int64
    assert got.tolist() == [nearest(Fraction(value, 2**shift)) for value in values]


@given(st.lists(st.tuples(st.integers(-(2**48), 2**48), st.integers(0, 62)), min_size=1))
@examples(50)
def test_round_shift_takes_one_shift_an_element(pairs: list[tuple[int, int]]) -> None:
    got = intmath.round_shift(int64([v for v, _ in pairs]), int64([s for _, s in pairs]))
    assert got.tolist() == [nearest(Fraction(value, 2**shift)) for value, shift in pairs]


@pytest.mark.parametrize("shift", range(1, 48))
def test_a_half_rounds_up_on_both_sides_of_zero(shift: int) -> None:
    halves = int64([-3, -1, 1, 3]) << (shift - 1)
    assert intmath.round_shift(halves, shift).tolist() == [-1, 0, 1, 2]
    assert intmath.round_shift(halves - 1, shift).tolist() == [-2, -1, 0, 1]


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.int8), (16, np.int16)])
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
@examples(50)
@example([-(2**63), -32769, -32768, -32767, -129, -128, -127, 127, 128, 32767, 32768, 2**63 - 1])
def test_saturate_never_wraps(bits: int, dtype: type, values: list[int]) -> None:
    got = intmath.saturate(int64(values), bits)
    top = 2 ** (bits - 1) - 1
    assert got.dtype == dtype
    assert got.tolist() == [sorted((-top, value, top))[1] for value in values]


def test_minus_129_saturates_at_minus_127_and_does_not_wrap_to_127() -> None:
    assert intmath.saturate(int64([-129, -128, 128, 129]), 8).tolist() == [-127, -127, 127, 127]


@pytest.mark.parametrize("bits", [8, 16, 27, 47, 48])
def test_check_width_passes_at_both_ends_and_refuses_one_step_beyond(bits: int) -> None:
    top = 2 ** (bits - 1)
    intmath.check_width("x", int64([-top, top - 1]), bits)
    intmath.check_width("x", int64([]), bits)
    for beyond in (-top - 1, top):
        wrong = int64([0, beyond])
        refuses(lambda x=wrong: intmath.check_width("x", x, bits), "x", str(bits), str(beyond))


# requantize


@given(
    st.lists(
        st.tuples(accumulators, multipliers, st.integers(-(2**46), 2**46)), min_size=1, max_size=6
    ),
    shifts,
    st.sampled_from([8, 16]),
)
@examples(200)
@example([(2**26 - 1, LARGEST_MULTIPLIER, 0), (-(2**26) + 1, LARGEST_MULTIPLIER, 0)], 18, 16)
def test_requantize_is_the_nearest_integer_saturated(
    channels: list[tuple[int, int, int]], shift: int, bits: int
) -> None:
    acc, multiplier, offset = zip(*channels, strict=True)
    got = intmath.requantize(int32([acc, acc]), requantize_of(multiplier, offset, shift), bits)
    top = 2 ** (bits - 1) - 1
    for row in got.tolist():
        for (a, m, o), y in zip(channels, row, strict=True):
            real = Fraction(a * m + o, 2**shift)
            assert y == sorted((-top, nearest(real), top))[1]
            if abs(real) <= top:
                assert abs(y - real) <= HALF
            assert abs(y) <= top


@given(st.lists(st.integers(-(2**20), 2**20), min_size=1), shifts)
@examples(50)
def test_requantize_does_not_truncate(values: list[int], shift: int) -> None:
    scale = requantize_of([1], [0], shift)
    got = intmath.requantize(int32([values]).T, scale, 16)[:, 0].tolist()
    real = [Fraction(value, 2**shift) for value in values]
    errors = [y - x for y, x in zip(got, real, strict=True) if abs(x) < 32767]
    assert all(-HALF < error <= HALF for error in errors)


@pytest.mark.parametrize("sign", [1, -1])
def test_requantize_is_exact_where_the_sum_fills_48_bits(sign: int) -> None:
    """acc * m + o + half is 2**47 - 1 at most; one more is refused when packing."""
    acc, multiplier, shift = 2**26 - 1, LARGEST_MULTIPLIER, 40
    offset = TOP - 1 - 2 ** (shift - 1) - acc * multiplier
    scale = requantize_of([multiplier], [sign * offset], shift)
    intmath.check_product("edge", acc, scale)
    wanted = nearest(Fraction(sign * (acc * multiplier + offset), 2**shift))
    assert intmath.requantize(int32([[sign * acc]]), scale, 16).item() == wanted
    beyond = requantize_of([multiplier], [sign * (offset + 1)], shift)
    refuses(
        lambda: intmath.check_product("edge", acc, beyond),
        "edge product",
        "48 signed bits",
        str(TOP),
    )


@pytest.mark.parametrize(
    ("multiplier", "offset", "shift"),
    [(0, 0, 1), (LARGEST_MULTIPLIER, 0, 47), (1, TOP - 1, 1), (1, -TOP, 47)],
)
def test_requantize_takes_constants_at_their_edges(
    multiplier: int, offset: int, shift: int
) -> None:
    scale = requantize_of([multiplier], [offset], shift)
    for acc in (-(2**26) + 1, -1, 0, 1, 2**26 - 1):
        wanted = oracle.requantize(acc, multiplier, offset, shift, 16)
        assert intmath.requantize(int32([[acc]]), scale, 16).item() == wanted


@pytest.mark.parametrize(
    ("multiplier", "offset", "shift", "parts"),
    [
        (2**17, 0, 1, ("multiplier", "18 signed bits", "131072")),
        (-1, 0, 1, ("multiplier", "negative", "-1")),
        (1, TOP, 1, ("offset", "48 signed bits", str(TOP))),
        (1, -TOP - 1, 1, ("offset", "48 signed bits", str(-TOP - 1))),
        (1, 0, 0, ("shift", "[1, 47]", "0")),
        (1, 0, 48, ("shift", "[1, 47]", "48")),
    ],
)
def test_requantize_refuses_constants_one_step_beyond(
    multiplier: int, offset: int, shift: int, parts: tuple[str, ...]
) -> None:
    refuses(lambda: requantize_of([multiplier], [offset], shift), *parts)


def test_requantize_refuses_other_dtypes_and_lengths() -> None:
    one = int64([1])
    refuses(lambda: intmath.Requantize(one, one, 1), "int32 and int64", "int64 and int64")
    refuses(lambda: intmath.Requantize(int32([1]), int32([1]), 1), "int32 and int64")
    refuses(lambda: requantize_of([1, 1], [0], 1), "one length", "(2,)", "(1,)")
    refuses(lambda: requantize_of([], [], 1), "one length")
    refuses(lambda: requantize_of([[1]], [[0]], 1), "two vectors")


# bit_length, integer_sqrt, reciprocal


@given(st.lists(st.integers(0, 2**53 - 1), min_size=1))
@examples(100)
def test_bit_length_is_pythons(values: list[int]) -> None:
    got = intmath.bit_length(int64(values))
    assert got.dtype == np.int64
    assert got.tolist() == [value.bit_length() for value in values]


def test_bit_length_is_exact_beside_every_power_of_two() -> None:
    values = [max(0, 2**k + d) for k in range(53) for d in (-1, 0, 1)]
    assert intmath.bit_length(int64(values)).tolist() == [value.bit_length() for value in values]


@given(st.lists(st.integers(0, 2**52 - 1), min_size=1))
@examples(100)
def test_integer_sqrt_is_the_floor(values: list[int]) -> None:
    got = intmath.integer_sqrt(int64(values))
    assert got.dtype == np.int64
    assert all(root**2 <= v < (root + 1) ** 2 for v, root in zip(values, got.tolist(), strict=True))


@given(st.lists(st.integers(1, 2**26 - 1), min_size=1))
@examples(100)
@example([1, 2**16, 2**17 - 1, 2**26 - 1])
def test_integer_sqrt_is_exact_beside_every_square(roots: list[int]) -> None:
    squares = [root * root + d for root in roots for d in (-1, 0)]
    assert intmath.integer_sqrt(int64(squares)).tolist() == [math.isqrt(v) for v in squares]
    assert intmath.integer_sqrt(int64([2**52 - 1])).tolist() == [2**26 - 1]


@given(st.integers(1, 40), st.lists(st.integers(1, 2**34), min_size=1))
@examples(100)
@example(33, [2**16, 2**17 - 1])
@example(39, [2**22, 2**23 - 1])
def test_reciprocal_is_the_largest_whose_product_stays_below_the_power(
    bits: int, values: list[int]
) -> None:
    for value, inverse in zip(
        values, intmath.reciprocal(bits, int64(values)).tolist(), strict=True
    ):
        assert inverse * value <= 2**bits - 1 < (inverse + 1) * value


@pytest.mark.parametrize("bits", range(1, 24))
def test_a_reciprocal_of_t_bits_has_17(bits: int) -> None:
    ends = intmath.reciprocal(16 + bits, int64([2 ** (bits - 1), 2**bits - 1])).tolist()
    assert 2**16 <= ends[1] <= ends[0] == 2**17 - 1


# tables


def test_the_exponential_table_is_the_rounded_exponential() -> None:
    table = intmath.exponential_table()
    assert table.dtype == np.int16
    assert table.tolist() == oracle.exponential_table()


def test_every_exponential_entry_is_within_half_a_unit() -> None:
    table = intmath.exponential_table().tolist()
    errors = [abs(e - x) for e, x in zip(table, oracle.exponential_values(), strict=True)]
    assert max(errors[:-1]) <= Decimal("0.5")
    assert errors[-1] < Decimal("0.5013")  # 0 stands for all that is smaller, too


def test_the_exponential_table_falls_from_16383_to_0() -> None:
    table = intmath.exponential_table().tolist()
    assert (len(table), table[0], table[-2], table[-1]) == (4096, 16383, 1, 0)
    assert table == sorted(table, reverse=True)


def test_the_exponential_step_is_that_of_the_table() -> None:
    """16383 * exp(-4096 * step) is one half, to the precision of a float64."""
    assert math.isclose(4096 * intmath.exponential_step(), math.log(32766), rel_tol=1e-15)


@pytest.mark.parametrize("fraction_bits", range(6, 15))
def test_the_gelu_table_is_the_rounded_shortfall_at_the_middles(fraction_bits: int) -> None:
    table = intmath.gelu_table(fraction_bits)
    assert (table.dtype, table.shape) == (np.int16, (256,))
    assert table.tolist() == oracle.gelu_table(fraction_bits)
    assert 0 <= min(table) and max(table) <= 0.17 * 2**fraction_bits + 0.5


# matmul and the accumulator bound


def plain_matmul(left: list[list[int]], right: list[list[int]]) -> list[list[int]]:
    columns = list(zip(*right, strict=True))
    return [[sum(a * b for a, b in zip(r, c, strict=True)) for c in columns] for r in left]


@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 4), st.booleans(), st.data())
@examples(50)
def test_matmul_is_exact(m: int, k: int, n: int, wide: bool, data: st.DataObject) -> None:
    def matrix(rows: int, columns: int, cells: st.SearchStrategy[int]) -> list[list[int]]:
        row = st.lists(cells, min_size=columns, max_size=columns)
        return data.draw(st.lists(row, min_size=rows, max_size=rows))

    left, right = matrix(m, k, int16s if wide else int8s), matrix(k, n, int8s)
    got = intmath.matmul(np.array(left, np.int16 if wide else np.int8), np.array(right, np.int8))
    assert got.dtype == np.int32
    assert got.tolist() == plain_matmul(left, right)


@pytest.mark.parametrize(
    ("left", "right", "terms", "total", "bits"),
    [
        (-128, 127, 1024, -16646144, 25),
        (-128, 127, 4096, -66584576, 27),
        (127, -127, 128, -2064512, 22),
        (16383, 127, 512, 1065288192, 31),
        (16383, -127, 512, -1065288192, 31),
    ],
    ids=["K1024", "K4096", "D128", "S512", "S512-negative"],
)
def test_the_longest_sums_are_exact_and_fit(
    left: int, right: int, terms: int, total: int, bits: int
) -> None:
    got = intmath.matmul(np.full((2, terms), left, np.int16), np.full((terms, 3), right, np.int8))
    assert got.tolist() == [[total] * 3] * 2
    assert total == left * right * terms and abs(total) < 2 ** (bits - 1)


def test_matmul_multiplies_each_matrix_of_a_batch() -> None:
    left, right = np.arange(-12, 12, dtype=np.int8), np.arange(24, dtype=np.int8)
    got = intmath.matmul(left.reshape(2, 3, 4), right.reshape(2, 4, 3))
    for i in range(2):
        pair = left.reshape(2, 3, 4)[i].tolist(), right.reshape(2, 4, 3)[i].tolist()
        assert got[i].tolist() == plain_matmul(*pair)


@given(
    st.lists(
        st.tuples(st.lists(int8s, min_size=3, max_size=3), st.integers(-(2**31), 2**31 - 1)),
        min_size=1,
    )
)
@examples(50)
def test_no_input_exceeds_the_accumulator_bound(channels: list[tuple[list[int], int]]) -> None:
    weight, bias = zip(*channels, strict=True)
    got = intmath.accumulator_bound(np.array(weight, np.int8), int32(bias)).tolist()
    for (row, b), bound in zip(channels, got, strict=True):
        assert bound == 128 * sum(abs(w) for w in row) + abs(b)
        sign = 1 if b >= 0 else -1
        worst = sum(w * (127 if w * sign > 0 else -128) for w in row) + b
        assert abs(worst) <= bound


@pytest.mark.parametrize("sign", [1, -1])
def test_an_accumulator_of_27_bits_passes_and_one_more_is_refused(sign: int) -> None:
    weight = np.zeros((3, 4096), np.int8)
    weight[1] = 127
    room = 2**26 - 1 - 128 * 127 * 4096
    intmath.check_accumulator("name", weight, int32([0, sign * room, 0]))
    refuses(
        lambda: intmath.check_accumulator("name", weight, int32([0, sign * (room + 1), 0])),
        "name accumulator of channel 1",
        "2**26",
        str(2**26),
    )
