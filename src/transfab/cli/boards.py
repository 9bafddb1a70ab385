"""What emulated kernels compute, by the names that `--fabric` takes, and an executor on them."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from transfab.quant.packet_executor import PacketExecutor

if TYPE_CHECKING:
    from transfab.host.open import MakeRun
    from transfab.quant.config import LayerConfig
    from transfab.quant.contract.beats import Beats
    from transfab.quant.engine import Engine

FABRICS: Final = ("csim", "rtl")


def fabric(name: str, progress: Callable[[str], None]) -> MakeRun:
    """The kernels in C++ or the RTL in simulation, a build of each config and engine once.

    Raises ValueError for another name.
    """
    if name not in FABRICS:
        raise ValueError(f"--fabric must be one of {', '.join(FABRICS)}, not {name}")
    kept: dict[tuple[LayerConfig, Engine], Callable[[str, int, Sequence[Beats]], Beats]] = {}

    def make(config: LayerConfig, engine: Engine) -> Callable[[str, int, Sequence[Beats]], Beats]:
        if (config, engine) not in kept:
            if name == "csim":
                from transfab.hls.csim import CSimulation

                kept[config, engine] = CSimulation(config, engine, progress=progress).run
            else:
                from transfab.sim.executor import Simulation

                kept[config, engine] = Simulation(config, engine, progress=progress).run_packets
        return kept[config, engine]

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
