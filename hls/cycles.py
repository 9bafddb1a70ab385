"""Estimated cycles, products and memories of a top: arithmetic on the kernels' own loops.

    trips and entries of every labelled loop  ->  cycles of an operator  ->  the slowest operator of
    a stage is its interval; blocks that follow one another are its latency

Trips are exact (tests compare them with a compiled run). What a schedule adds is assumed, so every
figure says that it is estimated; only a synthesis report can confirm one.
"""

from __future__ import annotations

from dataclasses import dataclass

from transfab.hls.estimate.latency import latency
from transfab.hls.estimate.loops import Memory, Process, build_of
from transfab.hls.estimate.resources import Dsp, block_halves, slices
from transfab.hls.estimate.stages import Stage, stages_of
from transfab.quant.config import LayerConfig
from transfab.quant.engine import Engine
from transfab.quant.figure import Figure


@dataclass(frozen=True)
class Estimate:
    """One top of a kernel build on sequences of one length.

    stages    tuple of Stage   "ports" first: what stands around the stages
    latency   int              cycles of one sequence
    products  int              of one sequence that a layer without copies needs
    """

    config: LayerConfig
    top: str
    rows: int
    stages: tuple[Stage, ...]
    latency: int
    products: int

    @property
    def processes(self) -> list[Process]:
        return [process for stage in self.stages for process in stage.processes]

    @property
    def slowest(self) -> Process:
        return max(self.processes, key=lambda process: process.cycles)

    @property
    def interval(self) -> int:
        """Cycles between sequences: those of the slowest operator."""
        return self.slowest.cycles

    @property
    def units(self) -> int:
        """Products a cycle of all matrix engines."""
        return sum(process.units for process in self.processes)

    @property
    def ideal_share(self) -> float:
        """Useful products over those that the engines could do in an interval."""
        return self.products / (self.units * self.interval)

    def slices(self, dsp: Dsp, packed: bool = True) -> int:
        """DSP slices; packed: two int8 products share one where the slice can."""
        return slices(dsp, self.processes, packed)

    @property
    def memory_bits(self) -> int:
        """Of all arrays and queues, registers among them."""
        return sum(memory.bits for memory in self._memories)

    @property
    def blocks(self) -> float:
        """Block memories of 36 Kb."""
        return sum(map(block_halves, self._memories)) / 2

    @property
    def _memories(self) -> list[Memory]:
        arrays = [memory for process in self.processes for memory in process.memories]
        return arrays + [queue for stage in self.stages for queue in stage.queues]

    def milliseconds(self, mhz: int) -> tuple[float, float]:
        """Interval and latency at a clock."""
        return self.interval / mhz / 1e3, self.latency / mhz / 1e3

    def figures(self, dsp: Dsp, mhz: int) -> list[Figure]:
        """All of the above, then products and cycles of each stage, cycles of each operator.

        mhz  clock, assumed
        """
        interval, latency = self.milliseconds(mhz)
        made: list[tuple[str, float, str]] = [
            ("interval", self.interval, "cycles"),
            ("latency", self.latency, "cycles"),
            ("interval_time", round(interval, 4), "ms"),
            ("latency_time", round(latency, 4), "ms"),
            ("ideal_share", round(self.ideal_share, 4), "share"),
            ("products", self.products, "products"),
            ("units", self.units, "products/cycle"),
            ("slices", self.slices(dsp), dsp.name),
            ("slices_unpacked", self.slices(dsp, packed=False), dsp.name),
            ("memory", self.memory_bits, "bits"),
            ("blocks", self.blocks, "BRAM36"),
        ]
        for stage in self.stages:
            if stage.product_cycles:
                made.append((f"{stage.name}.products", stage.product_cycles, "cycles"))
            made.append((f"{stage.name}.cycles", stage.slowest.cycles, "cycles"))
            for number, process in enumerate(stage.processes):
                # Ports and forks come several times: numbered in the order of the top.
                name = f"{process.name}{number}" if stage.name == "ports" else process.name
                made.append((f"{stage.name}.{name}", process.cycles, "cycles"))
        return [Figure(name, value, unit, "estimated") for name, value, unit in made]


def estimate(config: LayerConfig, engine: Engine, rows: int, top: str = "layer") -> Estimate:
    """Estimate a top of a build.

    rows  S, in [1, engine.sequence]
    top   one of TOPS

    Raises ValueError for a longer sequence or another top.
    """
    build = build_of(config, engine, rows)
    stages = stages_of(build, top)
    return Estimate(
        config,
        top,
        rows,
        stages,
        latency(build, top),
        needed(config, rows, {s.name for s in stages}),
    )


def needed(config: LayerConfig, rows: int, stages: set[str]) -> int:
    """Products of one sequence in these stages, without those of copies."""
    hidden, square = config.hidden, config.hidden**2
    of = {
        "qkv": 3 * rows * square,
        "attention": 2 * rows**2 * hidden + rows * square,
        "intermediate": rows * hidden * config.feed_forward,
        "output": rows * hidden * config.feed_forward,
    }
    return sum(count for name, count in of.items() if name in stages)
