"""The program of one top: Verilator's C++ and the host of `harness/`, compiled into the cache."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transfab.quant.config import LayerConfig
from transfab.quant.contract.codegen import cpp_header, sv_package
from transfab.quant.contract.tops import Top
from transfab.quant.engine import Engine, build_hash
from transfab.quant.native.build import THIS_MACHINE, cached, compiler, run
from transfab.rtl.sources import GENERATED, SOURCES, sources_of
from transfab.sim.verilator import (
    AT_ONCE,
    PREFIX,
    design_hash,
    headers,
    includes,
    runtime,
    translate,
)

HARNESS: Final = Path(__file__).parent / "harness"
# Modules of tops whose packets have a name that is no module's.
MODULES: Final = {"output": "output_stage"}
FLAGS: Final = ("--x-initial", "unique", "--x-assign", "fast", "--output-split", "20000")
# Bytes of C++ that are compiled as one.
SMALL: Final = 400_000
CXX_FLAGS: Final = ("-std=c++17", "-O2", THIS_MACHINE)


@dataclass(frozen=True)
class Design:
    """What is simulated.

    module   name of the top module
    sources  files by path, each behind those that it names
    texts    file name, generated text: `.sv` in front of the sources, else what `cpp` includes
    cpp      C++ that the design calls
    flags    of the linker
    """

    module: str
    sources: tuple[Path, ...]
    texts: tuple[tuple[str, str], ...]
    cpp: tuple[Path, ...] = ()
    flags: tuple[str, ...] = ()

    @classmethod
    def of_rtl(
        cls,
        config: LayerConfig,
        engine: Engine,
        top: str,
        folders: tuple[Path, ...] = (SOURCES,),
    ) -> Design:
        """The RTL of a top, or of any module, for one build."""
        module = MODULES.get(top, top)
        package = (f"{GENERATED}.sv", sv_package(config, engine))
        return cls(module, tuple(sources_of(module, folders)), (package,))

    @classmethod
    def of_folder(cls, top: str, folder: Path) -> Design:
        """The Verilog of a folder, such as Vitis HLS exports for a kernel: all of its files.

        Raises ValueError where no file is called like the top's module.
        """
        module = MODULES.get(top, top)
        files = sorted(path for path in folder.rglob("*") if path.suffix in (".v", ".sv"))
        if module not in {path.stem for path in files}:
            raise ValueError(
                f"{folder} must hold {module}.v or {module}.sv, the module of top {top}: "
                "export the kernel's RTL there"
            )
        return cls(module, tuple(sorted(files, key=lambda path: "_pkg" not in path.stem)), ())

    def write(self, folder: Path) -> list[Path]:
        """Write the texts into a folder; the design's SystemVerilog in the order of reading."""
        for file, text in self.texts:
            (folder / file).write_text(text, encoding="utf-8")
        generated = [folder / file for file, _ in self.texts if file.endswith(".sv")]
        return [*generated, *self.sources]


def build_model(
    config: LayerConfig,
    engine: Engine,
    top: Top,
    design: Design,
    waves: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> Path:
    """The program that simulates a top, compiled first unless the cache has it.

    Raises CompileError with the output of what failed, RuntimeError without a simulator.
    """
    header = cpp_header(config, engine)
    flags = [*FLAGS, *["--trace"] * waves]
    harness = sorted(HARNESS.iterdir())
    texts = [*flags, *CXX_FLAGS, *design.flags, header, repr(top), repr(design.texts)]
    hashed = design_hash("model", texts, design.sources, [*harness, *design.cpp])

    def make(target: Path) -> None:
        progress(
            f"building {design.module} of {build_hash(config, engine)} with Verilator, up to "
            "minutes, once for each config, engine and version"
        )
        with tempfile.TemporaryDirectory(prefix="transfab-") as name:
            folder = Path(name)
            translate(design.module, design.write(folder), folder, flags)
            (folder / "config.hpp").write_text(header, encoding="utf-8")
            (folder / "ports.hpp").write_text(_ports(top, folder), encoding="utf-8")
            _compile(folder, target, design, waves)

    return cached(f"model-{design.module}-{hashed}", make)


def _compile(folder: Path, target: Path, design: Design, waves: bool) -> None:
    found = compiler()
    assert found is not None
    common = [*found, *CXX_FLAGS, *includes(waves), f"-I{folder}", f"-I{HARNESS}"]
    ready = [] if waves else ["-include", str(headers(CXX_FLAGS))]
    commands, objects = [], []
    for number, (parts, flags) in enumerate(_units(folder, design)):
        unit, into = folder / f"unit{number}.cpp", folder / f"unit{number}.o"
        lines = "".join(f'#include "{part.as_posix()}"\n' for part in parts)
        unit.write_text(lines, encoding="utf-8")
        commands.append([*common, *(flags or ready), "-c", "-o", str(into), str(unit)])
        objects.append(str(into))
    run(commands, AT_ONCE)
    flags = [*design.flags, "-pthread"]
    run([[*found, "-o", str(target), *objects, str(runtime(CXX_FLAGS, waves)), *flags]])
    target.chmod(0o755)


def _units(folder: Path, design: Design) -> list[tuple[list[Path], list[str]]]:
    """What g++ compiles as one: files, and flags of their own.

    A small model is one unit, since each reads the same headers again. Of others, what runs once
    (constructors, first values) is compiled fast.
    """
    model = sorted(folder.glob(f"{PREFIX}*.cpp"))
    host = [HARNESS / "main.cpp", *design.cpp]
    if sum(path.stat().st_size for path in model) < SMALL:
        return [([*model, *host], [])]
    slow = [path for path in model if "__Slow" in path.name]
    fast = sorted(set(model) - set(slow), key=lambda path: -path.stat().st_size)
    units: list[list[Path]] = []
    for path in fast:
        size = sum(part.stat().st_size for part in units[-1]) if units else SMALL
        if size + path.stat().st_size > SMALL:
            units.append([])
        units[-1].append(path)
    return [*((unit, []) for unit in units), (slow, ["-O0"]), (host, [])]


def _ports(top: Top, folder: Path) -> str:
    """C++ macros that name the packets of a top; TSTRB is what Vitis adds to a port."""
    model = (folder / f"{PREFIX}.h").read_text(encoding="utf-8")
    with_strb = re.search(r"\b\w+_TSTRB\b", model) is not None
    # The RTL's tops say what works in a cycle; what Vitis exports does not.
    inside = (folder / f"{PREFIX}___024root.h").read_text(encoding="utf-8")
    active = re.search(r"\b\w+__DOT__activity\b", inside)
    activity = f"top_->rootp->{active[0]}" if active else "0"
    strb = "reinterpret_cast<std::uint8_t*>(&top_->packet##_TSTRB)" if with_strb else "nullptr"
    return "\n".join(
        [
            "#pragma once",
            f"constexpr std::size_t kInputs = {len(top.inputs)};",
            f"#define TRANSFAB_INPUTS(PORT) {', '.join(f'PORT({name})' for name in top.inputs)}",
            f"#define TRANSFAB_OUTPUT(PORT) PORT({top.output})",
            f"#define TRANSFAB_STRB(packet) {strb}",
            f"#define TRANSFAB_ACTIVITY {activity}",
            "",
        ]
    )
