"""Kernel code is synthesizable, and one violation of each rule planted in a copy is found."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from transfab.hls.checks.source import SOURCES, Finding
from transfab.hls.checks.synthesizable import findings
from transfab.quant.native.build import compiler, missing_compiler

pytestmark = [
    pytest.mark.skipif(compiler() is None, reason=missing_compiler()),
    pytest.mark.xdist_group("synthesizable"),  # one worker plants all
]

# Rule and a text of the namespace transfab that breaks it, once with each means. T is dependent:
# clang does not know its type.
PLANTS = [
    ("floating point", "inline int Planted(int a) { return int(0.5 * a); }"),
    ("floating point", "struct Planted { float member; };"),
    ("floating point", "template <typename T> T Planted(T a) { return T(double(a)); }"),
    ("floating point", "using Planted = Lanes<long double, 4>;"),
    ("floating point", "inline auto Planted(int a) { return a + 1e3; }"),
    ("floating point", "inline int Planted(int a) { return sqrt(a); }"),
    ("floating point", "#ifdef NOWHERE\ninline double Planted();\n#endif"),
    (
        "floating point",
        "#ifdef __SYNTHESIS__\ninline auto Planted(int a) { return a + .5; }\n#endif",
    ),
    ("dynamic memory", "inline int* Planted() { return new int(1); }"),
    ("dynamic memory", "inline void Planted(int* a) { delete a; }"),
    ("dynamic memory", "inline void* Planted() { return malloc(8); }"),
    ("dynamic memory", "template <typename T> void Planted(T* a) { free(a); }"),
    ("dynamic memory", "inline int Planted(int n) { int a[n]; a[0] = n; return a[0]; }"),
    ("library", "inline int Planted() { return std::vector<int>(3).size(); }"),
    ("library", "template <typename T> T Planted(T a) { return std::max(a, a); }"),
    ("library", "#include <algorithm>"),
    ("recursion", "inline int Planted(int n) { return n ? Planted(n - 1) : 0; }"),
    ("recursion", "template <typename T> T Planted(T n) { return n ? Planted(T(n - 1)) : n; }"),
    (
        "recursion",
        "int Other(int n); inline int Planted(int n) { return Other(n); }\n"
        "inline int Other(int n) { return n ? Planted(n - 1) : 0; }",
    ),
    (
        "recursion",
        "constexpr int Planted(int n) { return n ? Planted(n - 1) : 0; }\n"
        "inline int User(int n) { return Planted(n); }",
    ),
    ("recursion", "struct Planted { int Go(int n) { return n ? Go(n - 1) : 0; } };"),
    ("unbounded loop", "inline void Planted(int n) { while (n > 0) --n; }"),
    ("unbounded loop", "inline void Planted(int n) { do { --n; } while (n > 0); }"),
    ("unbounded loop", "inline void Planted(int n) { AGAIN: if (--n > 0) goto AGAIN; }"),
    ("unbounded loop", "inline void Planted() { for (;;) { break; } }"),
    ("unbounded loop", "inline void Planted(int n) { for (int i = 0; i < n;) { i += 2; } }"),
    ("unbounded loop", "inline void Planted(int n) { for (int i = 0; i < n; --i) {} }"),
    ("unbounded loop", "inline void Planted(int n) { for (int i = 0; n > i; i -= 2) {} }"),
    ("unbounded loop", "inline void Planted(int n) { for (int i = 0; i < n; i += n) {} }"),
    ("unbounded loop", "inline void Planted(int n) { for (int i = 0; i != n; ++i) {} }"),
    ("unbounded loop", "inline void Planted(int n) { for (int i = 1; i < n; i *= 2) {} }"),
    ("unbounded loop", "inline void Planted(int n) { for (int i = 0; i < n; ++i) { --i; } }"),
    ("unbounded loop", "inline void Planted(int n) { for (int i = 0; i < n; ++i) n += 1; }"),
    ("unbounded loop", "inline void Planted(int n) { for (int i = 0; i < n || n; ++i) {} }"),
    (
        "unbounded loop",
        "inline int Planted() { int a[3] = {}; for (int b : a) return b; return 0; }",
    ),
    ("virtual call", "struct Planted { virtual int Go() { return 0; } };"),
    ("exception", "inline int Planted(int n) { if (n < 0) throw 1; return n; }"),
    ("exception", "inline int Planted(int n) { try { return n; } catch (...) { return 0; } }"),
    ("system call", 'inline void Planted(int n) { printf("%d", n); }'),
    ("system call", "template <typename T> void Planted(T n) { exit(n); }"),
    ("system call", "inline int Planted() { return errno; }"),
    ("system call", 'inline void Planted() { asm("nop"); }'),
    ("system call", "inline int Planted(unsigned n) { return __builtin_popcount(n); }"),
    ("function pointer", "inline int Planted(int (*call)(int)) { return call(1); }"),
    ("function pointer", "struct Planted { int (*call)(int); };"),
    ("function pointer", "template <typename T> using Planted = T (&)(T);"),
    ("function pointer", "inline int Planted(int n) { return [n] { return n; }(); }"),
]
INCLUDES = ("algorithm", "cerrno", "cmath", "cstdio", "cstdlib", "vector")
# What looks like a violation and is none.
ALLOWED = """
constexpr int Halvings(int n) { return n <= 1 ? 0 : 1 + Halvings(n / 2); }
template <int kCount>
constexpr int Constant() { return Halvings(kCount) + Halvings(8); }
inline int Allowed(int n, bool stop) {
  int sum = 0;
  for (int i = n; i >= 0; --i) sum += i;
  for (int i = 0; 8 > i && !stop; i += 2) stop = i > 4;
  for (; sum < n; ++sum) stop = true;
  // while (true) new double: a comment
  return sum;
}
"""


def copy_of(sources: Path, folder: Path) -> Path:
    return shutil.copytree(sources, folder / "hls", ignore=shutil.ignore_patterns("*.py", "__*"))


def small_copy(folder: Path, kernel: str) -> Path:
    """A folder of sources with the shared headers and one kernel."""
    for name in ("include", "kernels", "tops", "testbench"):
        (folder / name).mkdir()
    for name in ("include/types.hpp", "include/stream.hpp", "testbench/queue.hpp"):
        shutil.copy(SOURCES / name, folder / name)
    (folder / "kernels/planted.hpp").write_text(
        f'#pragma once\n#include "../include/stream.hpp"\nnamespace transfab {{\n{kernel}\n}}\n'
    )
    return folder


def test_the_kernels_break_no_rule() -> None:
    assert findings() == []


def test_what_only_looks_like_a_violation_is_allowed(tmp_path: Path) -> None:
    assert findings(small_copy(tmp_path, ALLOWED)) == []


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[Finding]]:
    """Findings in a copy of all kernels, by the number of the plant that they lie in."""
    folder = copy_of(SOURCES, tmp_path_factory.mktemp("planted"))
    lines = ["#pragma once", *(f"#include <{name}>" for name in INCLUDES)]
    owner = dict.fromkeys(range(2, 2 + len(INCLUDES)), -1)
    lines.append('#include "../include/stream.hpp"')
    for number, (_, text) in enumerate(PLANTS):
        inside = text if text.startswith("#include") else f"namespace plant{number} {{\n{text}\n}}"
        wrapped = [*inside.splitlines()]
        if not text.startswith("#include"):
            wrapped = ["namespace transfab {", *wrapped, "}"]
        owner |= {len(lines) + 1 + i: number for i in range(len(wrapped))}
        lines += wrapped
    (folder / "kernels/planted.hpp").write_text("\n".join(lines) + "\n")
    found: dict[int, list[Finding]] = {number: [] for number in range(-1, len(PLANTS))}
    for finding in findings(folder):
        assert finding.file == "kernels/planted.hpp", str(finding)
        found[owner[finding.line]].append(finding)
    return found


@pytest.mark.parametrize("number", range(len(PLANTS)), ids=[text[:50] for _, text in PLANTS])
def test_a_planted_violation_is_found(planted: dict[int, list[Finding]], number: int) -> None:
    assert PLANTS[number][0] in {finding.rule for finding in planted[number]}


def test_every_planted_include_is_found(planted: dict[int, list[Finding]]) -> None:
    wanted = {("library", f"includes {name}") for name in INCLUDES}
    assert {(finding.rule, finding.text) for finding in planted[-1]} == wanted


def test_every_rule_is_planted() -> None:
    documented = sys.modules[findings.__module__].__doc__ or ""
    rows = [line.split("|")[1].strip() for line in documented.splitlines() if line[:1] == "|"]
    assert {rule for rule, _ in PLANTS} == set(rows[2:]) - {"does not parse"}


@pytest.mark.parametrize("text", ["int Planted() { return nothing; }", "#include <no_such.hpp>"])
def test_what_does_not_parse_is_found(tmp_path: Path, text: str) -> None:
    found = findings(small_copy(tmp_path, text))
    assert [(one.file, one.rule) for one in found if one.rule == "does not parse"] == [
        ("kernels/planted.hpp", "does not parse")
    ]


def test_the_command_names_file_line_and_rule(tmp_path: Path) -> None:
    folder = small_copy(tmp_path, "inline float Planted() { return 0; }")
    command = [sys.executable, "-m", "transfab.hls.checks.synthesizable", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.startswith("kernels/planted.hpp:4: floating point: ")
