"""Simulates tops on the recorded packets of a bundle and compares every byte of what they write."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from transfab.quant.bert.layer import LayerParameters, Tensors
from transfab.quant.bundle import Bundle
from transfab.quant.bundle_packets import layer_tensors
from transfab.quant.executors import Mismatch
from transfab.quant.packet_check import check_packets
from transfab.sim.executor import Simulation
from transfab.sim.model import SimulationResult


@dataclass(frozen=True)
class SimulatedTop:
    """How one top did on all sequences of one layer, one right behind the other.

    integers    int                 compared
    mismatches  tuple of Mismatch   the first of each tensor, or of the packet's padding;
                                    `stage` is the top, an index into `packet` (b, beat, byte)
    result      what it wrote, and when
    """

    layer: int
    top: str
    integers: int
    mismatches: tuple[Mismatch, ...]
    result: SimulationResult


def replay(
    bundle: Bundle,
    simulation: Simulation,
    tops: Iterable[str],
    progress: Callable[[str], None] = lambda text: None,
) -> list[SimulatedTop]:
    """Run tops on every layer of a bundle.

    Raises ValueError for a bundle of another config than the simulation's, RuntimeError where a
    top gets stuck or breaks a protocol, with the state of its ports.
    """
    if bundle.config != simulation.config:
        raise ValueError(
            f"the simulation is of config {simulation.config.hash}, not {bundle.config.hash} of "
            f"{bundle.folder}: build it for this bundle"
        )
    chosen, results = list(tops), []
    for layer in bundle.manifest.layers:
        params, tensors = bundle.layer_parameters(layer), layer_tensors(bundle, layer)
        for top in chosen:
            progress(f"layer {layer} top {top}, {simulation.kind} simulation")
            results.append(_replay(simulation, layer, top, params, tensors))
    return results


def _replay(
    simulation: Simulation, layer: int, top: str, params: LayerParameters, tensors: Tensors
) -> SimulatedTop:
    config, engine = simulation.config, simulation.engine
    result = simulation.run(top, params, tensors)
    integers, mismatches = check_packets(
        config, engine, simulation.kind, layer, top, tensors, result.outputs
    )
    return SimulatedTop(layer, top, integers, mismatches, result)
