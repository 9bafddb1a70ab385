"""Runs the cocotb tests of a module, built for one config and engine.

`build_under_test` and its siblings are what a bench reads inside the simulation.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from transfab.quant.config import LayerConfig
from transfab.quant.engine import Engine
from transfab.rtl.sources import SOURCES

if TYPE_CHECKING:
    from transfab.sim.model_build import Design

BENCHES: Final = "transfab.sim.benches"
VARIABLE: Final = "TRANSFAB_BENCH"
LINES: Final = 60


def run_bench(
    module: str,
    config: LayerConfig,
    engine: Engine,
    parameters: Mapping[str, int] | None = None,
    bench: str | None = None,
    seed: int = 1,
    test_filter: str | None = None,
    values: Mapping[str, str] | None = None,
    folders: tuple[Path, ...] = (SOURCES,),
    design: Design | None = None,
) -> None:
    """Run the tests of a bench on a module.

    parameters   of the module
    bench        module of tests, `module`'s under transfab.sim.benches by default
    seed         of cocotb's random numbers and of registers before their first value
    test_filter  regular expression of tests by full name, all by default
    values       further environment of the bench
    folders      where modules are found, the first that has one wins
    design       another module behind the same ports, such as the kernels of `sim.shell`

    Raises AssertionError with what a failing test says, CompileError for code that does not
    compile, RuntimeError without a simulator.
    """
    # Not at the top: a bench that needs no numpy starts in half the time.
    from transfab.sim.bench_build import build_bench
    from transfab.sim.model_build import Design

    program = build_bench(design or Design.of_rtl(config, engine, module, folders), parameters)
    tests = bench or module
    with tempfile.TemporaryDirectory(prefix="transfab-") as name:
        folder = Path(name)
        given = {"config": config.as_dict(), "engine": engine.as_dict()}
        given |= {"parameters": dict(parameters or {})}
        environment = {
            **os.environ,
            **_cocotb(module, tests if "." in tests else f"{BENCHES}.{tests}"),
            "COCOTB_RANDOM_SEED": str(seed),
            "COCOTB_RESULTS_FILE": str(folder / "results.xml"),
            "COCOTB_TEST_FILTER": test_filter or "",
            VARIABLE: json.dumps(given),
            **(values or {}),
        }
        random = ["+verilator+rand+reset+2", f"+verilator+seed+{seed % (2**31 - 1) + 1}"]
        done = subprocess.run(
            [str(program), *random],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        failed = _failed(folder / "results.xml")
    if failed or done.returncode:
        what = ", ".join(failed) if failed else f"exit status {done.returncode}"
        said = "\n".join(done.stdout.splitlines()[-LINES:])
        raise AssertionError(f"bench {tests} of {module} {dict(parameters or {})}: {what}\n{said}")


def build_under_test() -> tuple[LayerConfig, Engine]:
    """The config and engine that the module under test was built for."""
    given = json.loads(os.environ[VARIABLE])
    return LayerConfig.from_dict(given["config"]), Engine.from_dict(given["engine"])


def parameters_under_test() -> dict[str, int]:
    """The parameters that `run_bench` was given for the module under test."""
    given: dict[str, int] = json.loads(os.environ[VARIABLE])["parameters"]
    return given


def _cocotb(module: str, tests: str) -> dict[str, str]:
    """What cocotb's interface to the simulator reads."""
    import find_libpython
    from cocotb_tools import config as cocotb

    return {
        "COCOTB_TOPLEVEL": module,
        "COCOTB_TEST_MODULES": tests,
        "TOPLEVEL_LANG": "verilog",
        # A written value is seen by the design only after the edge on which it was written.
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "COCOTB_ANSI_OUTPUT": "0",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{find_libpython.find_libpython()};{cocotb.pygpi_entry_point()}",
    }


def _failed(results: Path) -> list[str]:
    """Names of tests that did not pass; a run without results or without a test is one, too."""
    if not results.is_file():
        return ["the simulation ended without results"]
    cases = list(ElementTree.parse(results).iter("testcase"))
    if not cases:
        return ["no test ran"]
    bad = ("failure", "error", "skipped")
    return [case.get("name", "") for case in cases if any(case.find(x) is not None for x in bad)]
