"""The layer as a whole: padding, batches, permutations, closure over integers, every shape."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import MODES, Case, Shape, examples, random_case, random_hidden, refuses

from transfab.quant.bert.layer import STAGES, check_shapes, run_layer, run_stage
from transfab.quant.bert.names import TENSORS
from transfab.quant.bert.shapes import check_inputs

BOTH = [8, 16]
PER_KEY = {"scores", "exponential_index", "exponential"}
seeds = st.integers(0, 2**32)
shapes = st.builds(
    lambda heads, size, inner, bits: Shape(heads * size, heads, inner, bits),
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(1, 14),
    st.sampled_from(BOTH),
)


def run(case: Case, hidden: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    return run_layer(case.config(), case.parameters(), hidden, mask)


def rows_of(name: str, tensor: np.ndarray, batch: int, at: list[int]) -> np.ndarray:
    """The part of a tensor that belongs to the positions `at` of one sequence."""
    if name in PER_KEY:
        return tensor[batch][:, at][:, :, at]
    by_head = name in {"scores_maximum", "exponential_sum", "context_reciprocal"}
    return tensor[batch][:, at] if by_head else tensor[batch][at]


@given(
    seeds,
    st.sampled_from(MODES),
    shapes,
    st.integers(1, 3),
    st.integers(1, 6),
    st.integers(6, 14),
)
@examples(60)
def test_every_tensor_is_the_oracles_for_any_shape_batch_and_length(
    seed: int, mode: str, shape: Shape, batch: int, sequence: int, fraction_bits: int
) -> None:
    case = random_case(seed, mode, shape, batch, sequence, fraction_bits)
    bits = shape.residual_bits
    wanted = oracle.layer(case.leaves, shape.heads, bits, case.hidden, case.mask)
    got = case.run()
    assert list(got) == list(wanted)
    for name, tensor in got.items():
        assert tensor.tolist() == wanted[name], name


# Padding and batches


def placements(seed: int, lengths: list[int], width: int) -> list[list[int]]:
    """Where each sentence's tokens stand in the padded batch: right, left and hole padding."""
    rng = random.Random(seed)
    made = []
    for i, length in enumerate(lengths):
        left = [list(range(length)), list(range(width - length, width))]
        made.append([*left, sorted(rng.sample(range(width), length))][(seed + i) % 3])
    return made


@given(
    seeds,
    st.sampled_from(MODES),
    st.sampled_from(BOTH),
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.integers(0, 3),
)
@examples(60)
def test_a_padded_batch_gives_each_sentence_the_bits_that_it_has_alone(
    seed: int, mode: str, bits: int, lengths: list[int], spare: int
) -> None:
    width = max(lengths) + spare
    case = random_case(seed, mode, Shape(residual_bits=bits), len(lengths), width)
    hidden, _ = case.arrays()
    mask = np.zeros((len(lengths), width), np.uint8)
    places = placements(seed, lengths, width)
    for i, at in enumerate(places):
        mask[i, at] = 1
    together = run(case, hidden, mask)
    for i, at in enumerate(places):
        alone = run(case, hidden[i : i + 1, at], np.ones((1, len(at)), np.uint8))
        everywhere = list(range(len(at)))
        for name, tensor in together.items():
            wanted = rows_of(name, alone[name], 0, everywhere)
            assert np.array_equal(rows_of(name, tensor, i, at), wanted), name


@given(seeds, st.sampled_from(BOTH))
@examples(20)
def test_permuting_the_batch_permutes_the_result(seed: int, bits: int) -> None:
    case = random_case(seed, shape=Shape(residual_bits=bits), batch=4, sequence=3)
    hidden, mask = case.arrays()
    order = random.Random(seed).sample(range(4), 4)
    before, after = run(case, hidden, mask), run(case, hidden[order], mask[order])
    assert all(np.array_equal(after[name], before[name][order]) for name in before)


@given(seeds, st.sampled_from(BOTH))
@examples(20)
def test_permuting_the_tokens_permutes_the_output(seed: int, bits: int) -> None:
    case = random_case(seed, shape=Shape(residual_bits=bits), batch=2, sequence=6)
    hidden, mask = case.arrays()
    order = random.Random(seed).sample(range(6), 6)
    before, after = run(case, hidden, mask), run(case, hidden[:, order], mask[:, order])
    for name in ("query", "context", "attention_output", "intermediate", "output"):
        assert np.array_equal(after[name], before[name][:, order])


@given(seeds, st.sampled_from(BOTH))
@examples(30)
def test_the_content_of_masked_rows_changes_nothing_for_the_others(seed: int, bits: int) -> None:
    shape = Shape(residual_bits=bits)
    case = random_case(seed, shape=shape, batch=3, sequence=5)
    hidden, mask = case.arrays()
    others = np.array(random_hidden(shape, seed + 1, 3, 5), hidden.dtype)
    changed = np.where(mask[..., None] == 1, hidden, others)
    before, after = run(case, hidden, mask), run(case, changed, mask)
    for i in range(3):
        at = np.flatnonzero(mask[i]).tolist()
        for name in before:
            kept = rows_of(name, before[name], i, at), rows_of(name, after[name], i, at)
            assert np.array_equal(*kept), name


def test_the_mask_is_not_ignored() -> None:
    case = random_case(2, batch=1, sequence=4)
    hidden, _ = case.arrays()
    full = run(case, hidden, np.array([[1, 1, 1, 1]], np.uint8))
    part = run(case, hidden, np.array([[1, 1, 1, 0]], np.uint8))
    assert not np.array_equal(full["output"][:, :3], part["output"][:, :3])


@pytest.mark.parametrize("bits", BOTH)
def test_one_token_attends_to_itself(bits: int) -> None:
    case = random_case(4, shape=Shape(residual_bits=bits), batch=2, sequence=1)
    made = case.run()
    assert (made["exponential"] == 16383).all()
    assert (made["exponential_index"] == 0).all()
    assert made["output"].shape == (2, 1, 8)


@pytest.mark.parametrize("bits", BOTH)
def test_a_negative_input_gives_another_output_than_its_magnitude(bits: int) -> None:
    case = random_case(6, shape=Shape(residual_bits=bits))
    hidden, mask = case.arrays()
    assert (hidden < 0).any()
    before, after = run(case, hidden, mask), run(case, np.abs(hidden), mask)
    assert not np.array_equal(before["output"], after["output"])


def test_the_vectors_have_negatives_and_distinct_rows() -> None:
    for seed, mode in enumerate(MODES):
        hidden, _ = random_case(seed, mode, batch=4, sequence=8).arrays()
        rows = {row.tobytes() for row in hidden.reshape(-1, hidden.shape[-1])}
        assert (hidden < 0).any() and (hidden > 0).any()
        assert len(rows) == 32


# The stages are closed over integers and pure


@given(seeds, st.sampled_from(MODES), st.sampled_from(BOTH))
@examples(20)
def test_stages_depend_on_their_inputs_and_parameters_alone(
    seed: int, mode: str, bits: int
) -> None:
    """Run again from the recorded inputs, in reverse order and after another layer: no state."""
    case = random_case(seed, mode, Shape(residual_bits=bits))
    made = case.run()
    random_case(seed + 1, mode, Shape(residual_bits=bits)).run()
    params = case.parameters()
    for stage in reversed(STAGES):
        inputs = {name: made[name].copy() for name in stage.inputs}
        again = run_stage(case.config(), stage, getattr(params, stage.name), inputs)
        assert set(stage.outputs) <= set(again)
        for name, tensor in again.items():
            assert tensor.tobytes() == made[name].tobytes()
        for name, tensor in inputs.items():
            assert tensor.tobytes() == made[name].tobytes()


@pytest.mark.parametrize("bits", BOTH)
def test_no_tensor_is_a_float(bits: int) -> None:
    made = random_case(8, shape=Shape(residual_bits=bits)).run()
    assert {tensor.dtype.kind for tensor in made.values()} == {"i", "u"}
    assert {name for name in made if made[name].dtype.kind == "u"} == {"mask"}


@pytest.mark.parametrize("bits", BOTH)
def test_inputs_and_parameters_are_only_read(bits: int) -> None:
    case = random_case(8, shape=Shape(residual_bits=bits))
    hidden, mask = case.arrays()
    hidden.flags.writeable = mask.flags.writeable = False
    params = case.parameters()
    first = run_layer(case.config(), params, hidden, mask)
    second = run_layer(case.config(), params, hidden, mask)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_the_output_of_a_layer_is_an_input_of_the_next() -> None:
    for bits in BOTH:
        case = random_case(8, shape=Shape(residual_bits=bits))
        made = case.run()
        again = run(case, made["output"], made["mask"])
        assert again["output"].dtype == made["output"].dtype == f"int{bits}"


def test_the_names_are_those_of_the_table_in_one_order() -> None:
    wide = list(random_case(1, shape=Shape(residual_bits=16)).run())
    assert sorted(wide) == sorted(TENSORS)
    narrow = list(random_case(1, shape=Shape(residual_bits=8)).run())
    assert narrow == [name for name in wide if name not in {"hidden8", "attention_output8"}]
    assert wide[-1] == "output"


def test_every_stage_reads_what_an_earlier_one_made() -> None:
    known = {"hidden", "mask"}
    for stage in STAGES:
        assert set(stage.inputs) <= known
        known |= set(stage.outputs)
    assert STAGES[-1].outputs == ("output",)


# Refusals

CONFIG = Case("", Shape(8, 2, 12, 16), {}, [], []).config()


def activations(**changes: Any) -> dict[str, np.ndarray]:
    return {
        "hidden": np.zeros((2, 3, 8), np.int16),
        "mask": np.ones((2, 3), np.uint8),
    } | changes


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"hidden": np.zeros((2, 3, 8), np.int8)}, ("int16", "int8")),
        ({"hidden": np.zeros((2, 3, 8))}, ("int16", "float64")),
        ({"hidden": np.zeros((2, 3, 7), np.int16)}, ("(2, 3, 8)", "(2, 3, 7)")),
        ({"hidden": np.zeros((3, 8), np.int16)}, ("(B, S, channels)", "(3, 8)")),
        ({"hidden": np.zeros((0, 3, 8), np.int16)}, ("batch at least 1", "0")),
        ({"hidden": np.zeros((2, 0, 8), np.int16)}, ("[1, 512]", "0")),
        ({"hidden": np.zeros((1, 513, 8), np.int16)}, ("[1, 512]", "513")),
        ({"mask": np.ones((2, 4), np.uint8)}, ("(2, 3)", "(2, 4)")),
        ({"mask": np.ones((2, 3), bool)}, ("uint8", "bool")),
        ({"mask": np.full((2, 3), 2, np.uint8)}, ("0 and 1",)),
        ({"mask": np.array([[1, 0, 0], [0, 0, 0]], np.uint8)}, ("sequence 1", "unmasked")),
    ],
)
def test_activations_that_do_not_fit_are_refused(
    changes: dict[str, Any], parts: tuple[str, ...]
) -> None:
    check_inputs(CONFIG, activations())
    refuses(lambda: check_inputs(CONFIG, activations(**changes)), *parts)


@pytest.mark.parametrize("bits", BOTH)
def test_an_input_below_the_symmetric_range_is_refused(bits: int) -> None:
    """check_skip bounds the skip input by 127 or 32767: the sum may need 49 bits at -32768."""
    config = dataclasses.replace(CONFIG, residual_bits=bits)
    hidden = np.zeros((1, 1, 8), f"int{bits}")
    hidden[0, 0, 3] = -(2 ** (bits - 1)) + 1
    mask = np.ones((1, 1), np.uint8)
    check_inputs(config, {"hidden": hidden, "mask": mask})
    hidden[0, 0, 3] -= 1
    refuses(lambda: check_inputs(config, {"hidden": hidden, "mask": mask}), str(-(2 ** (bits - 1))))


@pytest.mark.parametrize(
    ("shape", "parts"),
    [
        (Shape(6, 2, 12, 16), ("query", "(6, 6)", "(8, 8)")),
        (Shape(8, 2, 11, 16), ("intermediate projection", "(11, 8)", "(12, 8)")),
        (Shape(8, 4, 12, 16), ("scores", "4", "(2,)")),
        (Shape(8, 2, 12, 8), ("requantize its input", "residual_bits", "8")),
    ],
)
def test_parameters_of_another_config_are_refused(shape: Shape, parts: tuple[str, ...]) -> None:
    params = random_case(1, shape=Shape(8, 2, 12, 16)).parameters()
    check_shapes(CONFIG, params)
    config = Case("", shape, {}, [], []).config()
    refuses(lambda: check_shapes(config, params), *parts)
