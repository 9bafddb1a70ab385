"""Layers whose constants a test changes, on kernels that must stay equal to the integer layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from strategies import Case, random_case
from stream_oracle import BUILDS

from transfab.hls.csim import CSimulation
from transfab.quant.bert.layer import STAGES, run_layer, run_stage
from transfab.quant.intmath import Array

Simulate = Callable[..., CSimulation]
WIDE, NARROW = 0, 2  # of BUILDS: 16 and 8 bits of residual stream


def made_by(simulation: CSimulation, stage_name: str, case: Case, inputs: Any) -> Array:
    """The last output of a stage in C simulation, equal to the integer layer's in every bit."""
    stage = next(one for one in STAGES if one.name == stage_name)
    made = simulation.run_top(stage_name, case.parameters(), inputs)
    expected = reference(simulation, stage_name, case, inputs)
    for name in stage.outputs:
        assert np.array_equal(made[name], expected[name]), name
    return made[stage.outputs[-1]]


def reference(
    simulation: CSimulation, stage_name: str, case: Case, inputs: Mapping[str, Array]
) -> dict[str, Array]:
    stage = next(one for one in STAGES if one.name == stage_name)
    return run_stage(simulation.config, stage, getattr(case.parameters(), stage_name), inputs)


def changed(case: Case, **leaves: Any) -> Case:
    """The same layer with other constants; `leaves` have __ for a dot."""
    named = {name.replace("__", "."): value for name, value in leaves.items()}
    return dataclasses.replace(case, leaves=case.leaves | named)


def layer_of(index: int, seed: int = 3, sequence: int = 7, mode: str = "plain") -> Case:
    return random_case(seed, mode, BUILDS[index].shape, 1, sequence, mask=[[1] * sequence])


def tensors_of(index: int, case: Case) -> dict[str, Array]:
    return run_layer(BUILDS[index].config(), case.parameters(), *case.arrays())
