"""Kernels neither leave their arrays nor rely on what C++ leaves undefined, and compile cleanly.

The sanitized program is testbench/main.cpp with all tops. Its local variables start as a pattern,
so that one that is read before it is written shows as a wrong byte.
"""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hard_layers import BUILDS, hard_cases
from runs import write_folder
from strategies import Case, Shape, random_leaves
from stream_oracle import BUILDS as STREAM_BUILDS
from stream_oracle import Build

from transfab.hls.ap_int import ap_int_headers
from transfab.hls.build import FLAGS, SOURCES, VARIANT_FLAGS, Variant, missing
from transfab.quant.contract.codegen import cpp_header
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import Engine, Tile
from transfab.quant.native.build import CompileError, compiler, run

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
SANITIZED = (
    "-O1",
    "-g1",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-ftrivial-auto-var-init=pattern",
)
BASE = Build(Shape(768, 12, 3136, 16), 64, Engine(sequence=128))
LARGEST = Tile(256, 64)
WARNED = {
    **BUILDS,
    **{f"stream{number}": build for number, build in enumerate(STREAM_BUILDS)},
    "base": BASE,
    "largest": Build(Shape(1024, 1024, 4160, 16), 64, Engine(*[LARGEST] * 4)),
}


def compile_all(folder: Path, build: Build, *flags: str) -> None:
    """Compile the testbench and all tops as one unit."""
    (folder / "config.hpp").write_text(cpp_header(build.config(), build.engine))
    units = [*sorted((SOURCES / "tops").glob("*.cpp"))]
    units += [SOURCES / "testbench/library.cpp", SOURCES / "testbench/main.cpp"]
    everything = folder / "everything.cpp"
    everything.write_text("".join(f'#include "{unit}"\n' for unit in units))
    command = compiler()
    assert command is not None
    run([[*command, *flags, f"-I{folder}", str(everything)]])


def sanitized(folder: Path, build: Build, *flags: str) -> Path:
    compile_all(folder, build, *FLAGS, *SANITIZED, *flags, "-o", str(folder / "main"))
    return folder / "main"


def passes(program: Path, folder: Path) -> None:
    """Every top on the packets of a folder, without a word from a sanitizer."""
    done = subprocess.run(
        [program, folder, *TOPS],
        capture_output=True,
        text=True,
        env={"UBSAN_OPTIONS": "print_stacktrace=1", "ASAN_OPTIONS": "detect_leaks=0"},
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "every byte exact" in done.stdout


def length(case: Case) -> int:
    return len(case.mask[0])


@pytest.mark.parametrize("name", ["ragged", "wide", pytest.param("even", marks=pytest.mark.slow)])
def test_ragged_layers_leave_no_array_and_nothing_undefined(tmp_path: Path, name: str) -> None:
    build = BUILDS[name]
    program = sanitized(tmp_path, build)
    cases = sorted(hard_cases(build).values(), key=length)
    for sequence, group in itertools.groupby(cases, length):
        passes(program, write_folder(tmp_path / f"of{sequence}", build, group))


@pytest.mark.timeout(900)
def test_a_layer_of_bert_base_leaves_no_array_and_nothing_undefined(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    hidden = rng.integers(-32767, 32768, (1, 128, 768))
    mask = (rng.random((1, 128)) < 0.8).astype(np.uint8)
    mask[0, 0] = 1
    leaves = random_leaves(BASE.shape, 5, "plain")
    case = Case("base", BASE.shape, leaves, hidden.tolist(), mask.tolist())
    passes(sanitized(tmp_path, BASE), write_folder(tmp_path / "packets", BASE, [case]))


def planted(folder: Path, text: str) -> Path:
    """A program whose main does something that a sanitizer must stop."""
    source = folder / "planted.cpp"
    source.write_text(f"int main(int count, char**) {{ {text} }}\n")
    command = compiler()
    assert command is not None
    run([[*command, *SANITIZED, "-o", str(folder / "planted"), str(source)]])
    return folder / "planted"


@pytest.mark.parametrize(
    "text",
    [
        "static int rows[4][4]; return rows[0][3 + count];",
        "int shift = 31 + count; return 1 << shift;",
        "int* gone = new int(count); delete gone; return *gone;",
        "int sum = 2147483647; sum += count; return sum;",
    ],
)
def test_the_sanitizers_stop_a_planted_error(tmp_path: Path, text: str) -> None:
    done = subprocess.run([planted(tmp_path, text)], capture_output=True, text=True)
    assert done.returncode != 0 and done.stderr


def test_a_local_variable_that_is_never_written_is_not_zero(tmp_path: Path) -> None:
    text = "int rows[4]; volatile int* at = rows; (void)count; return at[2] == 0;"
    assert subprocess.run([planted(tmp_path, text)]).returncode == 0


def variant_flags(variant: Variant) -> list[str]:
    headers = ["-isystem", str(ap_int_headers())] if variant == "width_true" else []
    return [*FLAGS, *VARIANT_FLAGS[variant], "-Werror", *headers]


WARNINGS = [
    pytest.param(name, variant, marks=pytest.mark.slow if name in later else ())
    for variant, later in (("native", ()), ("width_true", set(WARNED) - {"ragged", "stream3"}))
    for name in WARNED
]


@pytest.mark.parametrize(("name", "variant"), WARNINGS)
def test_kernels_compile_without_a_warning(tmp_path: Path, name: str, variant: Variant) -> None:
    if lack := missing(variant):
        pytest.skip(lack)
    compile_all(tmp_path, WARNED[name], *variant_flags(variant), "-fsyntax-only")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ragged", "wide", "base"])
def test_optimised_kernels_compile_without_a_warning(tmp_path: Path, name: str) -> None:
    """Some warnings need the analyses of an optimised build."""
    target = ("-c", "-o", str(tmp_path / "kernels.o"))
    compile_all(tmp_path, WARNED[name], *variant_flags("native"), *target)


def test_a_warning_would_be_found(tmp_path: Path) -> None:
    source = tmp_path / "narrow.cpp"
    source.write_text("short Narrow(int value) { return value; }\n")
    command = compiler()
    assert command is not None
    with pytest.raises(CompileError, match="conversion"):
        run([[*command, *variant_flags("native"), "-fsyntax-only", str(source)]])
