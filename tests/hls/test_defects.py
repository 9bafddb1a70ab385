"""Defects of an earlier implementation of this layer on FPGAs, each by a test that it would fail.

Kernels run in C simulation. Where a formula is short it stands in the test; elsewhere the kernels
must equal the integer layer and differ from that layer with the defect put into its constants or
its inputs.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from changed_layers import (
    NARROW,
    WIDE,
    Simulate,
    changed,
    layer_of,
    made_by,
    reference,
    tensors_of,
)
from hard_layers import hard_cases, random_inputs
from runs import write_folder
from strategies import LARGEST_MULTIPLIER, random_case
from stream_oracle import BUILDS

from transfab.hls.build import build_testbench
from transfab.quant.intmath import Array

pytestmark = pytest.mark.xdist_group("csim")

# Requantization: clamped at -129 and cast (-129 becomes +127), truncated, wrapped


def query_of(simulate: Simulate, gain: int, requantize: tuple[int, Any, int], rows: Array) -> Array:
    """Query of a layer whose weight is `gain` times one: requantize(gain * rows)."""
    size = BUILDS[NARROW].shape.hidden
    multiplier, offset, shift = requantize
    case = changed(
        layer_of(NARROW),
        qkv__query__weight=(gain * np.eye(size, dtype=int)),
        qkv__query__bias=[0] * size,
        qkv__query__requantize__multiplier=[multiplier] * size,
        qkv__query__requantize__offset=offset,
        qkv__query__requantize__shift=shift,
    )
    simulation = simulate(NARROW)
    tensors = {"hidden": rows[None], "mask": np.ones((1, len(rows)), np.uint8)}
    return simulation.run_top("qkv", case.parameters(), tensors)["query"][0].astype(int)


def every_int8() -> Array:
    """Rows of all values in [-127, 127], each in every channel."""
    size = BUILDS[NARROW].shape.hidden
    at = np.arange(64)[:, None] * 4 + np.arange(size)
    return (at % 255 - 127).astype(np.int8)


def test_129_below_zero_is_clamped_not_wrapped(simulate: Simulate) -> None:
    rows, size = every_int8(), BUILDS[NARROW].shape.hidden
    offset = np.arange(size) % 7 - 3  # 2 x + offset passes -131 .. -125 and 125 .. 131
    got = query_of(simulate, 2, (2, (offset * 2).tolist(), 1), rows)
    exact = 2 * rows.astype(int) + offset
    assert {-131, -130, -129, -128, 128, 129, 130} <= set(exact.ravel().tolist())
    assert np.array_equal(got, np.clip(exact, -127, 127))


def test_halves_are_rounded_up_not_cut(simulate: Simulate) -> None:
    rows, size = every_int8(), BUILDS[NARROW].shape.hidden
    got = query_of(simulate, 1, (1, [0] * size, 1), rows)
    assert np.array_equal(got, np.floor(rows / 2 + 0.5).astype(int))
    assert not np.array_equal(got, np.floor(rows / 2)) and (rows % 2 == 1).any()


def test_what_is_beyond_int8_saturates(simulate: Simulate) -> None:
    """Query, key and value leave int8 by up to 2**26 steps: a cast would wrap nearly all."""
    rows = every_int8()
    got = query_of(simulate, 127, (LARGEST_MULTIPLIER, [0] * rows.shape[1], 1), rows)
    assert np.array_equal(got, 127 * np.sign(rows.astype(int)))


# Softmax: argmax for want of the scores' scale; a divisor of 27 for 8; masks ignored


def attention_inputs(index: int, sequence: int, seed: int = 5) -> dict[str, Array]:
    made: dict[str, Array] = random_inputs(BUILDS[index], "attention", sequence, seed)
    return made | {"mask": np.ones((1, sequence), np.uint8)}


def test_softmax_is_no_argmax(simulate: Simulate) -> None:
    """Equal scores mean the average of the values, and a step of the scale another mixture."""
    simulation, case = simulate(WIDE), layer_of(WIDE)
    heads = BUILDS[WIDE].shape.heads
    inputs = attention_inputs(WIDE, 7)
    level = changed(case, attention__scores_multiplier=[0] * heads)
    sharp = changed(
        case,
        attention__scores_multiplier=[LARGEST_MULTIPLIER] * heads,
        attention__scores_shift=1,
    )
    made = [made_by(simulation, "attention", one, inputs) for one in (level, case, sharp)]
    assert not np.array_equal(made[0], made[1]) and not np.array_equal(made[1], made[2])
    averaged = reference(simulation, "attention", level, inputs)
    assert len(np.unique(averaged["context"], axis=1)[0]) == 1  # the same for every query
    share = reference(simulation, "attention", case, inputs)["exponential"].astype(float)
    assert (share.max(-1) < 0.9 * share.sum(-1)).any(), "this layer must not be an argmax"


@pytest.mark.parametrize("index", [WIDE, NARROW])
def test_another_divisor_of_the_scores_is_another_result(simulate: Simulate, index: int) -> None:
    simulation, case = simulate(index), layer_of(index)
    right = case.leaves["attention.scores_multiplier"]
    wrong = changed(case, attention__scores_multiplier=[one * 8 // 27 for one in right])
    inputs = attention_inputs(index, 7)
    made = made_by(simulation, "attention", case, inputs)
    assert not np.array_equal(made, reference(simulation, "attention", wrong, inputs)[
        "attention_output"
    ])  # fmt: skip


def test_each_head_has_its_own_scale(simulate: Simulate) -> None:
    simulation, case = simulate(WIDE), layer_of(WIDE)
    inputs = attention_inputs(WIDE, 7)
    first = case.leaves["attention.scores_multiplier"][0]
    heads = BUILDS[WIDE].shape.heads
    wrong = changed(case, attention__scores_multiplier=[first] * heads)
    made = made_by(simulation, "attention", case, inputs)
    other = reference(simulation, "attention", wrong, inputs)["attention_output"]
    assert not np.array_equal(made, other)


@pytest.mark.parametrize("index", [WIDE, NARROW])
def test_padding_does_not_attend(simulate: Simulate, index: int) -> None:
    """Real rows are those of the sequence alone, whatever the masked tokens hold."""
    simulation, case = simulate(index), layer_of(index, sequence=9)
    hidden = case.arrays()[0]
    mask = np.array([[1] * 5 + [0] * 4], np.uint8)
    params = case.parameters()
    alone = {"hidden": hidden[:, :5], "mask": mask[:, :5]}
    expected = simulation.run_top("layer", params, alone)["output"]
    for seed in (1, 2):
        padded = hidden.copy()
        top = np.iinfo(hidden.dtype).max
        noise = np.random.default_rng(seed).integers(-top, top + 1, padded[:, 5:].shape)
        padded[:, 5:] = noise
        made = simulation.run_top("layer", params, {"hidden": padded, "mask": mask})
        assert np.array_equal(made["output"][:, :5], expected)
        assert np.array_equal(made["mask"], mask)
    ignored = simulation.run_top("layer", params, {"hidden": padded, "mask": mask | 1})["output"]
    assert not np.array_equal(ignored[:, :5], expected)


@pytest.mark.parametrize("sequence", [1, 2, 16, 17, 63, 70])
def test_every_length_runs_on_one_build(simulate: Simulate, sequence: int) -> None:
    case = layer_of(WIDE, sequence, sequence)
    tensors = tensors_of(WIDE, case)
    made = simulate(WIDE).run_top("layer", case.parameters(), tensors)
    assert np.array_equal(made["output"], tensors["output"])


# The cascade: stages that are no closed integer pipeline


@pytest.mark.parametrize("index", [WIDE, NARROW])
def test_four_tops_in_a_row_are_the_layer_and_two_boards_as_well(
    simulate: Simulate, index: int
) -> None:
    """Packet by packet: what one top writes is what the next one reads."""
    simulation, case = simulate(index), layer_of(index)
    params = case.parameters()
    tensors = tensors_of(index, case)
    hidden, *rest = simulation.packets("layer", params, tensors, 0)
    qkv, attention, intermediate, output = rest

    def run(top: str, *packets: Array) -> Array:
        return simulation.run(top, 7, packets)

    middle = run("attention", run("qkv", hidden, qkv), hidden, attention)
    end = run("output", run("intermediate", middle, intermediate), middle, output)
    assert np.array_equal(end, run("layer", hidden, *rest))
    half = run("board_a", hidden, qkv, attention)
    assert np.array_equal(half, middle)
    assert np.array_equal(run("board_b", half, intermediate, output), end)


# The test itself: 7 different rows, no negative number, exit code 0 on FAILED


@pytest.mark.parametrize("index", [WIDE, NARROW])
def test_our_vectors_have_distinct_rows_of_both_signs(index: int) -> None:
    for name in ("longest", "near scores, holes", "tables"):
        tensors = tensors_of(index, hard_cases(BUILDS[index])[name])
        for tensor in ("query", "key", "value", "attention_output", "output"):
            rows = tensors[tensor][0]
            assert len(np.unique(rows, axis=0)) > 0.6 * len(rows), (name, tensor)
            assert 0.2 < np.mean(rows < 0) < 0.8, (name, tensor)


def test_a_mismatch_is_not_exit_code_0(simulate: Simulate, tmp_path: Path) -> None:
    build = BUILDS[4]
    simulate(4)
    case = random_case(1, "plain", build.shape, 1, 5)
    folder = write_folder(tmp_path / "packets", build, [case])
    program = build_testbench(build.config(), build.engine)

    def answer() -> tuple[int, str]:
        done = subprocess.run([program, folder], capture_output=True, text=True)
        return done.returncode, done.stdout

    assert answer()[0] == 0
    output = folder / "layer00/sequence000/output.bin"
    wrong = bytearray(output.read_bytes())
    wrong[-1] ^= 1
    output.write_bytes(wrong)
    code, text = answer()
    assert code == 1 and "output[0, 4, 15] expected" in text
