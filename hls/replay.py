"""Runs tops on the recorded packets of a bundle and compares every byte of what they write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from transfab.hls.build import executor_name
from transfab.hls.csim import CSimulation
from transfab.quant.bert.layer import LayerParameters, Tensors
from transfab.quant.bundle import Bundle
from transfab.quant.bundle_packets import layer_tensors
from transfab.quant.executors import Mismatch
from transfab.quant.packet_check import check_packets


@dataclass(frozen=True)
class TopResult:
    """How one top did on all sequences of one layer.

    integers      int                 compared
    mismatches    tuple of Mismatch   the first of each tensor, or of the packet's padding;
                                      `stage` is the top, an index into `packet` (b, beat, byte)
    milliseconds  tuple of float      CPU time of each run: one thread, so what it takes alone
    """

    layer: int
    top: str
    integers: int
    mismatches: tuple[Mismatch, ...]
    milliseconds: tuple[float, ...]


def replay(
    bundle: Bundle,
    simulation: CSimulation,
    tops: Iterable[str],
    progress: Callable[[str], None] = lambda text: None,
) -> list[TopResult]:
    """Run tops on every layer and sequence of a bundle.

    Raises ValueError for a bundle of another config than the simulation's, RuntimeError where a
    kernel takes or gives another number of beats.
    """
    if bundle.config != simulation.config:
        raise ValueError(
            f"the kernels compute config {simulation.config.hash}, not {bundle.config.hash} of "
            f"{bundle.folder}: build them for this bundle"
        )
    results = []
    for layer in bundle.manifest.layers:
        params, tensors = bundle.layer_parameters(layer), layer_tensors(bundle, layer)
        for top in tops:
            progress(f"layer {layer} top {top}, {simulation.variant} build")
            results.append(_replay(simulation, layer, top, params, tensors))
    return results


def _replay(
    simulation: CSimulation, layer: int, top: str, params: LayerParameters, tensors: Tensors
) -> TopResult:
    got, milliseconds = [], []
    batch, sequence = tensors["mask"].shape
    for index in range(batch):
        packets = simulation.packets(top, params, tensors, index)
        start = time.process_time()
        got.append(simulation.run(top, sequence, packets))
        milliseconds.append((time.process_time() - start) * 1e3)
    integers, mismatches = check_packets(
        simulation.config,
        simulation.engine,
        executor_name(simulation.variant),
        layer,
        top,
        tensors,
        got,
    )
    return TopResult(layer, top, integers, mismatches, tuple(milliseconds))
