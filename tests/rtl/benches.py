"""What tests of modules share: a bench runs, or is skipped by name where no simulator is."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from stream_oracle import BUILDS

from transfab.quant.config import LayerConfig
from transfab.quant.engine import Engine
from transfab.rtl.sources import SOURCES
from transfab.sim.bench import run_bench
from transfab.sim.verilator import missing

SMALL = BUILDS[4]
# Of a few rows, no power of two: full rings and both halves of the banks, in few cycles.
SHORT = dataclasses.replace(SMALL.engine, sequence=13)


def run(
    module: str,
    config: LayerConfig | None = None,
    engine: Engine | None = None,
    **arguments: Any,
) -> None:
    """`run_bench`, by default for a small build."""
    needs_simulator()
    run_bench(module, config or SMALL.config(), engine or SMALL.engine, **arguments)


def needs_simulator() -> None:
    if lack := missing():
        if os.environ.get("CI") == "true":
            raise RuntimeError(f"CI must have what simulation needs: {lack}")
        pytest.skip(f"simulation: {lack}")


def broken(folder: Path, module: str, old: str, new: str) -> tuple[Path, ...]:
    """Folders in which one text of a module is replaced."""
    text = (SOURCES / f"{module}.sv").read_text(encoding="utf-8")
    assert old in text
    (folder / f"{module}.sv").write_text(text.replace(old, new), encoding="utf-8")
    return folder, SOURCES
