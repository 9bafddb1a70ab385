"""Figures of the RTL: cycles of a BERT-base layer with seeded weights, the simulator's speed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from transfab.hls.bench import one_layer
from transfab.quant.bundle import Bundle
from transfab.quant.bundle_packets import layer_tensors
from transfab.quant.contract.tops import TOPS, pack_activation
from transfab.quant.engine import Engine
from transfab.quant.figure import Figure
from transfab.sim.activity import busy_cycles
from transfab.sim.executor import Simulation, missing
from transfab.sim.model import SimulationResult
from transfab.sim.plan import plans

# No clock is known without a placed design of this size: what published figures are given at.
ASSUMED_MHZ = 300


def bench_rtl(
    repetitions: int = 4,
    sequence: int = 128,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Figure]:
    """Simulate a layer and each stage alone, every output byte compared.

    repetitions  int  sequences one right behind the other, at least 3: cycles are those between
                      the ends of the last two
    sequence     int  tokens, in [1, 512]

    Raises ValueError without a simulator, or where a byte differs.
    """
    if lack := missing():
        raise ValueError(f"RTL simulation cannot run here: {lack}")
    if repetitions < 3:
        raise ValueError(
            f"repetitions must be at least 3, not {repetitions}: the first sequence fills the "
            "stages and the second may still wait for it"
        )
    engine, figures = Engine(), list[Figure]()
    with one_layer(sequence, progress) as bundle:
        simulation = Simulation(bundle.config, engine, progress=progress)
        planned = plans(bundle.config, engine, sequence)
        simulation.model("layer")
        seconds = round(simulation.build_seconds, 1)
        figures.append(Figure("rtl_layer_build_s", seconds, "s"))
        one = _run(bundle, simulation, "layer", 1)
        figures.append(Figure("rtl_layer_cpu_s", round(one.seconds, 2), "s"))
        figures.append(_cycles("rtl_layer_latency_cycles", one.cycles))
        many = _run(bundle, simulation, "layer", repetitions)
        units = sum(plan.units for plan in planned)
        interval = _interval(many, "layer")
        figures += [
            Figure("rtl_units", units, "products/cycle", "simulated"),
            _cycles("rtl_layer_interval_cycles", interval),
            Figure(
                f"rtl_layer_interval_ms_at_{ASSUMED_MHZ}_mhz",
                round(interval / ASSUMED_MHZ / 1e3, 3),
                "ms",
                "assumed",
            ),
            Figure("rtl_layer_latency_intervals", round(one.cycles / interval, 3), "", "simulated"),
            _share("rtl_layer_efficiency", sum(plan.products for plan in planned), units, interval),
            _share(
                "rtl_layer_efficiency_without_copies",
                sum(plan.model for plan in planned),
                units,
                interval,
            ),
        ]
        last = many.spans[TOPS["layer"].output][-1][1] + 1
        busy = busy_cycles("layer", many.activity, 0, last)
        figures += [
            _cycles(f"rtl_{stage}_{unit}_busy_cycles", round(count / repetitions))
            for (stage, unit), count in busy.items()
        ]
        for plan in planned:
            interval = _interval(_run(bundle, simulation, plan.stage, repetitions), plan.stage)
            figures.append(_cycles(f"rtl_{plan.stage}_interval_cycles", interval))
            figures.append(
                _share(f"rtl_{plan.stage}_efficiency", plan.products, plan.units, interval)
            )
    return figures


def _run(bundle: Bundle, simulation: Simulation, top: str, count: int) -> SimulationResult:
    """The bundle's one sequence `count` times; ValueError unless every byte is as recorded."""
    (layer,) = bundle.manifest.layers
    tensors = layer_tensors(bundle, layer)
    repeated = {name: np.repeat(tensor, count, axis=0) for name, tensor in tensors.items()}
    result = simulation.run(top, bundle.layer_parameters(layer), repeated)
    one = {name: tensor[0] for name, tensor in tensors.items()}
    expected = pack_activation(bundle.config, simulation.engine, TOPS[top].output, one)
    for number, made in enumerate(result.outputs):
        if not np.array_equal(made, expected):
            raise ValueError(f"top {top} differs from the bundle in sequence {number}")
    return result


def _interval(result: SimulationResult, top: str) -> int:
    spans = result.spans[TOPS[top].output]
    return spans[-1][1] - spans[-2][1]


def _cycles(name: str, value: int) -> Figure:
    return Figure(name, value, "cycles", "simulated")


def _share(name: str, products: int, units: int, interval: int) -> Figure:
    return Figure(name, round(100 * products / units / interval, 2), "%", "simulated")
