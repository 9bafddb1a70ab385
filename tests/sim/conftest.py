"""The command line, a tiny bundle and its engine, for tests of simulation."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_build import ENGINE, Outcome, Run


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
def engine_file(tmp_path: Path) -> Path:
    path = tmp_path / "engine.json"
    path.write_text(json.dumps(ENGINE.as_dict()))
    return path


@pytest.fixture(scope="session")
def stage_bundle(
    make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Both layers at stage level, two texts of 5 and 3 tokens; not to be written to."""
    return make_bundle(tmp_path_factory.mktemp("simulated") / "bundle", level="stage")
