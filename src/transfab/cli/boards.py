"""What emulated kernels compute, by the names that `--fabric` takes, and an executor on them."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from transfab.quant.packet_executor import PacketExecutor

if TYPE_CHECKING:
    from transfab.hls.csim import CSimulation
    from transfab.host.fabric.kernel import RunTop
    from transfab.host.open import MakeRun
    from transfab.quant.config import LayerConfig
    from transfab.quant.engine import Engine
    from transfab.sim.executor import Simulation

FABRICS: Final = ("csim", "rtl")


def fabric(name: str, progress: Callable[[str], None]) -> MakeRun:
    """The kernels in C++ or the RTL in simulation, a build of each config and engine once.

    Raises ValueError for another name.
    """
    if name not in FABRICS:
        raise ValueError(f"--fabric must be one of {', '.join(FABRICS)}, not {name}")
    kernels: dict[tuple[LayerConfig, Engine], CSimulation] = {}
    simulations: dict[tuple[LayerConfig, Engine], Simulation] = {}

    def make(config: LayerConfig, engine: Engine, top: str) -> RunTop:
        build = config, engine
        if name == "csim":
            from transfab.hls.csim import CSimulation

            if build not in kernels:
                kernels[build] = CSimulation(config, engine, progress=progress)
            return kernels[build].run
        from transfab.sim.executor import Simulation

        if build not in simulations:
            simulations[build] = Simulation(config, engine, progress=progress)
        # Built now: no run waits for it.
        simulations[build].model(top)
        return simulations[build].run_packets

    return make


def emulated(
    progress: Callable[[str], None] = lambda text: None, engine: Engine | None = None
) -> PacketExecutor:
    """The executor on four emulated boards, a stage each, driven by pynq; C++ kernels inside."""
    from transfab.host.open import open_session
    from transfab.host.place import parse_place
    from transfab.host.session import SessionRunner
    from transfab.quant.engine import Engine

    # The boards of the last config stay until the next one, or the end.
    used, stack = engine or Engine(), ExitStack()
    atexit.register(stack.close)

    def make(config: LayerConfig) -> SessionRunner:
        stack.close()
        places = [parse_place("emulated")] * 4
        run = fabric("csim", progress)
        return SessionRunner(
            stack.enter_context(open_session(config, used, places, make_run=run, progress=progress))
        )

    return PacketExecutor("emulated", used, make)
