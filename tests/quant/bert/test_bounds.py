"""Every width of the arithmetic: reached by the largest legal layers, exceeded by none."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import oracle
import pytest
from extremes import extreme_leaves
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    LARGEST_MULTIPLIER,
    MODES,
    Case,
    Shape,
    examples,
    linear_of,
    random_case,
    refuses,
    requantize_of,
)

from transfab.quant.bert.attention import AttentionParameters
from transfab.quant.bert.intermediate import IntermediateParameters
from transfab.quant.bert.layer import STAGES, check_shapes, run_stage
from transfab.quant.bert.names import TENSORS
from transfab.quant.bert.qkv import QkvParameters
from transfab.quant.intmath import gelu_table

TOP = 2**47


def outside(tensors: dict[str, np.ndarray]) -> dict[str, tuple[int, int]]:
    """Tensors that leave their width, with their ends."""
    found = {}
    for name, tensor in tensors.items():
        ends = int(tensor.min()), int(tensor.max())
        top = 2 ** (TENSORS[name].bits - 1)
        low = -top + 1 if TENSORS[name].clamped else -top
        if not low <= ends[0] <= ends[1] < top:
            found[name] = ends
    return found


@given(
    st.integers(0, 2**32),
    st.sampled_from(MODES),
    st.sampled_from([8, 16]),
    st.sampled_from([(8, 2, 12), (40, 4, 8), (1, 1, 1)]),
)
@examples(60)
def test_every_tensor_stays_within_its_width(
    seed: int, mode: str, bits: int, sizes: tuple[int, int, int]
) -> None:
    assert outside(random_case(seed, mode, Shape(*sizes, bits)).run()) == {}


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_legal_layer_reaches_its_widths_and_exceeds_none(bits: int, sign: int) -> None:
    """E = 1024, D = 128, F = 4096, S = 512, every constant at its end, every key equal."""
    shape = Shape(1024, 8, 4096, bits)
    case = Case("largest", shape, extreme_leaves(shape, sign), [], [])
    config, params = case.config(), case.parameters()
    check_shapes(config, params)
    top = 2 ** (bits - 1) - 1
    tensors = {
        "hidden": np.full((1, 512, 1024), top, f"int{bits}"),
        "mask": np.ones((1, 512), np.uint8),
    }
    for stage in STAGES:
        made = run_stage(config, stage, getattr(params, stage.name), tensors)
        tensors = dict(tensors) | made
    assert outside(tensors) == {}
    edge = 127 * 127 * 1024 + (2**26 - 1 - 128 * 127 * 1024)

    def ends(name: str) -> set[int]:
        return set(np.unique(tensors[name]).tolist())

    assert ends("query_accumulator") == {sign * edge}
    assert ends("query") == ends("value") == {sign * 127}
    assert ends("scores") == {127 * 127 * 128} == ends("scores_maximum")
    assert ends("exponential_sum") == {16383 * 512}
    assert ends("context_accumulator") == {sign * 127 * 16383 * 512}
    inverse, means = oracle.normalize([sign * 127 * 16383 * 512], 16383 * 512)
    assert ends("context_reciprocal") == {inverse}
    assert ends("context_mean") == set(means)
    assert ends("attention_squares") == {2**40 - 1}


def test_the_widest_product_into_the_context_is_below_48_bits() -> None:
    inverse = 2**17 - 1
    assert (2**26 - 1) * inverse + 2**18 < TOP


def test_scores_one_step_apart_over_the_whole_range_are_exact() -> None:
    """The largest distance, 2 * 127 * 127 * 128 below 2**22, times the largest multiplier."""
    case = random_case(1, shape=Shape(128, 1, 1, 8), batch=1, sequence=2)
    case.leaves["attention.scores_multiplier"] = [LARGEST_MULTIPLIER]
    case.leaves["attention.scores_shift"] = 28
    ends = np.full((1, 2, 128), 127, np.int8)
    key = ends * np.array([1, -1], np.int8)[None, :, None]
    inputs = {"query": ends, "key": key, "value": ends, "hidden": ends}
    params = case.parameters().attention
    made = run_stage(case.config(), STAGES[1], params, inputs | {"mask": np.ones((1, 2), np.uint8)})
    far = 127 * 127 * 128
    assert made["scores"].tolist() == [[[[far, -far]] * 2]]
    index = oracle.round_shift(2 * far * LARGEST_MULTIPLIER, 28)
    assert made["exponential_index"].tolist() == [[[[0, min(4095, index)]] * 2]]


# Checks at packing time, each at its edge


def attention_with(**changes: Any) -> AttentionParameters:
    return dataclasses.replace(random_case(1).parameters().attention, **changes)


def intermediate_with(**changes: Any) -> IntermediateParameters:
    return dataclasses.replace(random_case(1).parameters().intermediate, **changes)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_context_offset_takes_what_48_bits_leave(sign: int) -> None:
    room = TOP - 1 - (127 << 16) * LARGEST_MULTIPLIER - 2**30
    edge = [LARGEST_MULTIPLIER] * 8
    attention_with(context=requantize_of(edge, [sign * room] * 8, 31))
    beyond = requantize_of(edge, [sign * (room + 1)] * 8, 31)
    refuses(lambda: attention_with(context=beyond), "context product", "48", str(TOP))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_activation_offset_takes_what_48_bits_leave(sign: int) -> None:
    room = TOP - 1 - 32767 * LARGEST_MULTIPLIER - 2**30
    edge = [LARGEST_MULTIPLIER] * 12
    intermediate_with(activation=requantize_of(edge, [sign * room] * 12, 31))
    beyond = requantize_of(edge, [sign * (room + 1)] * 12, 31)
    refuses(lambda: intermediate_with(activation=beyond), "activation product", "48", str(TOP))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("stage", ["qkv", "intermediate"])
def test_the_operand_offset_takes_what_48_bits_leave(stage: str, sign: int) -> None:
    """The int16 stream into its int8 operand is a requantization like any other."""
    room = TOP - 1 - 32767 * LARGEST_MULTIPLIER - 2**30
    edge = [LARGEST_MULTIPLIER] * 8
    linear = linear_of([[1] * 8] * 8, [0] * 8)

    def make(offset: int) -> object:
        hidden = requantize_of(edge, [sign * offset] * 8, 31)
        if stage == "qkv":
            return QkvParameters(hidden, linear, linear, linear)
        return intermediate_with(hidden=hidden)

    make(room)
    refuses(lambda: make(room + 1), "product", "48", str(TOP))


@pytest.mark.parametrize(
    ("multiplier", "shift", "parts"),
    [
        (2**17, 1, ("multiplier", "18 signed bits", str(2**17))),
        (-1, 1, ("multiplier", "negative", "-1")),
        (1, 0, ("shift", "[1, 47]", "0")),
        (1, 48, ("shift", "[1, 47]", "48")),
    ],
)
def test_constants_of_the_scores_one_step_beyond_are_refused(
    multiplier: int, shift: int, parts: tuple[str, ...]
) -> None:
    changes = {"scores_multiplier": np.array([multiplier] * 2, np.int32), "scores_shift": shift}
    refuses(lambda: attention_with(**changes), *parts)


def test_constants_of_the_scores_at_their_edges_are_accepted() -> None:
    edge = np.array([LARGEST_MULTIPLIER, 0], np.int32)
    for shift in (1, 47):
        attention_with(scores_multiplier=edge, scores_shift=shift)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("stage", ["attention", "output"])
def test_a_residual_sum_beyond_48_bits_is_refused_with_the_layer(bits: int, stage: str) -> None:
    shape = Shape(residual_bits=bits)
    case = random_case(1, shape=shape)
    check_shapes(case.config(), case.parameters())
    case.leaves[f"{stage}.projection.offset"] = [TOP - 1] * 8
    refuses(lambda: check_shapes(case.config(), case.parameters()), "residual product", "48")


def test_every_format_of_the_preactivation_has_a_table_in_its_width() -> None:
    for fraction_bits in range(6, 15):
        table = gelu_table(fraction_bits)
        intermediate_with(fraction_bits=fraction_bits, gelu_table=table)
        assert 0 <= table.min() <= table.max() < 2**12
