"""Counts of every labelled loop of a top as g++ compiled it, by gcov: trips and entries.

A `for` at -O0 is one conditional branch: taken once a trip, not taken once an entry.
"""

from __future__ import annotations

import ctypes
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.codegen import cpp_header
from transfab.quant.contract.packets import beats_of
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import Engine
from transfab.quant.native.build import compiler

SOURCES = Path(__file__).resolve().parents[2] / "hls"
LABEL = re.compile(r"^\s*([A-Z][A-Z0-9_]*):$")
FUNCTION = re.compile(r"transfab::(\w+)[<(]")
Counts = dict[tuple[str, str], tuple[int, int]]


def missing() -> str | None:
    """What this machine lacks, or None."""
    if compiler() is None:
        return "no C++ compiler"
    return None if shutil.which("gcov") else "no gcov, which comes with gcc"


@dataclass(frozen=True)
class Counter:
    """An instrumented library of all tops."""

    folder: Path
    config: LayerConfig
    engine: Engine

    @classmethod
    def build(cls, folder: Path, config: LayerConfig, engine: Engine) -> Counter:
        command = compiler()
        assert command is not None
        (folder / "config.hpp").write_text(cpp_header(config, engine), encoding="utf-8")
        units = [SOURCES / "testbench/library.cpp", *sorted((SOURCES / "tops").glob("*.cpp"))]
        # As one unit: each kernel is compiled once.
        (folder / "tops.cpp").write_text("".join(f'#include "{unit}"\n' for unit in units))
        flags = ["-std=c++17", "-O0", "--coverage", "-fPIC", "-shared", "-w", f"-I{folder}"]
        subprocess.run([*command, *flags, "tops.cpp", "-o", "tops.so"], cwd=folder, check=True)
        return cls(folder, config, engine)

    def counts(self, top: str, packets: Mapping[str, Beats], sequence: int) -> Counts:
        """Trips and entries of each labelled loop, by function and label, of one run of a top."""
        for old in self.folder.glob("*.gcda"):
            old.unlink()
        names = TOPS[top].inputs
        np.savez(self.folder / "inputs.npz", *(packets[name] for name in names))
        out = beats_of(self.config, self.engine, TOPS[top].output, sequence)
        arguments = [str(self.folder), top, str(sequence), str(out * self.engine.beat_bytes)]
        subprocess.run([sys.executable, __file__, *arguments], check=True)
        return self._read()

    def _read(self) -> Counts:
        data = sorted(path.name for path in self.folder.glob("*.gcda"))
        command = ["gcov", "--json-format", "--branch-probabilities", "--stdout", *data]
        done = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True)
        found: dict[tuple[str, str], list[int]] = {}
        for report in map(json.loads, done.stdout.splitlines()):
            for file in report["files"]:
                if Path(file["file"]).parent.name not in ("kernels", "include"):
                    continue
                labels = labelled(Path(file["file"]))
                names = {one["name"]: one["demangled_name"] for one in file["functions"]}
                for line in file["lines"]:
                    label = labels.get(line["line_number"])
                    branches = without_throws(line["branches"])
                    if label and branches:
                        match = FUNCTION.search(names[line["function_name"]])
                        assert match, names[line["function_name"]]
                        counts = sorted(branches, key=lambda one: one["fallthrough"])
                        assert len(counts) == 2, (label, line)
                        total = found.setdefault((match[1], label), [0, 0])
                        for i, one in enumerate(counts):
                            total[i] += one["count"]
        return {key: (trips, entries) for key, (trips, entries) in found.items() if entries}


def labelled(path: Path) -> dict[int, str]:
    """Line of each labelled `for`, and its label."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {
        number + 2: match[1] for number, text in enumerate(lines) if (match := LABEL.match(text))
    }


def without_throws(branches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Branches, which come in pairs, less those of calls that might throw."""
    pairs = [branches[i : i + 2] for i in range(0, len(branches), 2)]
    return [one for pair in pairs if not any(half["throw"] for half in pair) for one in pair]


def run(folder: Path, top: str, sequence: int, size: int) -> None:
    """Run a top once in this process, whose end writes the counts."""
    with np.load(folder / "inputs.npz") as arrays:
        inputs = [np.ascontiguousarray(arrays[name]) for name in arrays.files]
    out, error = np.zeros(size, np.uint8), ctypes.create_string_buffer(256)
    pointers = (ctypes.c_void_p * len(inputs))(*(one.ctypes.data for one in inputs))
    beats = (ctypes.c_int64 * len(inputs))(*(len(one) for one in inputs))
    call = ctypes.CDLL(str(folder / "tops.so")).TransfabRunTop
    call.restype = ctypes.c_bool
    width = inputs[0].shape[1]
    done = call(
        top.encode(), ctypes.c_int64(sequence), pointers, beats,
        ctypes.c_void_p(out.ctypes.data), ctypes.c_int64(size // width), error,
        ctypes.c_size_t(len(error)),
    )  # fmt: skip
    if not done:
        sys.exit(error.value.decode())


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
