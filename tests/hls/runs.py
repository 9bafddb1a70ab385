"""Runs of tops: packets in, and the packet that the integer layer says must come out.

A run needs no numpy once it is written to a file: `replay.py` repeats it in a process of its own,
which may crash or hang.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from strategies import Case
from stream_oracle import Build

from transfab.quant.bert.layer import STAGES, run_layer, run_stage
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.parameters import pack_parameters
from transfab.quant.contract.tops import TENSORS as ACTIVATIONS
from transfab.quant.contract.tops import TOPS, pack_activation
from transfab.quant.engine import build_hash
from transfab.quant.intmath import Array

REPLAY = Path(__file__).with_name("replay.py")
Tensors = Mapping[str, Array]


@dataclass(frozen=True)
class Run:
    """One sequence through one top."""

    name: str
    top: str
    sequence: int
    inputs: tuple[Beats, ...]
    expected: Beats


def run_of(build: Build, case: Case, top: str, tensors: Tensors) -> Run:
    """The run of a top on the first sequence of a batch of the layer's tensors.

    tensors  inputs and outputs of the top, (B, S, ...) each
    """
    config, params = build.config(), case.parameters()
    first = {name: tensor[0] for name, tensor in tensors.items()}
    inputs = [
        *(pack_activation(config, build.engine, name, first) for name in TOPS[top].activations),
        *(pack_parameters(config, build.engine, stage, params) for stage in TOPS[top].stages),
    ]
    expected = pack_activation(config, build.engine, TOPS[top].output, first)
    name = f"{case.name} {top} of {len(first['mask'])}"
    return Run(name, top, len(first["mask"]), tuple(inputs), expected)


def layer_tensors(build: Build, case: Case) -> dict[str, Array]:
    """Every tensor of a case, by the integer layer."""
    return run_layer(build.config(), case.parameters(), *case.arrays())


def layer_run(build: Build, case: Case, top: str) -> Run:
    """The run of a top whose inputs are those of the layer on the case's input."""
    return run_of(build, case, top, layer_tensors(build, case))


def stage_run(build: Build, case: Case, stage_name: str, inputs: Tensors) -> Run:
    """The run of a stage on inputs of its own; `inputs` has a mask as well."""
    stage = next(one for one in STAGES if one.name == stage_name)
    params = getattr(case.parameters(), stage_name)
    made = run_stage(build.config(), stage, params, inputs)
    return run_of(build, case, stage_name, dict(inputs) | made)


def with_noise(build: Build, run: Run) -> Run:
    """The same run with other bytes where its activations are padded: they must not count."""
    config, shape = build.config(), build.shape
    channels = dict.fromkeys(("query", "key", "value"), (shape.hidden, "int8"))
    channels |= {"intermediate": (shape.feed_forward, "int8")}
    stream = (shape.hidden, f"int{shape.residual_bits}")
    full = {"mask": np.full(run.sequence, 255, np.uint8)}
    for packet in TOPS[run.top].activations:
        for name in set(ACTIVATIONS[packet]) - {"mask"}:
            size, kind = channels.get(name, stream)
            full[name] = np.full((run.sequence, size), -1, kind)
    noise = np.random.default_rng(run.sequence)
    inputs = list(run.inputs)
    for at, packet in enumerate(TOPS[run.top].activations):
        padding = pack_activation(config, build.engine, packet, full) == 0
        inputs[at] = inputs[at].copy()
        inputs[at][padding] = noise.integers(1, 256, int(padding.sum()))
    return replace(run, name=f"{run.name} with noise", inputs=tuple(inputs))


def write(runs: Iterable[Run], file: Path) -> Path:
    """Runs as JSON for `replay`, in this order."""

    def text(beats: Beats) -> str:
        return np.ascontiguousarray(beats).tobytes().hex()

    made = [
        {
            "name": run.name,
            "top": run.top,
            "sequence": run.sequence,
            "width": run.expected.shape[1],
            "inputs": [text(one) for one in run.inputs],
            "expected": text(run.expected),
        }
        for run in runs
    ]
    file.write_text(json.dumps(made))
    return file


def replay(
    library: Path, runs: Path, timeout: float = 60, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run them one after the other, so that each finds what the last one left in static arrays.

    ->  return code 0 if every byte is as expected, else a line about the first that is not
    """
    command: list[Any] = [sys.executable, "-S", REPLAY, library, runs]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, env=environment or None
    )


def write_folder(folder: Path, build: Build, cases: Iterable[Case]) -> Path:
    """All packets of some layers as testbench/main.cpp reads them, a layer a case.

    cases  of one batch and one sequence length
    """
    config, engine = build.config(), build.engine
    lines = [f"build {build_hash(config, engine)}"]
    for number, case in enumerate(cases):
        tensors, params = layer_tensors(build, case), case.parameters()
        batch, sequence = tensors["mask"].shape
        if number == 0:
            lines += [f"batch {batch}", f"sequence {sequence}"]
        lines.append(f"layer {number}")
        layer = folder / f"layer{number:02d}"
        layer.mkdir(parents=True)
        for stage in STAGES:
            packet = pack_parameters(config, engine, stage.name, params)
            (layer / f"{stage.name}_parameters.bin").write_bytes(packet.tobytes())
        for index in range(batch):
            one = {name: tensor[index] for name, tensor in tensors.items()}
            (layer / f"sequence{index:03d}").mkdir()
            for name in ACTIVATIONS:
                packet = pack_activation(config, engine, name, one)
                (layer / f"sequence{index:03d}/{name}.bin").write_bytes(packet.tobytes())
    (folder / "index.txt").write_text("\n".join(lines) + "\n")
    return folder
