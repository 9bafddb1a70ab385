"""Each stage alone, on inputs that no cascade made, against the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import (
    MODES,
    Case,
    Shape,
    examples,
    random_case,
    refuses,
    requantize_of,
)

from transfab.quant.bert.attention import merge_heads, split_heads
from transfab.quant.bert.layer import STAGES, run_stage
from transfab.quant.bert.qkv import narrow

STAGE = {stage.name: stage for stage in STAGES}
SHAPES = [Shape(8, 2, 12, 16), Shape(8, 2, 12, 8), Shape(6, 3, 5, 16), Shape(3, 1, 1, 8)]
seeds = st.integers(0, 2**32)
cases = st.builds(
    random_case,
    seeds,
    st.sampled_from(MODES),
    st.sampled_from(SHAPES),
    st.integers(1, 3),
    st.integers(1, 6),
    st.integers(6, 14),
)


def tables(case: Case) -> dict[str, Any]:
    """The case's leaves with the oracle's own tables."""
    return {
        "attention.exponential_table": oracle.exponential_table(),
        "intermediate.gelu_table": oracle.gelu_table(case.leaves["intermediate.fraction_bits"]),
    } | case.leaves


def stage_tensors(case: Case, name: str, **inputs: np.ndarray) -> dict[str, Any]:
    """Tensors of one stage as nested lists; `hidden` and `mask` are the case's unless given."""
    hidden, mask = case.arrays()
    given = {"hidden": hidden, "mask": mask} | inputs
    params = getattr(case.parameters(), name)
    made = run_stage(case.config(), STAGE[name], params, given)
    assert all(tensor.dtype.kind == "i" for tensor in made.values())
    return {tensor: array.tolist() for tensor, array in made.items()}


def full_range(case: Case, seed: int, channels: int, bits: int = 8) -> np.ndarray:
    """Random integers over the whole symmetric range, in the batch and length of the case."""
    top = 2 ** (bits - 1) - 1
    shape = (*case.arrays()[1].shape, channels)
    made = np.random.default_rng(seed).integers(-top, top + 1, shape)
    return made.astype(f"int{bits}")


def each(function: Any, rows: list[Any]) -> list[Any]:
    """Apply to every row of a (B, S, ...) tensor."""
    return [[function(row) for row in sentence] for sentence in rows]


# stage 1


@given(cases)
@examples(40)
def test_query_key_and_value_are_the_scaled_projections(case: Case) -> None:
    got = stage_tensors(case, "qkv")
    leaves, operand = case.leaves, case.hidden
    if case.shape.residual_bits == 16:
        operand = each(lambda row: oracle.scaled(row, leaves, "qkv.hidden", 8), operand)
        assert got.pop("hidden8") == operand
    for name in ("query", "key", "value"):
        weight, bias = leaves[f"qkv.{name}.weight"], leaves[f"qkv.{name}.bias"]
        acc = each(lambda row, w=weight, b=bias: oracle.project(row, w, b), operand)
        assert got.pop(f"{name}_accumulator") == acc
        path = f"qkv.{name}.requantize"
        assert got.pop(name) == each(lambda row, p=path: oracle.scaled(row, leaves, p, 8), acc)
    assert got == {}


@pytest.mark.parametrize("name", ["query", "key", "value"])
def test_a_projection_far_out_of_range_saturates_and_does_not_wrap(name: str) -> None:
    size = 8
    replaced = {
        f"qkv__{name}__weight": [[127] * size, [-127] * size] * (size // 2),
        f"qkv__{name}__bias": [0] * size,
        f"qkv__{name}__requantize__multiplier": [1] * size,
        f"qkv__{name}__requantize__offset": [0] * size,
        f"qkv__{name}__requantize__shift": 1,
    }
    case = random_case(5, shape=Shape(residual_bits=8), sequence=1, batch=1, **replaced)
    made = stage_tensors(case, "qkv", hidden=np.full((1, 1, size), 127, np.int8))
    assert made[f"{name}_accumulator"] == [[[127 * 127 * size, -127 * 127 * size] * 4]]
    assert made[name] == [[[127, -127] * 4]]


def test_the_operand_of_an_8_bit_stream_is_the_stream_itself() -> None:
    hidden = np.array([[[-128, -127, 0, 127]]], np.int8)
    assert narrow(hidden, None) is hidden


@given(st.lists(st.integers(-32768, 32767), min_size=1), st.integers(0, 2**17 - 1))
@examples(60)
@example([-32768, 32767], 2**17 - 1)
def test_the_operand_of_a_16_bit_stream_is_requantized(row: list[int], multiplier: int) -> None:
    size = len(row)
    scale = requantize_of([multiplier] * size, [3] * size, 24)
    got = narrow(np.array([row], np.int16), scale)
    assert got.dtype == np.int8
    assert got.tolist() == [[oracle.requantize(x, multiplier, 3, 24, 8) for x in row]]


# stage 2


@given(cases, seeds)
@examples(40)
def test_attention_of_any_query_key_and_value_is_the_oracles(case: Case, seed: int) -> None:
    size = case.shape.hidden
    names = ("query", "key", "value")
    inputs = {name: full_range(case, seed + i, size) for i, name in enumerate(names)}
    got = stage_tensors(case, "attention", **inputs)
    leaves = tables(case)
    for i, mask in enumerate(case.mask):
        rows = [inputs[name][i].tolist() for name in names]
        made = oracle.attend(leaves, case.shape.heads, *rows, mask)
        for name, tensor in made.items():
            assert got[name][i] == tensor, name
        context = [oracle.scaled(r, leaves, "attention.context", 8) for r in made["context_mean"]]
        assert got["context"][i] == context


@given(seeds, st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
@examples(30)
def test_heads_are_consecutive_channels_and_merge_back(
    seed: int, batch: int, sequence: int, heads: int, size: int
) -> None:
    config = Case("", Shape(heads * size, heads, 1), {}, [], []).config()
    shape = (batch, sequence, heads * size)
    tensor = np.random.default_rng(seed).integers(-127, 128, shape).astype(np.int8)
    split = split_heads(config, tensor)
    assert split.shape == (batch, heads, sequence, size)
    for head in range(heads):
        wanted = [[row[head * size : (head + 1) * size] for row in s] for s in tensor.tolist()]
        assert split[:, head].tolist() == wanted
    assert np.array_equal(merge_heads(split), tensor)


@pytest.mark.parametrize(
    ("name", "changed"),
    [("query", {"scores"}), ("key", {"scores"}), ("value", {"context_accumulator"})],
)
def test_a_head_reads_only_its_own_channels(name: str, changed: set[str]) -> None:
    case = random_case(9, sequence=5)
    size = case.shape.hidden
    inputs = {n: full_range(case, i, size) for i, n in enumerate(("query", "key", "value"))}
    before = stage_tensors(case, "attention", **inputs)
    inputs[name][..., 4:] = -inputs[name][..., 4:]  # the second of two heads
    after = stage_tensors(case, "attention", **inputs)
    for tensor in ("scores", "exponential", "context_accumulator"):
        first = np.array(before[tensor]), np.array(after[tensor])
        heads_first = tensor != "context_accumulator"
        kept = [t[:, :1] if heads_first else t[..., :4] for t in first]
        assert np.array_equal(*kept)
        if tensor in changed:
            assert not np.array_equal(*first)


def test_one_key_gives_its_value_back() -> None:
    """S = 1: the probability is one whatever the score."""
    case = random_case(3, batch=1, sequence=1)
    size = case.shape.hidden
    value = full_range(case, 1, size)
    names = {"query": full_range(case, 2, size), "key": full_range(case, 3, size)}
    made = stage_tensors(case, "attention", value=value, **names)
    assert made["exponential"] == [[[[16383]]] * 2]
    # 16383 * reciprocal is within 2**-16 below one
    means = np.array(made["context_mean"]), value.astype(int) * 2**16
    assert np.abs(means[0] - means[1]).max() <= 127


@pytest.mark.parametrize("stage", ["attention", "output"])
def test_the_skip_input_is_the_stages_own_argument(stage: str) -> None:
    """Not a calibration tensor, nor the int8 operand: moving it moves the sum."""
    case = random_case(21)
    size, inner = case.shape.hidden, case.shape.feed_forward
    inputs = {n: full_range(case, i, size) for i, n in enumerate(("query", "key", "value"))}
    inputs["intermediate"] = full_range(case, 5, inner)
    skip = "hidden" if stage == "attention" else "attention_output"
    inputs[skip] = full_range(case, 6, size, 16) // 4
    leaves = tables(case)
    for move in (0, 1000):
        moved = inputs | {skip: inputs[skip] + np.int16(move)}
        made = stage_tensors(case, stage, **moved)
        acc, sums = made[f"{stage}_accumulator"], made[f"{stage}_sum"]
        for i, rows in enumerate(moved[skip].tolist()):
            path = f"{stage}.projection"
            pairs = zip(acc[i], rows, strict=True)
            assert sums[i] == [oracle.residual(a, x, leaves, path) for a, x in pairs]


# stages 3 and 4


@given(cases, seeds)
@examples(40)
def test_intermediate_of_any_stream_is_the_oracles(case: Case, seed: int) -> None:
    bits, leaves = case.shape.residual_bits, tables(case)
    stream = full_range(case, seed, case.shape.hidden, bits)
    got = stage_tensors(case, "intermediate", attention_output=stream)
    operand = stream.tolist()
    if bits == 16:
        operand = each(lambda row: oracle.scaled(row, leaves, "intermediate.hidden", 8), operand)
        assert got.pop("attention_output8") == operand
    weight, bias = leaves["intermediate.projection.weight"], leaves["intermediate.projection.bias"]
    acc = each(lambda row: oracle.project(row, weight, bias), operand)
    assert got.pop("intermediate_accumulator") == acc
    path = "intermediate.projection.requantize"
    before = each(lambda row: oracle.scaled(row, leaves, path, 16), acc)
    assert got.pop("intermediate_preactivation") == before
    table, fraction_bits = leaves["intermediate.gelu_table"], leaves["intermediate.fraction_bits"]
    after = each(lambda row: [oracle.gelu(x, table, fraction_bits) for x in row], before)
    assert got.pop("intermediate_gelu") == after
    wanted = each(lambda row: oracle.scaled(row, leaves, "intermediate.activation", 8), after)
    assert got == {"intermediate": wanted}


@given(cases, seeds)
@examples(40)
def test_output_of_any_inputs_is_the_oracles(case: Case, seed: int) -> None:
    bits, leaves = case.shape.residual_bits, tables(case)
    inner = full_range(case, seed, case.shape.feed_forward)
    stream = full_range(case, seed + 1, case.shape.hidden, bits)
    got = stage_tensors(case, "output", intermediate=inner, attention_output=stream)
    weight, bias = leaves["output.projection.weight"], leaves["output.projection.bias"]
    acc = each(lambda row: oracle.project(row, weight, bias), inner.tolist())
    assert got["output_accumulator"] == acc
    for i, skips in enumerate(stream.tolist()):
        pairs = zip(acc[i], skips, strict=True)
        sums = [oracle.residual(a, x, leaves, "output.projection") for a, x in pairs]
        assert got["output_sum"][i] == sums
        normal = [oracle.layernorm(row, leaves, "output.layernorm", bits) for row in sums]
        assert got["output"][i] == [row["output"] for row in normal]
        assert got["output_squares"][i] == [row["squares"] for row in normal]


@pytest.mark.parametrize("fraction_bits", [5, 15])
def test_another_format_of_the_preactivation_is_refused(fraction_bits: int) -> None:
    case = random_case(1)
    case.leaves["intermediate.fraction_bits"] = fraction_bits
    case.leaves["intermediate.gelu_table"] = [0] * 256
    refuses(case.parameters, "fraction_bits", "[6, 14]", str(fraction_bits))


TABLES = [
    ("attention.exponential_table", [16384] + [0] * 4095, "16384"),
    ("attention.exponential_table", [0] * 4096, "not 0"),
    ("attention.exponential_table", [16383] * 4095, "4095"),
    ("attention.exponential_table", [16383] + [-1] * 4095, "-1"),
    ("attention.exponential_table", [16383, 16384] + [0] * 4094, "16384"),
    ("intermediate.gelu_table", [0] * 255, "255"),
    ("intermediate.gelu_table", [0] * 255 + [-1], "-1"),
]


def with_table(name: str, table: list[int]) -> Case:
    case = random_case(1)
    case.leaves[name] = table
    return case


@pytest.mark.parametrize(("name", "table", "value"), TABLES)
def test_a_table_out_of_range_is_refused(name: str, table: list[int], value: str) -> None:
    refuses(with_table(name, table).parameters, name.split(".")[1].split("_")[0], "table")


@pytest.mark.parametrize(("name", "table", "value"), TABLES)
def test_a_refused_table_is_told_its_value(name: str, table: list[int], value: str) -> None:
    refuses(with_table(name, table).parameters, value)


def test_a_table_may_use_its_whole_range() -> None:
    with_table("attention.exponential_table", [16383] * 4096).parameters()
    with_table("attention.exponential_table", [1] + [0] * 4095).parameters()
    with_table("intermediate.gelu_table", [0] * 255 + [32767]).parameters()


def test_masks_are_of_keys() -> None:
    """A masked query still attends; a masked key is attended to by nobody."""
    case = random_case(31, batch=1, sequence=6, mask=[[1, 0, 1, 1, 0, 1]])
    made = stage_tensors(
        case,
        "attention",
        **{n: full_range(case, i, 8) for i, n in enumerate(("query", "key", "value"))},
    )
    exponential = np.array(made["exponential"])
    assert (exponential[..., [1, 4]] == 0).all()
    assert (exponential[..., [0, 2, 3, 5]].max(axis=-1) == 16383).all()
