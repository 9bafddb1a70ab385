"""Kernel code is what synthesis takes: integers of fixed widths, bounded loops, static memory.

The syntax tree of all kernels and tops is checked twice, as C simulation compiles them and as
AMD's compiler sees them. hls/testbench is no kernel code. Run it with
`python -m transfab.hls.checks.synthesizable`.

| rule             | what breaks it |
|------------------|----------------|
| floating point   | a type, a literal, a call that returns one |
| dynamic memory   | new, delete, malloc and its kin, an array whose length is not constant |
| recursion        | a function that reaches itself and is not computed by the compiler alone |
| unbounded loop   | while, do, goto, a `for` that does not count in one direction to a limit |
| virtual call     | virtual, dynamic_cast, typeid |
| exception        | try, catch, throw |
| system call      | a function or variable that no kernel declares, asm |
| library          | a header or a name of std:: beyond integers and the choice between types |
| function pointer | a function that is stored or passed, a lambda |
| does not parse   | what clang refuses |
"""

from __future__ import annotations

import sys
from pathlib import Path

from transfab.hls.checks.calls import recursive_functions
from transfab.hls.checks.loops import unbounded_loops
from transfab.hls.checks.rules import (
    forbidden_expressions,
    forbidden_includes,
    forbidden_words,
)
from transfab.hls.checks.source import SOURCES, Finding, kernel_files, parse


def findings(folder: Path = SOURCES) -> list[Finding]:
    """Everything in include/, kernels/ and tops/ of a folder that is not synthesizable, in order.

    Raises RuntimeError without a C++ compiler, whose library headers are read.
    """
    found: set[Finding] = set()
    for synthesis in (False, True):
        unit = parse(folder, synthesis)
        found.update(unit.failures())
        for file in kernel_files(unit.folder):
            found.update(forbidden_words(unit, file))
        for check in (
            forbidden_includes,
            forbidden_expressions,
            unbounded_loops,
            recursive_functions,
        ):
            found.update(check(unit))
    return sorted(found)


def main(arguments: list[str]) -> int:
    found = findings(*map(Path, arguments))
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
