"""Figures of C simulation: a BERT-base layer with seeded weights, from an empty cache."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from transfab.hls.build import VARIANTS, Variant, executor_name, missing
from transfab.hls.csim import CSimulation
from transfab.hls.replay import replay
from transfab.quant.bert.layer import STAGES
from transfab.quant.bundle import Bundle, read_bundle
from transfab.quant.engine import Engine
from transfab.quant.figure import Figure

PRESET = "bert-base"


def bench_csim(
    repetitions: int = 10,
    sequence: int = 128,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Figure]:
    """Measure both variants: first build, the four stages one after the other, peak memory.

    repetitions  int  timed runs of each stage; a tenth of them, at least one, with ap_int
    sequence     int  tokens, in [1, 512]

    Times of stages are medians of CPU time, which is what one thread takes on an idle machine.
    Without AMD's headers the figures of width_true are left out.

    Raises ValueError without a compiler, or where a byte differs.
    """
    if lack := missing():
        raise ValueError(f"C simulation cannot run here: {lack}")
    figures = []
    with one_layer(sequence, progress) as bundle:
        for variant in VARIANTS:
            if lack := missing(variant):
                progress(f"{variant} left out: {lack}")
                continue
            runs = repetitions if variant == "native" else max(1, repetitions // 10)
            figures += _figures(bundle, variant, runs, progress)
        progress("running the stages in a process of their own, for its memory")
        peak = _transfab("csim", bundle.folder) / 1024
        figures.append(Figure("csim_peak_mb", round(peak, 1), "MB"))
    return figures


def _figures(
    bundle: Bundle, variant: Variant, repetitions: int, progress: Callable[[str], None]
) -> list[Figure]:
    name, start, before = executor_name(variant), time.perf_counter(), _children()
    simulation = CSimulation(bundle.config, Engine(), variant, progress)
    figures = [
        Figure(f"{name}_first_build_s", round(time.perf_counter() - start, 1), "s"),
        Figure(f"{name}_first_build_cpu_s", round(_children() - before, 1), "s"),
    ]
    stages = [stage.name for stage in STAGES]
    times: dict[str, list[float]] = {stage: [] for stage in stages}
    for _ in range(repetitions):
        for result in replay(bundle, simulation, stages):
            if result.mismatches:
                raise ValueError(str(result.mismatches[0]))
            times[result.top] += result.milliseconds
    medians = {stage: median(values) for stage, values in times.items()}
    figures += [Figure(f"{name}_{x}_ms", round(value, 2), "ms") for x, value in medians.items()]
    return [*figures, Figure(f"{name}_stages_ms", round(sum(medians.values()), 2), "ms")]


def _children() -> float:
    """CPU seconds of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _transfab(*arguments: object) -> int:
    """Run a command in a process of its own; returns its peak memory in KiB.

    Raises ValueError with its last line when it fails.
    """
    with tempfile.TemporaryFile("w+") as log:
        command = [sys.executable, "-m", "transfab", *map(str, arguments)]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        # Of this process alone: RUSAGE_CHILDREN knows the largest of all, a compiler say.
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            lines = log.read().strip().splitlines() or ["no output"]
            raise ValueError(f"transfab {arguments[0]} failed: {lines[-1]}")
    return used.ru_maxrss


@contextmanager
def one_layer(sequence: int, progress: Callable[[str], None]) -> Iterator[Bundle]:
    """A bundle of one seeded BERT-base layer of S tokens; builds go to an empty cache beside it."""
    with tempfile.TemporaryDirectory(prefix="transfab-") as name, _cache(Path(name) / "cache"):
        progress(f"writing a bundle of one {PRESET} layer, in its own process")
        # Words and two tokens around them.
        text = Path(name) / "text.txt"
        words = [f"word{number}" for number in range(max(1, sequence - 2))]
        text.write_text(" ".join(words), encoding="ascii")
        folder = Path(name) / "bundle"
        given = ["--random", PRESET, "--quick", "--text", text, "--sequence", sequence]
        _transfab("golden", *given, "--out", folder)
        yield read_bundle(folder)


@contextmanager
def _cache(folder: Path) -> Iterator[None]:
    """Builds go to a cache of their own, those of child processes as well."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before
