"""What each integer stands for: exact on both sides where the arithmetic is, near everywhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tiny_layer import EPSILON, HEADS, LENGTHS, SIZE, Tiny, tiny_layer

from transfab.quant.bert.layernorm import layernorm
from transfab.quant.bert.real import ONE, all_scales, float_tensors, real_tensor, tensor_scales
from transfab.quant.bert.scales import Affine
from transfab.quant.bert.shapes import TENSORS, specifications
from transfab.quant.bert.softmax import normalize_context
from transfab.quant.intmath import exponential_step, requantize


@pytest.fixture(scope="module", params=[16, 8])
def tiny(request: pytest.FixtureRequest) -> Tiny:
    return tiny_layer(request.param)


def made(tiny: Tiny) -> list[str]:
    """Names of the tensors that the layer's stages make."""
    config = tiny.config
    return [name for stage in TENSORS for name in specifications(config, stage, 1, 1)]


def test_every_tensor_of_every_stage_is_a_real_number_on_both_sides(tiny: Tiny) -> None:
    named = all_scales(tiny.params, tiny.scales)
    wanted = float_tensors(tiny.layer, tiny.scales, tiny.floats[0])
    assert {"hidden", *made(tiny)} <= named.keys()
    length = LENGTHS[0]  # the longest: nothing of it is padding
    part = {name: tensor[0] for name, tensor in tiny.tensors.items() if name != "mask"}
    for name in made(tiny):
        assert wanted[name].shape == part[name].shape, name
        error = real_tensor(named, part, name) - wanted[name]
        assert np.sqrt(np.mean(error**2)) < 0.04 * np.sqrt(np.mean(wanted[name] ** 2)), name
    assert wanted["scores"].shape == (HEADS, length, length)


def test_scales_that_calibration_gave_are_taken_as_they_are(tiny: Tiny) -> None:
    named = all_scales(tiny.params, tiny.scales)
    for name, affine in tensor_scales(tiny.scales).items():
        assert named[name] is affine, name


def test_requantizing_the_reals_of_an_accumulator_gives_the_tensor(tiny: Tiny) -> None:
    """The same constants: nothing but the rounding half may lie between."""
    named = all_scales(tiny.params, tiny.scales)
    part = {name: tensor[0] for name, tensor in tiny.tensors.items() if name != "mask"}
    linears = {
        "query": tiny.params.qkv.query,
        "key": tiny.params.qkv.key,
        "value": tiny.params.qkv.value,
        "intermediate": tiny.params.intermediate.projection,
    }
    for name, linear in linears.items():
        target = "intermediate_preactivation" if name == "intermediate" else name
        bits = 16 if name == "intermediate" else 8
        accumulator = part[f"{name}_accumulator"]
        steps = named[target].quantize(real_tensor(named, part, f"{name}_accumulator"), bits)
        assert np.array_equal(steps, requantize(accumulator, linear.requantize, bits)), name


@pytest.mark.parametrize("spread", [1, 40, 9000])
def test_the_constants_of_a_layernorm_row_are_its_root_and_reciprocal(spread: int) -> None:
    """Sums of squares of 14 to 41 bits: the exponent goes either way."""
    tiny = tiny_layer()
    rows = np.random.default_rng(3).integers(-spread, spread + 1, (4, SIZE)).astype(np.int16)
    rows[:, 0] = spread
    norm = tiny.params.attention.layernorm
    tensors = {f"attention_{n}": t for n, t in layernorm(tiny.config, norm, rows).items()}
    named = all_scales(tiny.params, tiny.scales)
    step = float(tiny.scales.attention_sum.scale[0])
    squares = tensors["attention_squares"] * step**2
    assert real_tensor(named, tensors, "attention_squares") == pytest.approx(squares)
    root = real_tensor(named, tensors, "attention_root")
    assert root == pytest.approx(np.sqrt(squares), rel=2**-16)
    inverse = real_tensor(named, tensors, "attention_reciprocal")
    assert inverse * np.sqrt(squares) == pytest.approx(np.ones(4), rel=2**-15)


@pytest.mark.parametrize("total", [1, 16383, 16384, 524287, 524288, 2**23 - 1])
def test_the_reciprocal_of_a_row_sum_has_the_exponent_of_its_bits(total: int) -> None:
    sums = np.array([[total]], np.int32)
    inverse, _ = normalize_context(np.zeros((1, 1, 1), np.int32), sums)
    tensors = {"exponential_sum": sums, "context_reciprocal": inverse}
    named = {"context_reciprocal": Affine(np.float64(ONE), np.float64(0))}  # type: ignore[arg-type]
    real = real_tensor(named, tensors, "context_reciprocal")
    assert float(real[0, 0]) * total / ONE == pytest.approx(1, rel=2**-15)


def test_scores_are_in_natural_units_whatever_the_heads_scale(tiny: Tiny) -> None:
    scales, named = tiny.scales, all_scales(tiny.params, tiny.scales)
    part = {name: tensor[0] for name, tensor in tiny.tensors.items() if name != "mask"}
    scores = real_tensor(named, part, "scores")
    depth = SIZE // HEADS
    for head in range(HEADS):
        channels = slice(head * depth, (head + 1) * depth)
        query = (part["query"] * scales.query.scale)[:, channels]
        key = (part["key"] * scales.key.scale)[:, channels]
        assert scores[head] == pytest.approx(query @ key.T / math.sqrt(depth)), head
    largest = real_tensor(named, part, "scores_maximum")
    assert np.array_equal(largest, scores.max(axis=-1))
    # The index is that distance in table steps: rounded to half a step, and by the multiplier.
    distance = np.minimum(largest[..., None] - scores, 4095 * exponential_step())
    index = real_tensor(named, part, "exponential_index")
    assert np.abs(index - distance).max() < exponential_step()


def test_the_float_side_fits_together_as_the_float_layer_does(tiny: Tiny) -> None:
    floats = tiny.floats[0]
    tensors = float_tensors(tiny.layer, tiny.scales, floats)
    for name in floats:
        assert tensors[name] is floats[name]
    depth = SIZE // HEADS
    sums = np.repeat(tensors["exponential_sum"], depth, axis=0).T
    assert tensors["context_accumulator"] / sums + tiny.scales.value.center == pytest.approx(
        floats["context"]
    )
    assert tensors["context_reciprocal"] == pytest.approx(1 / tensors["exponential_sum"])
    assert tensors["exponential_sum"] == pytest.approx(tensors["exponential"].sum(axis=-1))
    assert tensors["exponential"].max(axis=-1) == pytest.approx(np.ones((HEADS, LENGTHS[0])))
    norms = {"attention": ("attention_norm", "attention_output"), "output": ("output_norm",) * 2}
    for name, (field, _) in norms.items():
        norm = getattr(tiny.layer, field)
        normal = tensors[f"{name}_normalized"] * math.sqrt(SIZE) * norm.weight + norm.bias
        assert normal == pytest.approx(floats["attention_output" if name == "attention" else name])
        deviation = floats[f"{name}_sum"] - tensors[f"{name}_mean"][:, None]
        squares = (deviation**2).sum(axis=-1) + SIZE * EPSILON
        assert tensors[f"{name}_squares"] == pytest.approx(squares)
        assert tensors[f"{name}_root"] ** 2 == pytest.approx(squares)
        assert tensors[f"{name}_reciprocal"] ** -2 == pytest.approx(squares)


def test_distances_beyond_the_table_count_as_its_last_entry() -> None:
    tiny = tiny_layer()
    far = dict(tiny.floats[0]) | {"query": tiny.floats[0]["query"] * 1000}
    index = float_tensors(tiny.layer, tiny.scales, far)["exponential_index"]
    assert float(index.max()) == 4095 * exponential_step()
    assert float(index.min()) == 0
