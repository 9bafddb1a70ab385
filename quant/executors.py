"""Executors: back ends that run one stage of a bundle, and the comparison of their bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from transfab.quant.bert.layer import STAGES, LayerParameters, Stage, Tensors, run_stage
from transfab.quant.bundle import Bundle, stage_file
from transfab.quant.config import LayerConfig
from transfab.quant.intmath import Array


class Executor(Protocol):
    """Runs a stage from its recorded inputs and its layer's parameters; returns tensors by name.

    It may return fewer tensors than a bundle holds at operator level, never fewer than the
    stage's outputs.
    """

    @property
    def name(self) -> str: ...

    def run(
        self, config: LayerConfig, stage: Stage, params: LayerParameters, inputs: Tensors
    ) -> Mapping[str, Array]: ...


@dataclass(frozen=True)
class IntegerExecutor:
    """The definition: numpy, one operator after the other, in int64."""

    name: str = "integer"

    def run(
        self, config: LayerConfig, stage: Stage, params: LayerParameters, inputs: Tensors
    ) -> Mapping[str, Array]:
        return run_stage(config, stage, getattr(params, stage.name), inputs)


@dataclass(frozen=True)
class Mismatch:
    """The first element of a tensor that differs."""

    executor: str
    layer: int
    stage: str
    tensor: str
    index: tuple[int, ...]
    expected: int
    got: int

    def __str__(self) -> str:
        where = ", ".join(str(i) for i in self.index)
        return (
            f"{self.executor}: layer {self.layer} stage {self.stage} tensor {self.tensor}"
            f"[{where}] expected {self.expected} got {self.got}"
        )


@dataclass(frozen=True)
class StageResult:
    """How one executor did on one stage."""

    executor: str
    layer: int
    stage: str
    tensors: int
    integers: int
    mismatches: tuple[Mismatch, ...]


def first_difference(expected: Array, got: Array) -> tuple[int, ...] | None:
    """Index of the first element, in C order, whose bytes differ.

    Raises ValueError when shapes or dtypes differ: then no element can be named.
    """
    if expected.shape != got.shape or expected.dtype != got.dtype:
        raise ValueError(f"must be {expected.shape} {expected.dtype}, not {got.shape} {got.dtype}")
    differs = np.flatnonzero(expected.reshape(-1) != got.reshape(-1))
    if not differs.size:
        return None
    return tuple(int(i) for i in np.unravel_index(int(differs[0]), expected.shape))


def compare(
    executor: str, layer: int, stage: Stage, expected: Tensors, got: Tensors
) -> StageResult:
    """Compare every tensor that both sides hold, outputs always, in order of computation."""
    if missing := [name for name in stage.outputs if name not in got]:
        raise ValueError(f"{executor} returned no {missing[0]} for stage {stage.name}")
    names = [name for name in expected if name in got]
    mismatches = []
    for name in names:
        try:
            index = first_difference(expected[name], got[name])
        except ValueError as err:
            raise ValueError(f"{executor}: stage {stage.name} tensor {name} {err}") from err
        if index is not None:
            values = int(expected[name][index]), int(got[name][index])
            mismatches.append(Mismatch(executor, layer, stage.name, name, index, *values))
    integers = sum(expected[name].size for name in names)
    return StageResult(executor, layer, stage.name, len(names), integers, tuple(mismatches))


def verify(
    bundle: Bundle,
    executors: list[Executor],
    progress: Callable[[str], None] = lambda text: None,
) -> list[StageResult]:
    """Run every stage of a bundle again on each executor and compare all recorded tensors."""
    results = []
    for layer in bundle.manifest.layers:
        params = bundle.layer_parameters(layer)
        for stage in STAGES:
            inputs = bundle.stage_inputs(layer, stage)
            expected = bundle.tensors(stage_file(layer, stage.name))
            for executor in executors:
                progress(f"layer {layer} {stage.name} on {executor.name}")
                got = executor.run(bundle.config, stage, params, inputs)
                results.append(compare(executor.name, layer, stage, expected, got))
    return results
