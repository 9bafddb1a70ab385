"""One top compiled in a second, so that each of many mutants can be: the others are empty.

Without numpy's or the product's build cache: a mutant is used once.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stream_oracle import Build

from transfab.hls.ap_int import ap_int_headers
from transfab.hls.build import SOURCES
from transfab.quant.contract.codegen import cpp_header
from transfab.quant.native.build import compiler

FLAGS = ("-std=c++17", "-O1", "-w", "-fPIC")
DECLARATION = re.compile(r"^void \w+\([^;]*\);", re.MULTILINE)
WIDTH_TRUE = ("-DTRANSFAB_WIDTH_TRUE",)
COMMON = ("cstdint", "stdexcept", "string", "type_traits", "utility", "vector")
AMD = ("ap_int.h",)
Change = tuple[str, str, str]  # file below the sources, old text, new text


def changed(folder: Path, changes: Sequence[Change]) -> Path:
    """A copy of the kernel sources with texts replaced, each of which must be there once."""
    ignored = shutil.ignore_patterns("*.py", "__pycache__", "checks", "estimate", "scripts")
    sources = shutil.copytree(SOURCES, folder / "mutant", ignore=ignored)
    for file, old, new in changes:
        text = (sources / file).read_text()
        assert text.count(old) == 1, f"{file} must hold {old!r} once, not {text.count(old)} times"
        (sources / file).write_text(text.replace(old, new))
    return sources


@dataclass(frozen=True)
class QuickBuild:
    """What all mutants of a build share: its constants, the harness, empty tops.

    folder  of config.hpp and the objects
    flags   of every compilation
    """

    folder: Path
    flags: tuple[str, ...]

    @classmethod
    def make(cls, folder: Path, build: Build, width_true: bool = False) -> QuickBuild:
        """Compile the shared part into a folder; `missing` says what this needs."""
        (folder / "config.hpp").write_text(cpp_header(build.config(), build.engine))
        headers = ("-isystem", str(ap_int_headers())) if width_true else ()
        made = cls(folder, (*FLAGS, *(WIDTH_TRUE if width_true else ()), f"-I{folder}", *headers))
        # Most of a compilation is the headers of the library.
        common = folder / "common.hpp"
        common.write_text("".join(f"#include <{name}>\n" for name in COMMON + AMD * width_true))
        made.compile(common, folder / "common.hpp.gch", "-xc++-header")
        made = cls(folder, (*made.flags, "-include", str(common)))
        tops = (SOURCES / "tops/tops.hpp").read_text()
        empty = [one[:-1] + " {}" for one in DECLARATION.findall(tops)]
        assert len(empty) == 7
        weak = "\n".join(f'extern "C" __attribute__((weak)) {one}' for one in empty)
        (folder / "empty.cpp").write_text(f'#include "{SOURCES}/tops/tops.hpp"\n{weak}\n')
        made.compile(folder / "empty.cpp", folder / "empty.o")
        made.compile(SOURCES / "testbench/library.cpp", folder / "library.o")
        return made

    def compile(self, unit: Path, target: Path, *flags: str) -> None:
        command = compiler()
        assert command is not None
        self._run([*command, *self.flags, *flags, "-c", str(unit), "-o", str(target)])

    def library(self, sources: Path, top: str, folder: Path) -> Path:
        """The library of these sources in which one top is not empty."""
        made, target = folder / f"{top}.o", folder / f"{top}.so"
        self.compile(sources / f"tops/{top}.cpp", made)
        command = compiler()
        assert command is not None
        shared = [str(self.folder / name) for name in ("library.o", "empty.o")]
        self._run([*command, "-shared", "-o", str(target), str(made), *shared])
        return target

    @staticmethod
    def _run(command: list[str]) -> None:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}:\n{done.stderr}")
