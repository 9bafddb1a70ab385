"""Runs tops on the recorded packets of a bundle and compares every byte of what they write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from transfab.hls.build import executor_name
from transfab.hls.csim import CSimulation, top_of
from transfab.quant.bert.layer import LayerParameters, Tensors
from transfab.quant.bundle import Bundle
from transfab.quant.bundle_packets import layer_tensors
from transfab.quant.contract.tops import pack_activation
from transfab.quant.executors import Mismatch, first_difference


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
    config, engine, packet = simulation.config, simulation.engine, top_of(top).output
    batch, sequence = tensors["mask"].shape
    expected, got, milliseconds = [], [], []
    for index in range(batch):
        one = {name: tensor[index] for name, tensor in tensors.items()}
        expected.append(pack_activation(config, engine, packet, one))
        packets = simulation.packets(top, params, tensors, index)
        start = time.process_time()
        got.append(simulation.run(top, sequence, packets))
        milliseconds.append((time.process_time() - start) * 1e3)
    made = simulation.unpacked(packet, got, sequence)
    mismatches: list[Mismatch] = []
    # What is left when every tensor is as recorded is padding.
    for name, left, right in (
        *((name, tensors[name], tensor) for name, tensor in made.items()),
        ("packet", np.stack(expected), np.stack(got)),
    ):
        at = first_difference(left, right)
        if at is not None and (name != "packet" or not mismatches):
            executor = executor_name(simulation.variant)
            values = int(left[at]), int(right[at])
            mismatches.append(Mismatch(executor, layer, top, name, at, *values))
    integers = sum(tensor.size for tensor in made.values())
    return TopResult(layer, top, integers, tuple(mismatches), tuple(milliseconds))
