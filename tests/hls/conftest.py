"""Kernel builds that tests of C simulation share, compiled once and kept in the user's cache, the
command line, and bundles with a wrong bit.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stream_oracle import BUILDS
from tiny_build import ENGINE, TINY, Flipped, Outcome, Run

from transfab.hls.build import Variant, missing
from transfab.hls.csim import CSimulation
from transfab.quant.executors import IntegerExecutor

Simulate = Callable[..., CSimulation]


@pytest.fixture(scope="session")
def simulate() -> Simulate:
    """`simulate(index, variant)`: one of BUILDS; skips where it cannot be built."""
    kept: dict[tuple[int, Variant], CSimulation] = {}

    def made(index: int, variant: Variant = "native") -> CSimulation:
        if lack := missing(variant):
            if os.environ.get("CI") == "true":
                raise RuntimeError(f"CI must have what C simulation needs: {lack}")
            pytest.skip(f"C simulation: {lack}")
        if (index, variant) not in kept:
            build = BUILDS[index]
            kept[index, variant] = CSimulation(build.config(), build.engine, variant)
        return kept[index, variant]

    return made


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run the command line in this process."""
    from transfab.cli import main

    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        lines = [line for line in captured.err.splitlines() if not line.startswith("[")]
        return Outcome(code, captured.out, lines)

    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def engine_file(simulate: Simulate, tmp_path: Path) -> Path:
    """The engine of a build that is there."""
    simulate(TINY)
    path = tmp_path / "engine.json"
    path.write_text(json.dumps(ENGINE.as_dict()))
    return path


@pytest.fixture
def flipped(make_bundle: Callable[..., Path], tmp_path: Path) -> Flipped:
    """A bundle, whole by its hashes, in which layer 1 records one wrong bit."""

    def make(stage_name: str, tensor: str, index: tuple[int, ...]) -> Path:
        run = IntegerExecutor.run
        layers = iter(range(2))

        def planted(self: Any, config: Any, stage: Any, params: Any, inputs: Any) -> Any:
            made = dict(run(self, config, stage, params, inputs))
            if stage.name == stage_name and next(layers) == 1:
                made[tensor] = made[tensor].copy()
                made[tensor][index] ^= 1
            return made

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(IntegerExecutor, "run", planted)
            return make_bundle(tmp_path / "flipped", level="stage", quick=True)

    return make
