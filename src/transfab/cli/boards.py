"""What emulated kernels compute, by the names that `--fabric` takes, and an executor on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from transfab.quant.packet_executor import PacketExecutor

if TYPE_CHECKING:
    from transfab.hls.csim import CSimulation
    from transfab.host.fabric.kernel import MakeRun, RunTop
    from transfab.quant.bert.layer import LayerParameters, Tensors
    from transfab.quant.config import LayerConfig
    from transfab.quant.engine import Engine
    from transfab.quant.intmath import Array
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


class EmulatedBoards:
    """Four emulated boards, a stage each, driven by pynq; C++ kernels inside.

    They are there during a run only: nothing stays loaded behind it.
    """

    def __init__(
        self, config: LayerConfig, engine: Engine, progress: Callable[[str], None]
    ) -> None:
        self.config, self.engine, self.progress = config, engine, progress
        self._kernels = fabric("csim", progress)

    def run_top(self, top: str, params: LayerParameters, tensors: Tensors) -> Mapping[str, Array]:
        """As `transfab.quant.packet_executor.TopRunner` says."""
        from transfab.host.open import open_session
        from transfab.host.place import parse_place
        from transfab.host.session import SessionRunner

        places = [parse_place("emulated")] * 4
        with open_session(
            self.config, self.engine, places, make_run=self._kernels, progress=self.progress
        ) as session:
            return SessionRunner(session).run_top(top, params, tensors)


def emulated(
    progress: Callable[[str], None] = lambda text: None, engine: Engine | None = None
) -> PacketExecutor:
    """The executor on emulated boards."""
    from transfab.quant.engine import Engine

    used = engine or Engine()
    return PacketExecutor("emulated", used, lambda config: EmulatedBoards(config, used, progress))
