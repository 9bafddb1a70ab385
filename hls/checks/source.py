"""Kernel sources as clang's syntax tree: as C simulation compiles them, and as synthesis does."""

from __future__ import annotations

import functools
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from clang import cindex

from transfab.quant.config import LayerConfig
from transfab.quant.contract.codegen import cpp_header
from transfab.quant.engine import Engine
from transfab.quant.native.build import compiler, missing_compiler

SOURCES: Final = Path(__file__).parents[1]
FOLDERS: Final = ("include", "kernels", "tops")
# It stands for AMD's headers, and for the queue of C simulation.
VENDOR: Final = Path(__file__).parent / "vendor.hpp"
STOOD_FOR: Final = ("ap_int.h", "ap_axi_sdata.h", "hls_stream.h", "testbench/queue.hpp")
FUNCTIONS: Final = (
    cindex.CursorKind.FUNCTION_DECL,
    cindex.CursorKind.FUNCTION_TEMPLATE,
    cindex.CursorKind.CXX_METHOD,
    cindex.CursorKind.CONSTRUCTOR,
    cindex.CursorKind.DESTRUCTOR,
    cindex.CursorKind.CONVERSION_FUNCTION,
)
CONSTANTS: Final = (
    cindex.CursorKind.TEMPLATE_NON_TYPE_PARAMETER,
    cindex.CursorKind.ENUM_CONSTANT_DECL,
)

Cursor = Any  # clang.cindex has no types


class Finding(NamedTuple):
    """A place where kernel code is not synthesizable, by which rule, and what stands there."""

    file: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.text}"


@functools.cache
def normal(name: str) -> Path:
    """A file's path without the dots of the #include that named it."""
    return Path(os.path.normpath(name))


@dataclass(frozen=True)
class Unit:
    """One translation unit of all kernels and tops below `folder`."""

    folder: Path
    tree: Any

    def finding(self, cursor: Cursor, rule: str, text: str) -> Finding:
        return Finding(self._name(cursor.location.file), cursor.location.line, rule, text)

    def _name(self, file: Any) -> str:
        path = normal(file.name)
        return str(path.relative_to(self.folder)) if self.holds(path) else path.name

    def holds(self, file: Path) -> bool:
        """Whether a file is kernel code."""
        return file.parent in [self.folder / name for name in FOLDERS]

    def is_kernel_code(self, cursor: Cursor) -> bool:
        return cursor.location.file is not None and self.holds(normal(cursor.location.file.name))

    @functools.cached_property
    def cursors(self) -> list[Cursor]:
        """Every cursor of kernel code, parents first."""
        tops = filter(self.is_kernel_code, self.tree.cursor.get_children())
        return [cursor for top in tops for cursor in top.walk_preorder()]

    def tokens(self, file: Path) -> Iterator[Any]:
        """Every token of a file, those of parts that are not compiled among them."""
        size = file.stat().st_size
        named = cindex.File.from_name(self.tree, str(file))
        ends = (cindex.SourceLocation.from_offset(self.tree, named, at) for at in (0, size))
        return iter(self.tree.get_tokens(extent=cindex.SourceRange.from_locations(*ends)))

    def failures(self) -> Iterator[Finding]:
        """What clang cannot make sense of: nothing else can be said about such code."""
        for problem in self.tree.diagnostics:
            if problem.severity >= cindex.Diagnostic.Error:
                file = problem.location.file
                name = self._name(file) if file else "command line"
                yield Finding(name, problem.location.line, "does not parse", problem.spelling)


def kernel_files(folder: Path) -> list[Path]:
    return sorted(file for name in FOLDERS for file in (folder / name).glob("*.[ch]pp"))


def parse(folder: Path, synthesis: bool) -> Unit:
    """All kernels and tops of a folder of sources, with the constants of some small build.

    synthesis  whether as AMD's compiler sees them (__SYNTHESIS__, ap_int) or with native types

    Raises RuntimeError without a C++ compiler, whose library headers are read.
    """
    folder = folder.resolve()
    everything = "".join(f'#include "{file}"\n' for file in kernel_files(folder))
    config = LayerConfig(hidden=24, heads=3, feed_forward=40)
    main = str(folder / "everything.cpp")
    unsaved = [
        (main, everything),
        (str(folder / "config.hpp"), cpp_header(config, Engine(sequence=8))),
        *((str(folder / name), f'#include "{VENDOR}"\n') for name in STOOD_FOR),
    ]
    flags = ["-xc++", "-std=c++17", f"-I{folder}", *_library_headers()]
    flags += ["-D__SYNTHESIS__"] if synthesis else []
    detailed = cindex.TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD
    return Unit(folder, cindex.Index.create().parse(main, flags, unsaved, detailed))


def _library_headers() -> list[str]:
    """Flags that name the folders in which the C++ compiler looks for <...>."""
    command = compiler()
    if command is None:
        raise RuntimeError(missing_compiler())
    verbose = [*command, "-E", "-xc++", "-v", "-"]
    done = subprocess.run(verbose, input="", capture_output=True, text=True, check=True)
    listed = done.stderr.partition("<...> search starts here:\n")[2].partition("End of search")[0]
    return [flag for line in listed.splitlines() for flag in ("-isystem", line.strip())]


def operator_of(cursor: Cursor) -> str:
    """The operator of a unary, binary or assigning expression as it is written."""
    parts = list(cursor.get_children())
    for token in cursor.get_tokens():
        at = token.extent.start.offset
        if not any(part.extent.start.offset <= at < part.extent.end.offset for part in parts):
            return str(token.spelling)
    return ""


def descendants(cursor: Cursor, wanted: Callable[[Cursor], bool]) -> Iterator[Cursor]:
    return (one for one in cursor.walk_preorder() if wanted(one))


def is_constant(expression: Cursor) -> bool:
    """Whether an expression names only template parameters, constants and constexpr functions.

    What depends on a template parameter and is not known yet counts by its name: kName.
    """
    names = descendants(expression, lambda one: one.kind == cindex.CursorKind.DECL_REF_EXPR)
    return all(_names_a_constant(one) for one in names)


def _names_a_constant(name: Cursor) -> bool:
    target = name.referenced
    if target is None or target.kind == cindex.CursorKind.NO_DECL_FOUND:
        return re.match("k[A-Z]", name.spelling) is not None
    return target.kind in CONSTANTS or is_constexpr(target)


def is_constexpr(declaration: Cursor) -> bool:
    """Whether a variable or function is declared constexpr."""
    for token in declaration.get_tokens():
        if token.spelling in ("constexpr", declaration.spelling):
            return bool(token.spelling == "constexpr")
    return False
