"""The kernels of one config and engine as a shared library or a program, compiled on first use.

    config.hpp (quant.contract.codegen) + tops/*.cpp + testbench/*.cpp -> one file of the cache

native      built-in integers, g++ -O3 for this processor: fast
width_true  AMD's ap_int of exactly each width: a width that is too small shows as wrong bits

The cache and its names are those of `quant.native.build`.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, get_args

from transfab.hls.ap_int import copy_headers, missing_headers, version
from transfab.quant.config import LayerConfig
from transfab.quant.contract.codegen import cpp_header
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import Engine, build_hash
from transfab.quant.native.build import (
    cached,
    compiler,
    fingerprint,
    for_this_machine,
    missing_compiler,
    run,
)

Variant = Literal["native", "width_true"]
VARIANTS: Final[tuple[Variant, ...]] = get_args(Variant)
SOURCES: Final = Path(__file__).parent
FLAGS: Final = (
    "-std=c++17",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wno-unknown-pragmas",
    "-Wno-unused-label",
    "-fPIC",
    "-fvisibility=hidden",
    # Or two builds in one process would share the static arrays of kernels of the same name.
    "-fno-gnu-unique",
)
VARIANT_FLAGS: Final[dict[Variant, tuple[str, ...]]] = {
    "native": ("-O3",),
    "width_true": (
        "-O2",
        "-DTRANSFAB_WIDTH_TRUE",
        # ap_int's constructors read the value that they set.
        "-Wno-uninitialized",
        "-Wno-maybe-uninitialized",
    ),
}
EXPORTS: Final = "{ global: TransfabRunTop; local: *; };\n"
AT_ONCE: Final = 2


def executor_name(variant: Variant) -> str:
    """What `--on` calls a variant."""
    return "csim" if variant == "native" else f"csim_{variant}"


def missing(variant: Variant = "native") -> str | None:
    """Why this variant cannot be built here, with the way out; None if it can."""
    if compiler() is None:
        return missing_compiler()
    return missing_headers() if variant == "width_true" else None


def build(
    config: LayerConfig,
    engine: Engine,
    variant: Variant = "native",
    progress: Callable[[str], None] = lambda text: None,
    sources: Path = SOURCES,
) -> ctypes.CDLL:
    """Load the library of all tops, compiling it first unless the cache has it.

    sources  folder of include, kernels, tops and testbench
    ->       a library with the one function `TransfabRunTop`, its names its own

    Raises RuntimeError without a compiler or ap_int.h, CompileError with the compiler's output.
    """
    target = _made(config, engine, variant, progress, sources, "kernels")
    return ctypes.CDLL(str(target), mode=os.RTLD_NOW | os.RTLD_LOCAL)


def build_testbench(
    config: LayerConfig,
    engine: Engine,
    variant: Variant = "native",
    progress: Callable[[str], None] = lambda text: None,
    sources: Path = SOURCES,
) -> Path:
    """The program of testbench/main.cpp with all tops, arguments and errors as in `build`."""
    return _made(config, engine, variant, progress, sources, "testbench")


def _made(
    config: LayerConfig,
    engine: Engine,
    variant: Variant,
    progress: Callable[[str], None],
    sources: Path,
    kind: Literal["kernels", "testbench"],
) -> Path:
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, not {variant}")
    command = compiler()
    if lack := missing(variant):
        raise RuntimeError(lack)
    assert command is not None
    flags = [*FLAGS, *VARIANT_FLAGS[variant]]
    texts = [
        path
        for folder in ("include", "kernels", "tops", "testbench")
        for path in (sources / folder).iterdir()
        if path.suffix in (".hpp", ".cpp")
    ]
    built, headers = build_hash(config, engine), version() if variant == "width_true" else ""
    hashed = fingerprint(command, [kind, built, headers, *flags, EXPORTS], texts)

    def make(target: Path) -> None:
        progress(
            f"building {variant} kernels {built} with {command[0]}, half a minute or more, once "
            "for each config, engine and version"
        )
        with tempfile.TemporaryDirectory(prefix="transfab-") as name:
            folder = Path(name)
            (folder / "config.hpp").write_text(cpp_header(config, engine), encoding="utf-8")
            (folder / "exports").write_text(EXPORTS, encoding="utf-8")
            common = [*command, *flags, f"-I{folder}"]
            common += ["-include", str(sources / "testbench" / "stages.hpp")]
            if variant == "width_true":
                common += ["-isystem", str(copy_headers(folder / "ap_types"))]
            units = _units(sources, folder, kind)
            link = [*command, "-o", str(target)]
            link += ["-shared", f"-Wl,--version-script={folder}/exports"] * (kind == "kernels")
            objects = [folder / f"{unit.stem}.o" for unit in units]

            def compile_with(machine: list[str]) -> None:
                commands = []
                for unit, into in zip(units, objects, strict=True):
                    makes = f"-DTRANSFAB_MAKES_{unit.stem.upper()}"
                    commands.append([*common, *machine, makes, "-c", "-o", str(into), str(unit)])
                run(commands, AT_ONCE)

            if variant == "native":
                for_this_machine(compile_with)
            else:
                compile_with([])
            run([[*link, *map(str, objects)]])
            if kind == "testbench":
                target.chmod(0o755)

    return cached(f"{kind}-{variant}-{hashed}{'.so' if kind == 'kernels' else ''}", make)


def _units(sources: Path, folder: Path, kind: str) -> list[Path]:
    """What is compiled: the top of each stage, and in one unit all that only calls these four."""
    stages = [name for name, top in TOPS.items() if len(top.stages) == 1]
    others = [f"tops/{name}.cpp" for name in TOPS if name not in stages]
    others += ["testbench/library.cpp", *["testbench/main.cpp"] * (kind == "testbench")]
    rest = folder / "rest.cpp"
    lines = [f'#include "{(sources / name).as_posix()}"\n' for name in others]
    rest.write_text("".join(lines), encoding="utf-8")
    return [*(sources / "tops" / f"{name}.cpp" for name in stages), rest]
