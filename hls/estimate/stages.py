"""Tops as lists of processes and queues, in the order of the dataflow: kernels/*.hpp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from transfab.hls.estimate import engines, operators, sections
from transfab.hls.estimate.loops import Build, Memory, Process
from transfab.quant.contract.beats import ceil_divide

BEAT_FLAG: Final = 1  # TLAST, beside the bytes of a beat


@dataclass(frozen=True)
class Stage:
    """Processes and queues of one part of a top: a stage, or the ports and forks around them."""

    name: str
    processes: tuple[Process, ...]
    queues: tuple[Memory, ...] = ()

    def process(self, name: str) -> Process:
        return next(one for one in self.processes if one.name == name)

    @property
    def slowest(self) -> Process:
        """The operator that sets the stage's interval."""
        return max(self.processes, key=lambda one: one.cycles)

    @property
    def product_cycles(self) -> int:
        """Steps of its matrix engines, one engine after the other."""
        return sum(one.product_cycles for one in self.processes)


def qkv(build: Build) -> Stage:
    hidden, channels = build["hidden"], 3 * build["hidden"]
    return Stage(
        "qkv",
        (
            sections.distribute_qkv(build),
            operators.narrow(build),
            engines.gemm_by_channel(build, "qkv", hidden, channels),
            operators.requantize_heads(build),
            operators.order_blocks(build, "qkv", channels, build["head_size"]),
        ),
        (_queue(build, "records", 2 * build.records(build["qkv_pe"])),),
    )


def attention(build: Build) -> Stage:
    heads, size, longest = build["heads"], build["head_size"], build["sequence"]
    return Stage(
        "attention",
        (
            sections.distribute_attention(build),
            sections.split_heads(build),
            sections.split_mask(build),
            engines.scores(build),
            operators.softmax(build),
            engines.context(build),
            engines.gemm_by_depth(build, "attention", build["hidden"], heads, size, size),
            operators.add_residual(build, "attention", 7),
            operators.normalize(build, 7),
        ),
        (
            _queue(build, "value", longest * build.beats(8, size)),
            _queue(build, "records", 2 * build.records(size)),
            _queue(build, "skip", build.residual_depth),
            _queue(build, "output_mask", build.beats(8, longest)),
        ),
    )


def intermediate(build: Build) -> Stage:
    pe, channels = build["intermediate_pe"], build["inner"]
    return Stage(
        "intermediate",
        (
            sections.distribute_intermediate(build),
            operators.narrow(build),
            engines.gemm_by_channel(build, "intermediate", build["hidden"], channels),
            operators.activate(build),
            operators.order_blocks(build, "intermediate", channels, build["beat_bytes"]),
        ),
        (_queue(build, "records", 4 * build.records(pe)),),
    )


def output(build: Build) -> Stage:
    width = build["beat_bytes"]
    blocks = ceil_divide(build["inner"], width)
    last = build["inner"] - (blocks - 1) * width
    return Stage(
        "output",
        (
            sections.distribute_output(build),
            engines.gemm_by_depth(build, "output", build["hidden"], blocks, width, last),
            operators.add_residual(build, "output", 5),
            operators.normalize(build, 5),
        ),
        (_queue(build, "mask", build.beats(8, build["sequence"])),),
    )


STAGES: Final[dict[str, Callable[[Build], Stage]]] = {
    "qkv": qkv,
    "attention": attention,
    "intermediate": intermediate,
    "output": output,
}
# Stages of each top.
TOPS: Final[dict[str, tuple[str, ...]]] = {
    **{name: (name,) for name in STAGES},
    "board_a": ("qkv", "attention"),
    "board_b": ("intermediate", "output"),
    "layer": tuple(STAGES),
}


def stages_of(build: Build, top: str) -> tuple[Stage, ...]:
    """The ports and forks of a top, then its stages; ValueError for another top."""
    if top not in TOPS:
        raise ValueError(f"top must be one of {', '.join(TOPS)}, not {top}")
    names = TOPS[top]
    residual = build.residual_beats
    heads = 3 * build["heads"] * build.rows * build.beats(8, build["head_size"])
    blocks = build.rows * ceil_divide(build["inner"], build["beat_bytes"])
    reads = [build[f"{name}_parameters_beats"] for name in names]
    # A stage alone reads its operand beside the residual packet, and writes its own packet.
    reads += [heads, residual] if names == ("attention",) else []
    reads += [blocks, residual] if names == ("output",) else []
    reads += [residual] if names[0] in ("qkv", "intermediate") else []
    writes = {"qkv": heads, "intermediate": blocks}.get(names[-1], residual)
    forks = len(names) // 2  # one for each pair of stages
    around = Stage(
        "ports",
        (
            *(sections.from_port(beats) for beats in reads),
            *(sections.fork(build) for _ in range(forks)),
            sections.to_port(writes),
        ),
        tuple(_queue(build, "skip", build.residual_depth) for _ in range(forks)),
    )
    return (around, *(STAGES[name](build) for name in names))


def _queue(build: Build, name: str, depth: int) -> Memory:
    return Memory(name, 1, depth, 8 * build["beat_bytes"] + BEAT_FLAG)
