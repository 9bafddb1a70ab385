"""Defects of an earlier implementation in residual sums and LayerNorms (see test_defects.py)."""

from __future__ import annotations

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
from strategies import Case
from stream_oracle import BUILDS

from transfab.quant.bert.layer import STAGES

pytestmark = pytest.mark.xdist_group("csim")

# Residual: added twice, in int8, taken from another tensor


@pytest.mark.parametrize("index", [WIDE, NARROW])
@pytest.mark.parametrize("stage", ["attention", "output"])
@pytest.mark.parametrize("times", ["never", "twice"])
def test_the_skip_input_is_added_once(
    simulate: Simulate, index: int, stage: str, times: str
) -> None:
    simulation, case = simulate(index), layer_of(index)
    tensors = tensors_of(index, case)
    made = made_by(simulation, stage, case, tensors)
    shift = case.leaves[f"{stage}.projection.skip_shift"]
    wrong = {
        "never": {f"{stage}__projection__skip_multiplier": [0] * BUILDS[index].shape.hidden},
        "twice": {f"{stage}__projection__skip_shift": shift + 1},
    }
    wrong_case = changed(case, **wrong[times])
    output = next(one for one in STAGES if one.name == stage).outputs[-1]
    assert not np.array_equal(made, reference(simulation, stage, wrong_case, tensors)[output])


@pytest.mark.parametrize("index", [WIDE, NARROW])
def test_the_skip_of_the_last_stage_is_the_input_that_it_gets(
    simulate: Simulate, index: int
) -> None:
    simulation, case = simulate(index), layer_of(index)
    tensors = tensors_of(index, case)
    made = made_by(simulation, "output", case, tensors)
    other = tensors | {"attention_output": tensors["attention_output"][:, ::-1]}
    assert not np.array_equal(made_by(simulation, "output", case, other), made)


@pytest.mark.parametrize("index", [WIDE, NARROW])
def test_residual_sums_are_wider_than_int8(simulate: Simulate, index: int) -> None:
    simulation, case = simulate(index), layer_of(index)
    tensors = tensors_of(index, case)
    for stage in ("attention", "output"):
        made_by(simulation, stage, case, tensors)
        sums = tensors[f"{stage}_sum"].astype(int)
        assert np.mean(np.abs(sums) > 127) > 0.5, "this layer must need more than int8"
        assert len(np.unique(np.clip(sums, -127, 127))) < len(np.unique(sums)) / 2


# LayerNorm: variance in int16, epsilon zero: a division by zero, an overflow


def row_layer(index: int, stage: str, row: list[int], epsilon: int) -> Case:
    """A layer whose residual sums are `row` in every token."""
    size = BUILDS[index].shape.hidden
    return changed(
        layer_of(index),
        **{
            f"{stage}__projection__multiplier": [0] * size,
            f"{stage}__projection__skip_multiplier": [0] * size,
            f"{stage}__projection__offset": [one << 4 for one in row],
            f"{stage}__projection__shift": 4,
            f"{stage}__layernorm__epsilon": epsilon,
        },
    )


ROWS = {
    "constant": lambda size: [1234] * size,
    "one step": lambda size: [5] * (size - 1) + [6],
    "tiny": lambda size: [channel % 3 - 1 for channel in range(size)],
    "large": lambda size: [(channel * 7919 % 401 - 200) * 100 for channel in range(size)],
    "largest": lambda size: [32767 if channel % 2 else -32767 for channel in range(size)],
}


@pytest.mark.parametrize("index", [WIDE, NARROW])
@pytest.mark.parametrize("stage", ["attention", "output"])
@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("epsilon", [1, 77, 1 << 20, (1 << 40) - 1])
def test_variances_of_every_size(
    simulate: Simulate, index: int, stage: str, kind: str, epsilon: int
) -> None:
    size = BUILDS[index].shape.hidden
    case = row_layer(index, stage, ROWS[kind](size), epsilon)
    tensors = tensors_of(index, case)
    assert (tensors[f"{stage}_sum"] == ROWS[kind](size)).all()
    made_by(simulate(index), stage, case, tensors)
    squares = tensors[f"{stage}_squares"].max() - epsilon
    smallest, largest = {"constant": (0, 0), "tiny": (1, 2 * size)}.get(kind, (0, 2**37))
    assert smallest <= squares <= largest
    if kind in ("large", "largest"):
        assert squares > 2**31, "this row must need more than int32"


@pytest.mark.parametrize("index", [WIDE, NARROW])
@pytest.mark.parametrize("stage", ["attention", "output"])
def test_epsilon_counts(simulate: Simulate, index: int, stage: str) -> None:
    made = []
    for epsilon in (1, 300):
        case = row_layer(index, stage, ROWS["tiny"](BUILDS[index].shape.hidden), epsilon)
        made.append(made_by(simulate(index), stage, case, tensors_of(index, case)))
    assert not np.array_equal(*made)
