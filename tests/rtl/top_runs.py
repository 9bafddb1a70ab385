"""Runs of a top, all sequences back to back through the C++ host, every byte compared."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
from hard_layers import hard_cases, random_inputs, stage_runs
from runs import Run, layer_run, stage_run
from strategies import random_case
from stream_oracle import Build

from transfab.quant.contract.tops import TOPS
from transfab.sim.model import Model

# No top of these sizes pauses for longer.
PATIENCE = 20_000
Stall = float | dict[str, float]


@functools.cache
def hard_runs(build: Build, top: str) -> tuple[Run, ...]:
    """The hard layers of `hard_layers` through a stage or a board."""
    if len(TOPS[top].stages) == 1:
        return stage_runs(build, top)
    return tuple(layer_run(build, case, top) for case in hard_cases(build).values())


@functools.cache
def short_runs(build: Build, top: str) -> tuple[Run, ...]:
    """Sequences of one and two tokens in turn: shorter than any pipeline, few cycles a pass."""
    made = []
    for seed, sequence in enumerate([2, 1, 1, 2, 2, 1, 2, 2, 2, 1]):
        case = random_case(seed, "plain", build.shape, 1, sequence)
        if len(TOPS[top].stages) == 1:
            inputs = random_inputs(build, top, sequence, seed)
            made.append(stage_run(build, case, top, inputs))
        else:
            made.append(layer_run(build, case, top))
    return tuple(made)


def first_difference(
    model: Model, runs: tuple[Run, ...], stall: Stall = 0.0, seed: int = 1
) -> str | None:
    """Where the runs, one sequence right behind the other, first differ from what is expected."""
    inputs = model.top.inputs
    packets = {name: [run.inputs[at] for run in runs] for at, name in enumerate(inputs)}
    sequences = [run.sequence for run in runs]
    made = model.run(sequences, packets, stall=stall, seed=seed, patience=PATIENCE)
    assert len(made.outputs) == len(runs)
    for run, output in zip(runs, made.outputs, strict=True):
        assert output.shape == run.expected.shape
        wrong = np.argwhere(output != run.expected)
        if len(wrong):
            beat, byte = wrong[0]
            expected, got = int(run.expected[beat, byte]), int(output[beat, byte])
            return f"{run.name}: beat {beat} byte {byte} must be {expected}, not {got}"
    return None


def attempts(build: Build, top: str) -> Iterator[tuple[tuple[Run, ...], Stall, int]]:
    """Runs, share of stalls and seed: from a port that never pauses to one that hardly moves.

    Last, the first input alone hardly moves: what waits for it waits for nothing else.
    """
    hard, short = hard_runs(build, top), short_runs(build, top)
    yield from ((short, 0.7, 1), (hard, 0.3, 2), (hard, 0.7, 3), (hard, 0.0, 4))
    yield from ((hard, 0.9, 5), (short, 0.5, 6), (short, 0.97, 7))
    yield hard, {TOPS[top].inputs[0]: 0.97}, 8
