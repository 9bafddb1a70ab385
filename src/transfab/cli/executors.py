"""The executors that this machine can run, by the names that `--on` takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from transfab.hls.build import VARIANTS, executor_name
from transfab.hls.build import missing as missing_csim
from transfab.host.open import missing as missing_boards
from transfab.quant.executors import Executor, IntegerExecutor
from transfab.quant.native import available
from transfab.quant.native_executor import NativeExecutor
from transfab.sim.executor import KINDS
from transfab.sim.executor import missing as missing_simulation

# What runs unless `--on` says otherwise: ready in seconds.
USUAL: Final = ("integer", "native")
CSIM: Final = {executor_name(variant): variant for variant in VARIANTS}
EMULATED: Final = "emulated"
SIMULATION: Final = {str(kind): kind for kind in KINDS}


def missing() -> dict[str, str | None]:
    """Each executor's name and what it lacks here, None if it runs."""
    runs, reason = available()
    state = {"integer": None, "native": None if runs else reason}
    state |= {name: missing_csim(variant) for name, variant in CSIM.items()}
    state |= {kind: missing_simulation(kind) for kind in SIMULATION.values()}
    return state | {EMULATED: missing_csim("native") or missing_boards()}


def executors(
    names: str | None, threads: int, progress: Callable[[str], None] = lambda text: None
) -> list[Executor]:
    """The executors of a comma-separated list, by default the usual ones that run here.

    progress  is told what takes long

    Raises ValueError for a name that is unknown or cannot run here, saying what is missing.
    """
    state = missing()
    wanted = [n for n in USUAL if state[n] is None] if names is None else names.split(",")
    made: list[Executor] = []
    for name in dict.fromkeys(wanted):
        if name not in state:
            raise ValueError(f"--on must name some of {', '.join(state)}, not {name!r}")
        if lack := state[name]:
            raise ValueError(f"executor {name} cannot run here: {lack}")
        made.append(_executor(name, threads, progress))
    return made


def _executor(name: str, threads: int, progress: Callable[[str], None]) -> Executor:
    if name in CSIM:
        from transfab.hls.csim import CsimExecutor

        return CsimExecutor(CSIM[name], progress=progress)
    if name == EMULATED:
        from transfab.cli.boards import emulated

        return emulated(progress)
    if name in SIMULATION:
        from transfab.sim.executor import SimulationExecutor

        return SimulationExecutor(SIMULATION[name], progress=progress)
    return IntegerExecutor() if name == "integer" else NativeExecutor(threads=threads)
