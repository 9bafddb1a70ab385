"""What the driver costs: round trips of 128 x 768 int8 by pynq, the fabric doing nothing."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from transfab.host.open import open_session
from transfab.host.place import parse_place
from transfab.host.pynq_board import PynqBoard
from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.packets import beats_of
from transfab.quant.contract.registers import CONTROL_BITS as BITS
from transfab.quant.contract.registers import OFFSETS
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import Engine
from transfab.quant.figure import Figure

CONFIG = LayerConfig(768, 12, 3072, residual_bits=8)
TOKENS = 128
TOP = TOPS["layer"]
# Round trips over which memory must not grow.
MANY = 10_000


def bench_host(
    repetitions: int = 200,
    folder: Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Figure]:
    """Time the driver against the package's own calls, taken in turn in one run.

    repetitions  int  timed round trips of each kind, at least 1
    folder       of bitstreams, None for those that are made here
    """
    engine = Engine(sequence=TOKENS)
    draw = np.random.default_rng(1)
    given = {name: _packet(engine, name, draw) for name in TOP.inputs}
    answer = np.zeros_like(_packet(engine, TOP.output, draw))

    def nothing(top: str, sequence: int, packets: Sequence[Beats]) -> Beats:
        return answer

    places = [parse_place("emulated")]
    with open_session(CONFIG, engine, places, folder, lambda config, used, top: nothing) as session:
        ((_, board),) = session.boards
        assert isinstance(board, PynqBoard)
        board.configure({name: given[name] for name in given if name.endswith("_parameters")})
        activations = {name: given[name] for name in TOP.activations}

        def driver() -> None:
            board.submit(TOKENS, activations)
            board.wait(10.0)

        driver()
        plain = _plain(board)
        plain()
        progress(f"{repetitions} round trips by the driver and by pynq alone, in turn")
        times: dict[Callable[[], None], list[float]] = {driver: [], plain: []}
        for _ in range(repetitions):
            for call, taken in times.items():
                start = time.perf_counter()
                call()
                taken.append(time.perf_counter() - start)
        progress(f"{MANY} round trips, and what memory they leave")
        for _ in range(MANY // 10):
            driver()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(MANY):
            driver()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        weights = board.counters()["weight_bytes"]
    ours, theirs = median(times[driver]), median(times[plain])
    sent = sum(given[name].nbytes for name in TOP.activations)
    return [
        Figure("host_round_trip_ms", round(ours * 1e3, 3), "ms"),
        Figure("host_package_round_trip_ms", round(theirs * 1e3, 3), "ms"),
        Figure("host_driver_to_package", round(ours / theirs, 3), "ratio"),
        Figure("host_activation_bytes", sent, "bytes each way"),
        Figure("host_memory_growth_kib", grown, f"KiB over {MANY} round trips"),
        Figure("host_weight_bytes", weights, "bytes, sent once"),
    ]


def _packet(engine: Engine, name: str, draw: np.random.Generator) -> Beats:
    beats = beats_of(CONFIG, engine, name, TOKENS)
    made: Beats = draw.integers(0, 256, (beats, engine.beat_bytes)).astype(np.uint8)
    return made


def _plain(board: PynqBoard) -> Callable[[], None]:
    """The same transfers by the package's own calls: start, transfer and wait, nothing around."""
    kernel: Any = board._kernel
    receive, sends = board._receive, board._sends
    result = board._result.array
    parts = {name: part.array for (name, _), part in board._parts.items()}
    for name, part in board._weights.items():
        parts[name] = part.array
        # In memory already.
        part.array.coherent = True

    def call() -> None:
        receive.transfer(result)
        kernel.write(OFFSETS["sequence"], TOKENS)
        kernel.write(OFFSETS["control"], BITS["start"])
        for name, channel in sends.items():
            channel.transfer(parts[name])
        receive.wait()
        for channel in sends.values():
            channel.wait()
        kernel.write(OFFSETS["control"], BITS["continue"])

    return call
