"""Packing: integers from scales by exact rules; what does not fit is refused, nothing wraps."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import oracle
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from strategies import LARGEST_MULTIPLIER, examples, refuses

from transfab.quant.bert.layer import LayerParameters, run_layer
from transfab.quant.bert.pack import (
    nearest_fit,
    pack_layer,
    pack_layernorm,
    pack_linear,
    pack_requantize,
    pack_residual,
    pack_weight,
    shift_for,
)
from transfab.quant.bert.scales import Affine, LayerScales, Statistics, hidden_scales, layer_scales
from transfab.quant.bert.weights import FloatLayer, FloatLinear
from transfab.quant.config import LayerConfig
from transfab.quant.intmath import requantize

HALF = Fraction(1, 2)
# A float64 division and product each err by 2**-53; the bounds leave 2**-40 for them.
FLOAT = Fraction(1, 2**40)
positive = st.floats(1e-6, 1e4)
center = st.floats(-100, 100)


def affine(scale: float, center: float = 0.0) -> Affine:
    return Affine(np.array([scale]), np.array([center]))


# Affine


@given(
    st.integers(-12, 12),
    st.integers(-(2**20), 2**20),
    st.integers(-(2**20), 2**20),
    st.sampled_from([8, 16]),
)
@examples(200)
def test_quantize_is_the_nearest_integer_saturated(
    exponent: int, real: int, center: int, bits: int
) -> None:
    """Powers of two and short fractions: float64 is exact, so halves are halves."""
    scale = 2.0**exponent
    got = affine(scale, center / 8).quantize(np.array([real / 8]), bits)
    wanted = (Fraction(real - center, 8) / Fraction(scale) + HALF).__floor__()
    assert got.dtype == f"int{bits}"
    assert got.tolist() == [oracle.clamp(wanted, bits)]


@given(positive, center, st.sampled_from([8, 16]), st.data())
@examples(100)
def test_an_integer_survives_its_real_value(
    scale: float, center: float, bits: int, data: st.DataObject
) -> None:
    top = 2 ** (bits - 1) - 1
    value = data.draw(st.integers(-top, top))
    there = affine(scale, center).dequantize(np.array([value]))
    assert affine(scale, center).quantize(there, bits).tolist() == [value]


@given(positive, center, st.floats(-1e6, 1e6))
@examples(100)
def test_a_quantized_value_is_within_half_a_step(scale: float, center: float, x: float) -> None:
    real = affine(scale, center)
    value = real.quantize(np.array([x]), 16)
    assume(abs(value[0]) < 32767)
    assert abs(real.dequantize(value)[0] - x) <= scale / 2 + 1e-9 * (abs(x) + abs(center))


@pytest.mark.parametrize("real", [1e4, 1e18, 1e19, 1e30, math.inf])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_value_far_out_of_range_saturates_on_its_own_side(real: float, sign: int) -> None:
    assert affine(1.0).quantize(np.array([sign * real]), 8).tolist() == [sign * 127]


# shift_for and pack_requantize


@given(st.lists(st.floats(1e-12, 65535), min_size=1, max_size=4), st.booleans())
@examples(200)
@example([1.0], False)
@example([131071.5 / 2**17], False)
@example([np.nextafter(131071.5 / 2**17, 0)], False)
@example([2.0**-31], True)
def test_the_shift_is_the_largest_that_keeps_a_multiplier_of_17_bits(
    ratios: list[float], negative: bool
) -> None:
    shift = shift_for(np.array(ratios) * (-1 if negative else 1))
    largest = Fraction(max(ratios))

    def multiplier(at: int) -> int:
        return (largest * 2**at + HALF).__floor__()

    assert 1 <= shift <= 47
    assert multiplier(shift) <= LARGEST_MULTIPLIER
    assert shift == 47 or multiplier(shift + 1) > LARGEST_MULTIPLIER


def test_the_shift_at_its_edges() -> None:
    assert shift_for(np.array([131071 / 2.0])) == 1
    assert shift_for(np.array([1e-300])) == 47
    refuses(lambda: shift_for(np.array([2.0**16])), "2**16", "6.55e+04")


@pytest.mark.parametrize("ratio", [1e-307, 5e-324])
def test_the_smallest_ratio_has_a_shift_too(ratio: float) -> None:
    assert shift_for(np.array([ratio])) == 47


@pytest.mark.parametrize("ratio", [0.0, math.inf, math.nan])
def test_a_ratio_that_is_not_positive_and_finite_is_refused(ratio: float) -> None:
    refuses(lambda: shift_for(np.array([ratio])), "positive and finite", str(ratio))


@given(positive, center, positive, center, st.integers(-32767, 32767))
@examples(200)
def test_requantizing_maps_one_scale_to_the_other(
    scale: float, center: float, target_scale: float, target_center: float, value: int
) -> None:
    ratio = Fraction(scale) / Fraction(target_scale)
    shift_center = (Fraction(center) - Fraction(target_center)) / Fraction(target_scale)
    assume(ratio < 2**15)
    source, target = affine(scale, center), affine(target_scale, target_center)
    shift = shift_for(source.scale / target.scale)
    if abs(shift_center) * 2**shift >= 2**47 - 2**8:
        assume(abs(shift_center) * 2**shift > 2**47 + 2**8)
        refuses(lambda: pack_requantize(source, target), "offset", "48")
        return
    packed = pack_requantize(source, target)
    assert abs(packed.multiplier[0] - ratio * 2**shift) <= HALF + ratio * 2**shift * FLOAT
    error = abs(int(packed.offset[0]) - shift_center * 2**shift)
    assert error <= HALF + (abs(shift_center) + 200 / Fraction(target_scale)) * 2**shift * FLOAT
    real = value * ratio + shift_center
    got = requantize(np.array([[value]], np.int16), packed, 16).item()
    if abs(real) < 32766:
        slack = (abs(value) + 1) * HALF / 2**shift
        floats = (abs(real) + abs(shift_center) + 200 / Fraction(target_scale) + 1) * FLOAT
        assert abs(got - real) <= HALF + slack + floats


def test_a_zero_point_beyond_48_bits_is_refused() -> None:
    refuses(lambda: pack_requantize(affine(1.0, 1e12), affine(1.0)), "offset", "48")
    refuses(lambda: pack_requantize(affine(1.0, 1e300), affine(1.0)), "48 bits", "e+30")


# Projections


def draw_linear(seed: int, outputs: int, inputs: int) -> tuple[FloatLinear, Affine, np.ndarray]:
    """A projection, the scales of its int8 input, and its mean input."""
    rng = np.random.default_rng(seed)
    linear = FloatLinear(rng.normal(0, 0.1, (outputs, inputs)), rng.normal(0, 0.3, outputs))
    operand = Affine(rng.uniform(0.01, 0.05, inputs), rng.normal(0, 0.5, inputs))
    return linear, operand, operand.center + operand.scale * rng.normal(0, 20, inputs)


def nearest(
    linear: FloatLinear, operand: Affine, mean: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    packed = pack_weight(linear, operand, nearest_fit(linear, operand, mean))
    return packed.weight, packed.bias, packed.scale


def exact_row(linear: FloatLinear, row: int, real: list[Fraction]) -> Fraction:
    weight = linear.weight[row].tolist()
    terms = (Fraction(w) * x for w, x in zip(weight, real, strict=True))
    return sum(terms, Fraction(linear.bias[row].item()))


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 8))
@examples(50)
def test_a_packed_projection_is_within_its_rounding(seed: int, outputs: int, inputs: int) -> None:
    """Half a step of weight times the distance of each input from its mean, half a step of bias."""
    linear, operand, mean = draw_linear(seed, outputs, inputs)
    weight, bias, scale = nearest(linear, operand, mean)
    assert (weight.dtype, bias.dtype) == (np.int8, np.int32)
    assert np.abs(weight).max() == 127
    rng = np.random.default_rng(seed + 1)
    x = rng.integers(-127, 128, inputs).tolist()
    scales, centers = operand.scale.tolist(), operand.center.tolist()
    real = [Fraction(s) * v + Fraction(c) for s, v, c in zip(scales, x, centers, strict=True)]
    steps = [(m - c) / s for m, c, s in zip(mean.tolist(), centers, scales, strict=True)]
    for row in range(outputs):
        acc = sum(w * v for w, v in zip(weight[row].tolist(), x, strict=True)) + bias[row].item()
        error = acc * Fraction(scale[row].item()) - exact_row(linear, row, real)
        away = sum(abs(v - Fraction(m)) for v, m in zip(x, steps, strict=True))
        assert abs(error) <= Fraction(scale[row].item()) * (away + 1) * (HALF + FLOAT)


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 8))
@examples(50)
def test_the_bias_corrects_the_rounding_of_the_weights_at_the_mean(
    seed: int, outputs: int, inputs: int
) -> None:
    linear, operand, mean = draw_linear(seed, outputs, inputs)
    weight, bias, scale = nearest(linear, operand, mean)
    real = [Fraction(value) for value in mean.tolist()]
    constants = zip(real, operand.center.tolist(), operand.scale.tolist(), strict=True)
    steps = [(m - Fraction(c)) / Fraction(s) for m, c, s in constants]
    for row in range(outputs):
        acc = sum(w * x for w, x in zip(weight[row].tolist(), steps, strict=True))
        error = acc + bias[row].item() - exact_row(linear, row, real) / Fraction(scale[row].item())
        assert abs(error) <= HALF + FLOAT * 2**20


def test_an_all_zero_channel_keeps_its_bias_within_27_bits() -> None:
    linear = FloatLinear(np.array([[0.5, -0.25], [0.0, 0.0]]), np.array([0.0, 3.0]))
    weight, bias, scale = nearest(linear, wide(0.05, size=2), np.zeros(2))
    assert weight[1].tolist() == [0, 0]
    assert abs(bias[1] * scale[1] - 3.0) <= scale[1] / 2
    assert abs(int(bias[1])) < 2**26


@pytest.mark.parametrize("bias", [2.0**31, 2.0**32, -(2.0**32), 2.0**40 + 5])
def test_a_bias_beyond_its_width_is_refused_and_does_not_wrap(bias: float) -> None:
    linear = FloatLinear(np.array([[127.0]]), np.array([bias]))
    fit = nearest_fit(linear, affine(1.0), np.zeros(1))
    refuses(lambda: pack_linear(pack_weight(linear, affine(1.0), fit), affine(1e6)))


@given(st.floats(1e-6, 10), st.floats(1e-6, 10), st.floats(1e-3, 10), st.floats(-1, 1))
@examples(200)
def test_the_residual_constants_are_the_two_ratios(
    weight: float, skip: float, total: float, center: float
) -> None:
    """Both keep 17 bits unless their ratio is beyond the 18 bits of skip_shift."""
    linear = FloatLinear(np.array([[weight]]), np.zeros(1))
    rounded = pack_weight(linear, affine(1.0), nearest_fit(linear, affine(1.0), np.zeros(1)))
    packed = pack_residual(rounded, affine(skip, center), affine(total))
    acc_ratio = Fraction(weight) / 127 / Fraction(total)
    skip_ratio = Fraction(skip) / Fraction(total)
    steps = Fraction(2**packed.shift)
    near = (1 + FLOAT) * HALF + LARGEST_MULTIPLIER * FLOAT
    assert abs(int(packed.multiplier[0]) - acc_ratio * steps) <= near
    skip_steps = steps / 2**packed.skip_shift
    assert abs(int(packed.skip_multiplier[0]) - skip_ratio * skip_steps) <= near
    zero = Fraction(center) / Fraction(total) * steps
    assert abs(int(packed.offset[0]) - zero) <= HALF + abs(zero) * FLOAT
    full = {
        2**16 <= m[0] <= LARGEST_MULTIPLIER for m in (packed.multiplier, packed.skip_multiplier)
    }
    assert True in full or packed.shift == 47
    assert 0 <= packed.skip_shift <= 18
    assert packed.skip_shift == 0 or packed.skip_multiplier[0] >= 2**16  # no more than needed


# LayerNorm


def norm(gain: float, bias: float, size: int = 4) -> FloatLinear:
    return FloatLinear(np.full(size, gain), np.full(size, bias))


def wide(scale: float, center: float = 0.0, size: int = 4) -> Affine:
    return Affine(np.full(size, scale), np.full(size, center))


@pytest.mark.parametrize("epsilon", [0.0, 1e-30, 1e-12, 1e-5])
@pytest.mark.parametrize("scale", [1e-4, 1e-2, 1.0, 100.0])
def test_epsilon_is_never_zero_after_packing(epsilon: float, scale: float) -> None:
    packed = pack_layernorm(norm(1.0, 0.0), epsilon, wide(scale), wide(0.01))
    exact = 4 * Fraction(epsilon) / Fraction(scale) ** 2
    assert packed.epsilon >= 1
    assert packed.epsilon == 1 or abs(packed.epsilon - exact) <= HALF + exact * FLOAT


def test_an_epsilon_beyond_40_bits_is_refused() -> None:
    refuses(lambda: pack_layernorm(norm(1.0, 0.0), 1.0, wide(1e-6), wide(1.0)), "2**40")


@given(
    st.floats(0.01, 10), st.booleans(), st.floats(-5, 5), st.floats(1e-4, 1.0), st.integers(1, 32)
)
@examples(100)
def test_gain_and_offset_are_those_of_the_float_layernorm(
    gain: float, negative: bool, beta: float, target: float, size: int
) -> None:
    gain = -gain if negative else gain
    packed = pack_layernorm(
        norm(gain, beta, size), 1e-12, wide(0.01, 0, size), wide(target, 1, size)
    )
    with localcontext() as context:
        context.prec = 40
        steps = Decimal(2) ** packed.shift
        wanted = Decimal(gain) * Decimal(size).sqrt() / 2**25 / Decimal(target) * steps
        assert abs(int(packed.gain[0]) - wanted) <= Decimal("0.501")
        wanted = (Decimal(beta) - 1) / Decimal(target) * steps
        assert abs(int(packed.offset[0]) - wanted) <= Decimal("0.5") + abs(wanted) / 2**40 + 1
        assert abs(int(packed.gain[0])) >= 2**15 or abs(int(packed.offset[0])) >= 2**44


def test_a_far_zero_point_costs_multiplier_bits_and_is_not_refused() -> None:
    near = pack_layernorm(norm(1.0, 0.0), 1e-12, wide(0.01), wide(0.01))
    far = pack_layernorm(norm(1.0, 1e9), 1e-12, wide(0.01), wide(0.01))
    assert far.shift < near.shift
    assert 2**44 <= int(far.offset[0]) < 2**46
    assert (
        int(far.offset[0]) == Fraction(1e9) / Fraction(0.01).limit_denominator(100) * 2**far.shift
    )


# A whole layer

SIZE, HEADS, INNER, TOKENS = 16, 4, 24, 7


def float_parts(bits: int, seed: int = 0) -> tuple[FloatLayer, LayerScales, dict[str, Statistics]]:
    """A drawn layer with statistics wide enough for it."""
    rng = np.random.default_rng(seed)

    def linear(outputs: int, inputs: int) -> FloatLinear:
        return FloatLinear(rng.normal(0, 0.2, (outputs, inputs)), rng.normal(0, 0.1, outputs))

    def normal() -> FloatLinear:
        return FloatLinear(rng.normal(1, 0.1, SIZE), rng.normal(0, 0.1, SIZE))

    square = [linear(SIZE, SIZE) for _ in range(4)]
    layer = FloatLayer(
        *square, normal(), linear(INNER, SIZE), linear(SIZE, INNER), normal(), HEADS, 1e-12
    )
    names = ("hidden", "query", "key", "value", "context", "attention_sum", "attention_output")
    names += ("intermediate_preactivation", "intermediate_gelu", "output_sum", "output")
    statistics = {}
    for name in names:
        count = INNER if name.startswith("intermediate") else SIZE
        low, high = rng.uniform(-4, -2, count), rng.uniform(2, 4, count)
        statistics[name] = Statistics(low, high, (low + high) / 2)
    hidden = hidden_scales(statistics["hidden"], bits)
    output = hidden_scales(statistics["output"], bits)
    return layer, layer_scales(layer, statistics, hidden, output, bits), statistics


def pack(bits: int, seed: int = 0) -> tuple[LayerConfig, LayerParameters, LayerScales]:
    config = LayerConfig(SIZE, HEADS, INNER, residual_bits=bits)
    layer, scales, statistics = float_parts(bits, seed)
    return config, pack_layer(config, layer, scales, statistics), scales


@pytest.mark.parametrize("bits", [8, 16])
def test_the_scores_are_divided_by_the_root_of_the_head_size(bits: int) -> None:
    """Of the head size 4, not of the hidden size 16 nor of anything rounded."""
    _, params, scales = pack(bits)
    with localcontext() as context:
        context.prec = 40
        step = Decimal(32766).ln() / 4096
        for head, multiplier in enumerate(params.attention.scores_multiplier.tolist()):
            channel = head * SIZE // HEADS
            both = Decimal(scales.query.scale[channel].item())
            both *= Decimal(scales.key.scale[channel].item())
            wanted = both / 2 / step * 2**params.attention.scores_shift
            assert abs(multiplier - wanted) <= Decimal("0.501")


@pytest.mark.parametrize("bits", [8, 16])
def test_packed_tables_are_the_usual_ones(bits: int) -> None:
    _, params, _ = pack(bits)
    assert params.attention.exponential_table.tolist() == oracle.exponential_table()
    fraction_bits = params.intermediate.fraction_bits
    assert params.intermediate.gelu_table.tolist() == oracle.gelu_table(fraction_bits)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("seed", range(3))
def test_a_packed_layer_is_near_the_float_layer(bits: int, seed: int) -> None:
    """20 dB on drawn weights: a wrong scale, divisor, head order or skip gives less than 10."""
    config, params, scales = pack(bits, seed)
    layer, _, _ = float_parts(bits, seed)
    rng = np.random.default_rng(seed + 100)
    integers = scales.hidden.stream.quantize(rng.uniform(-2, 2, (1, TOKENS, SIZE)), bits)
    made = run_layer(config, params, integers, np.ones((1, TOKENS), np.uint8))
    got = scales.output.stream.dequantize(made["output"])[0]
    wanted = np.array(float_layer(layer, scales.hidden.stream.dequantize(integers)[0].tolist()))
    noise = ((got - wanted) ** 2).sum() / (wanted**2).sum()
    assert -10 * math.log10(noise) > 20


def float_layer(layer: FloatLayer, rows: list[list[float]]) -> list[list[float]]:
    """The encoder layer on Python floats: the definition, one row at a time."""

    def linear(rows: list[list[float]], part: FloatLinear) -> list[list[float]]:
        weight, bias = part.weight.tolist(), part.bias.tolist()
        return [
            [
                sum(x * y for x, y in zip(w, row, strict=True)) + b
                for w, b in zip(weight, bias, strict=True)
            ]
            for row in rows
        ]

    def add_norm(
        left: list[list[float]], right: list[list[float]], part: FloatLinear
    ) -> list[list[float]]:
        made = []
        for a, b in zip(left, right, strict=True):
            row = [x + y for x, y in zip(a, b, strict=True)]
            mean = sum(row) / len(row)
            root = math.sqrt(sum((x - mean) ** 2 for x in row) / len(row) + layer.epsilon)
            pairs = zip(row, part.weight.tolist(), part.bias.tolist(), strict=True)
            made.append([(x - mean) / root * g + b for x, g, b in pairs])
        return made

    query, key, value = (linear(rows, part) for part in (layer.query, layer.key, layer.value))
    size = len(rows[0]) // layer.heads
    context: list[list[float]] = [[] for _ in rows]
    for head in range(layer.heads):
        part = slice(head * size, (head + 1) * size)
        for i, asked in enumerate(query):
            scores = [
                sum(a * b for a, b in zip(asked[part], k[part], strict=True)) / math.sqrt(size)
                for k in key
            ]
            weights = [math.exp(score - max(scores)) for score in scores]
            columns = zip(*(v[part] for v in value), strict=True)
            context[i] += [
                sum(w * v for w, v in zip(weights, column, strict=True)) / sum(weights)
                for column in columns
            ]
    middle = add_norm(linear(context, layer.attention_output), rows, layer.attention_norm)
    inner = [
        [x * 0.5 * math.erfc(-x / math.sqrt(2)) for x in row]
        for row in linear(middle, layer.intermediate)
    ]
    return add_norm(linear(inner, layer.output), middle, layer.output_norm)
