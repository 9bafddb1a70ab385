"""What emulated kernels compute, by the names that `--fabric` takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

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
