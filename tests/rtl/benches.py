"""What tests of modules share: a bench runs, or is skipped by name where no simulator is."""

from __future__ import annotations

import os
from typing import Any

import pytest
from stream_oracle import BUILDS

from transfab.quant.config import LayerConfig
from transfab.quant.engine import Engine
from transfab.sim.bench import run_bench
from transfab.sim.verilator import missing

SMALL = BUILDS[4]


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
