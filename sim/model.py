"""One top as a program: Verilated RTL and the C++ host of `harness/`, built once, run on packets.

rtl/*.sv + transfab_pkg -> Verilator -> g++ with harness/*.cpp -> one file of the cache
packets -> FOLDER/job.bin, {packet}.bin -> program -> output.bin, result.json -> packets
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.packets import beats_of
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import Engine
from transfab.quant.intmath import Array
from transfab.rtl.sources import SOURCES
from transfab.sim.model_build import Design, build_model

# More than a tile waits for the rows of the longest sequence, or a row for its operators.
PATIENCE: Final = 100_000
STALL_UNIT: Final = 1 << 16


@dataclass(frozen=True)
class SimulationResult:
    """What a top wrote for each sequence, and when.

    outputs  list of (beats, W) uint8
    cycles   int     from the first beat of any port to the last of the output, both counted
    seconds  float   CPU time of the simulation, one thread
    activity (N, 2) int64   a cycle, and the bits of the units (sim/activity.py) that work from
             then on; empty for what does not say
    spans    packet -> for each sequence the cycles of its first and last beat; 0 is the first
             cycle out of reset
    """

    outputs: list[Beats]
    cycles: int
    seconds: float
    spans: dict[str, list[tuple[int, int]]]
    activity: Array


class Model:
    """One top of one build.

    top       one of TOPS; its module is in `folders`, the first that has it wins
    progress  is told of a build
    waves     whether it can record them; a build of its own, slower

    `build_seconds` is what the build took now, near 0 when the cache had it. Raises ValueError for
    a top that is unknown or has no module, RuntimeError without a simulator, CompileError with the
    output of what failed.
    """

    def __init__(
        self,
        config: LayerConfig,
        engine: Engine,
        top: str,
        progress: Callable[[str], None] = lambda text: None,
        waves: bool = False,
        folders: tuple[Path, ...] = (SOURCES,),
        design: Design | None = None,
    ) -> None:
        if top not in TOPS:
            raise ValueError(f"top must be one of {', '.join(TOPS)}, not {top}")
        self.config, self.engine, self.top, self.waves = config, engine, TOPS[top], waves
        start = time.monotonic()
        self.design = design or Design.of_rtl(config, engine, top, folders)
        self.program = build_model(config, engine, self.top, self.design, waves, progress)
        self.build_seconds = time.monotonic() - start

    def run(
        self,
        sequences: Sequence[int],
        packets: Mapping[str, Sequence[Beats]],
        stall: float | Mapping[str, float] = 0.0,
        seed: int = 1,
        waves: Path | None = None,
        patience: int | None = None,
    ) -> SimulationResult:
        """Run sequences back to back, all ports offered from the first cycle on.

        sequences  S of each, in [1, engine.sequence]
        packets    name of Top.inputs -> a packet a sequence, (beats, W) uint8; the same object
                   may stand for several
        stall      share of cycles in [0, 1) in which a port offers or takes nothing, of every port,
                   or by the name of its packet: 0 where none is given
        seed       of the stalls and of registers before their first value
        waves      VCD file to write
        patience   cycles without a beat on any port until it fails, PATIENCE by default

        Raises ValueError for what the ports do not take, RuntimeError with the state of every port
        where the top gets stuck or breaks the protocol of a port or a register.
        """
        ports = *self.top.inputs, self.top.output
        given = stall if isinstance(stall, Mapping) else dict.fromkeys(ports, stall)
        if unknown := set(given) - set(ports):
            raise ValueError(f"stall must name ports of {', '.join(ports)}, not {min(unknown)}")
        shares = [given.get(port, 0.0) for port in ports]
        for share in shares:
            if not 0 <= share < 1:
                raise ValueError(f"stall must be in [0, 1), a share of cycles, not {share}")
        if waves is not None and not self.waves:
            raise ValueError("this model was built without waves: make it with waves=True")
        self._check(sequences, packets)
        output = [
            beats_of(self.config, self.engine, self.top.output, length) for length in sequences
        ]
        with tempfile.TemporaryDirectory(prefix="transfab-") as name:
            folder = Path(name)
            job = [seed % 2**31, patience or PATIENCE]
            job += [*(round(share * STALL_UNIT) for share in shares), len(sequences)]
            job += [*sequences, *output]
            for packet in self.top.inputs:
                job += _write(folder / f"{packet}.bin", packets[packet])
            (folder / "job.bin").write_bytes(np.array(job, "<i8").tobytes())
            result = self._execute(folder, waves)
            width = self.engine.beat_bytes
            made = np.fromfile(folder / "output.bin", np.uint8).reshape(-1, width)
            activity = np.fromfile(folder / "activity.bin", "<i8").reshape(-1, 2)
        spans = {port: [(a, b) for a, b in all_of] for port, all_of in result["spans"].items()}
        first = min(span[0][0] for span in spans.values())
        last = spans[self.top.output][-1][1]
        outputs = np.split(made, np.cumsum(output)[:-1])
        return SimulationResult(outputs, last - first + 1, result["seconds"], spans, activity)

    def _check(self, sequences: Sequence[int], packets: Mapping[str, Sequence[Beats]]) -> None:
        names, width = self.top.inputs, self.engine.beat_bytes
        if not sequences:
            raise ValueError("at least one sequence must be given")
        if set(packets) != set(names):
            raise ValueError(
                f"top {self.top.name} reads {', '.join(names)}, not {', '.join(packets)}"
            )
        for name, given in packets.items():
            if len(given) != len(sequences):
                raise ValueError(
                    f"packet {name} must be one a sequence, {len(sequences)}, not {len(given)}"
                )
            for packet, length in zip(given, sequences, strict=True):
                wanted = beats_of(self.config, self.engine, name, length), width
                if packet.shape != wanted or packet.dtype != np.uint8:
                    raise ValueError(
                        f"packet {name} of {length} tokens must be {wanted} uint8, "
                        f"not {packet.shape} {packet.dtype}"
                    )

    def _execute(self, folder: Path, waves: Path | None) -> dict[str, Any]:
        command = [str(self.program), str(folder)]
        command += [] if waves is None else [str(waves)]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        said = " ".join(done.stdout.split())
        file = folder / "result.json"
        if done.returncode or not file.is_file():
            raise RuntimeError(f"top {self.top.name} ended with status {done.returncode}: {said}")
        result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if result["failure"]:
            raise RuntimeError(f"top {self.top.name}: {result['failure']} {said}".rstrip())
        return result


def _write(path: Path, packets: Sequence[Beats]) -> list[int]:
    """Write each different packet once; returns the first beat and the beats of each."""
    places: dict[int, int] = {}
    beats, job = 0, []
    with path.open("wb") as file:
        for packet in packets:
            if id(packet) not in places:
                places[id(packet)] = beats
                file.write(np.ascontiguousarray(packet).tobytes())
                beats += len(packet)
            job += [places[id(packet)], len(packet)]
    return job
