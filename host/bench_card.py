"""What the driver costs over XRT: round trips of 128 x 768 int8, an emulated card doing nothing.

`python -m transfab.host.bench_card REPETITIONS` in a process that sees one emulated card; the bench
starts that itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from transfab.host.bench import CONFIG, TOKENS, TOP
from transfab.host.boards import board_named
from transfab.host.card import emulated_memories
from transfab.host.emulated_card import EmulatedCard
from transfab.host.fabric.kernel import RunTop
from transfab.host.open import open_session
from transfab.host.open_card import missing_emulation
from transfab.host.place import parse_place
from transfab.host.xrt_board import XrtBoard
from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.packets import beats_of
from transfab.quant.engine import Engine
from transfab.quant.figure import Figure

PLACE: Final = "emulated-xrt:u280"
SECONDS: Final = 300


def make(description: Mapping[str, Any], index: int) -> EmulatedCard:
    """A card whose kernel gives zeros at once, in its device process."""
    return EmulatedCard(board_named("u280"), _nothing)


def _nothing(config: LayerConfig, engine: Engine, top: str) -> RunTop:
    answer = np.zeros((beats_of(config, engine, TOP.output, TOKENS), engine.beat_bytes), np.uint8)

    def run(top: str, sequence: int, packets: Sequence[Beats]) -> Beats:
        return answer

    return run


def bench_card(
    repetitions: int = 200, progress: Callable[[str], None] = lambda text: None
) -> list[Figure]:
    """Time the driver against copies there and back, in turn; nothing where XRT is missing.

    repetitions  int  timed round trips of each kind, at least 1
    """
    from transfab.host.xrt.emulation import environment
    from transfab.host.xrt.xclbin import Bank

    if lack := missing_emulation():
        progress(f"no round trips by XRT: {lack}")
        return []
    progress(f"{repetitions} round trips by XRT, and copies there and back, in turn")
    banks = [Bank(one.tag, one.base, one.size) for one in emulated_memories(board_named("u280"))]
    with tempfile.TemporaryDirectory(prefix="transfab-xrt-") as folder:
        variables = environment(Path(folder), f"{__name__}:make", 1, banks)
        variables["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        done = subprocess.run(
            [sys.executable, "-m", "transfab.host.bench_card", str(repetitions)],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            start_new_session=True,
        )
    if done.returncode:
        raise RuntimeError(f"the bench of XRT failed: {(done.stderr.splitlines() or ['?'])[-1]}")
    return [Figure(**figure) for figure in json.loads(done.stdout)]


def measure(repetitions: int) -> list[Figure]:
    """The figures, in a process that sees the card."""
    engine, draw = Engine(sequence=TOKENS), np.random.default_rng(1)
    given = {
        name: draw.integers(
            0, 256, (beats_of(CONFIG, engine, name, TOKENS), engine.beat_bytes)
        ).astype(np.uint8)
        for name in TOP.inputs
    }
    with open_session(CONFIG, engine, [parse_place(PLACE)]) as session:
        ((_, board),) = session.boards
        assert isinstance(board, XrtBoard)
        board.configure({name: given[name] for name in given if name.endswith("_parameters")})
        activations = {name: given[name] for name in TOP.activations}

        def driver() -> None:
            board.submit(TOKENS, activations)
            board.wait(10.0)

        plain = _plain(board, activations)
        times: dict[Callable[[], None], list[float]] = {driver: [], plain: []}
        for call in times:
            call()
        for _ in range(repetitions):
            for call, taken in times.items():
                start = time.perf_counter()
                call()
                taken.append(time.perf_counter() - start)
    ours, theirs = median(times[driver]), median(times[plain])
    return [
        Figure("xrt_round_trip_ms", round(ours * 1e3, 3), "ms"),
        Figure("xrt_copy_round_trip_ms", round(theirs * 1e3, 3), "ms"),
        Figure("xrt_driver_to_copy", round(ours / theirs, 3), "ratio"),
        Figure("xrt_least_round_trip_ms", round(min(times[driver]) * 1e3, 3), "ms"),
        Figure("xrt_runs", len(TOP.inputs) + 2, "compute units started a round trip"),
    ]


def _plain(board: XrtBoard, activations: Mapping[str, Beats]) -> Callable[[], None]:
    """The same bytes there and back by the package's own calls: no kernel, no mover."""
    to, back = board._xrt.xclBOSyncDirection
    buffers = [(board._movers[name].buffer, packet) for name, packet in activations.items()]

    def call() -> None:
        for buffer, packet in buffers:
            buffer.write(packet.reshape(-1), 0)
            buffer.sync(to, packet.nbytes, 0)
            buffer.sync(back, packet.nbytes, 0)
            buffer.read(packet.nbytes, 0)

    return call


if __name__ == "__main__":
    print(json.dumps([vars(figure) for figure in measure(int(sys.argv[1]))]))
