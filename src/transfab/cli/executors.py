"""The executors that this machine can run, by the names that `--on` takes."""

from __future__ import annotations

from transfab.quant.executors import Executor, IntegerExecutor
from transfab.quant.native import available
from transfab.quant.native_executor import NativeExecutor


def missing() -> dict[str, str | None]:
    """Each executor's name and what it lacks here, None if it runs."""
    runs, reason = available()
    return {"integer": None, "native": None if runs else reason}


def executors(names: str | None, threads: int) -> list[Executor]:
    """The executors of a comma-separated list, by default all that run here.

    Raises ValueError for a name that is unknown or cannot run here, saying what is missing.
    """
    state = missing()
    wanted = [n for n, lack in state.items() if lack is None] if names is None else names.split(",")
    made: list[Executor] = []
    for name in dict.fromkeys(wanted):
        if name not in state:
            raise ValueError(f"--on must name some of {', '.join(state)}, not {name!r}")
        if lack := state[name]:
            raise ValueError(f"executor {name} cannot run here: {lack}")
        made.append(IntegerExecutor() if name == "integer" else NativeExecutor(threads=threads))
    return made


def fastest(threads: int) -> Executor:
    """The native executor, or the definition itself where no compiler is."""
    return NativeExecutor(threads=threads) if available()[0] else IntegerExecutor()
