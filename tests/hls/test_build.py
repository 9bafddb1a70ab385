"""Builds of the kernels: made once, whole or not at all, and what is missing is named."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from stream_oracle import BUILDS

from transfab.hls.ap_int import FAST, FILE, SLOW, ap_int_headers, copy_headers
from transfab.hls.build import FLAGS, SOURCES, VARIANT_FLAGS, Variant, build, missing
from transfab.hls.csim import CSimulation
from transfab.quant.contract.codegen import cpp_header
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import Tile
from transfab.quant.native.build import CompileError, compiler

pytestmark = [
    pytest.mark.xdist_group("csim"),
    pytest.mark.skipif(missing() is not None, reason=f"C simulation: {missing()}"),
]
CONFIG, ENGINE = BUILDS[0].config(), BUILDS[0].engine
FOLDERS = ("include", "kernels", "tops", "testbench")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "transfab"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the C++ that a test may break."""
    for folder in FOLDERS:
        shutil.copytree(SOURCES / folder, tmp_path / "sources" / folder)
    return tmp_path / "sources"


class FakeCompiler:
    """Notes what it is called for, runs some shell text, and hands out a library made earlier."""

    def __init__(self, folder: Path, library: str, before: str = ":") -> None:
        self.log = folder / "calls"
        self.log.touch()
        self.path = folder / "compiler"
        self.path.write_text(
            "#!/bin/sh\n"
            'if [ "$1" = --version ]; then echo fake; exit; fi\n'
            'all="$*"; while [ "$1" != -o ]; do shift; done; out=$2\n'
            f'echo "$all" >>"{self.log}"\n{before}\ncp "{library}" "$out"\n'
        )
        self.path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()


Fake = Callable[..., FakeCompiler]


@pytest.fixture(scope="session")
def real_library(simulate: Callable[..., CSimulation]) -> str:
    """A library of kernels, from the user's cache: of the session, so made before `cache`."""
    simulate(0)
    return build(CONFIG, ENGINE)._name


@pytest.fixture
def fake(real_library: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Makes a compiler that $CXX names from then on; the cache is empty."""

    def made(before: str = ":") -> FakeCompiler:
        compiler = FakeCompiler(tmp_path, real_library, before)
        monkeypatch.setenv("CXX", str(compiler.path))
        return compiler

    return made


BUILD = (
    "from stream_oracle import BUILDS\n"
    "from transfab.hls.build import build\n"
    "build(BUILDS[0].config(), BUILDS[0].engine)\n"
)


def process(before: str = "") -> subprocess.Popen[str]:
    """A process that builds."""
    search = os.pathsep.join(path for path in sys.path if path.endswith("tests/quant"))
    return subprocess.Popen(
        [sys.executable, "-c", before + BUILD],
        env={**os.environ, "PYTHONPATH": search},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def built(**changes: object) -> str:
    """Name of the library of a build."""
    arguments: dict[str, object] = {"config": CONFIG, "engine": ENGINE}
    return Path(build(**(arguments | changes))._name).name  # type: ignore[arg-type]


def test_a_second_build_compiles_nothing(fake: Fake) -> None:
    compiler, told = fake(), list[str]()
    build(CONFIG, ENGINE, progress=told.append)
    count = len(compiler.calls)
    assert count > len(TOPS) // 2
    build(CONFIG, ENGINE, progress=told.append)
    assert len(compiler.calls) == count
    assert len(told) == 1 and told[0].startswith("building native kernels")


def test_config_engine_variant_source_and_compiler_each_make_another_build(
    fake: Fake, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = fake()
    names = [
        built(),
        built(config=replace(CONFIG, residual_bits=8)),
        built(engine=replace(ENGINE, sequence=71)),
        built(engine=replace(ENGINE, output=Tile(12, 16))),
    ]
    assert built(sources=sources) == names[0]
    for folder in FOLDERS:
        file = next((sources / folder).glob("*.hpp"))
        file.write_text(file.read_text() + "\n")
        names.append(built(sources=sources))
    if missing("width_true") is None:
        names.append(built(variant="width_true"))
    monkeypatch.setenv("CXX", f"{compiler.path} -pipe")
    names.append(built())
    assert len(set(names)) == len(names)


def test_each_unit_is_compiled_with_the_flags_of_its_variant(fake: Fake) -> None:
    compiler = fake()
    build(CONFIG, ENGINE)
    units = [call for call in compiler.calls if " -c " in call]
    assert all(flag in call for flag in (*FLAGS, *VARIANT_FLAGS["native"]) for call in units)
    assert all("-march=native" in call and "WIDTH_TRUE" not in call for call in units)
    (link,) = (call for call in compiler.calls if " -c " not in call)
    assert "-shared" in link


def test_the_library_exports_one_function(real_library: str) -> None:
    library = ctypes.CDLL(real_library)
    assert library.TransfabRunTop
    assert not [top for top in TOPS if hasattr(library, top)]
    assert not [top for top in TOPS if hasattr(ctypes.CDLL(None), top)]


@pytest.mark.parametrize("variant", ["native", "width_true"])
def test_the_sources_compile_without_a_warning(tmp_path: Path, variant: Variant) -> None:
    if lack := missing(variant):
        pytest.skip(lack)
    (tmp_path / "config.hpp").write_text(cpp_header(CONFIG, ENGINE))
    units = [*(f"tops/{top}.cpp" for top in TOPS), "testbench/library.cpp", "testbench/main.cpp"]
    everything = "".join(f'#include "{SOURCES / unit}"\n' for unit in units)
    command = [*(compiler() or []), *FLAGS, *VARIANT_FLAGS[variant], "-Werror", f"-I{tmp_path}"]
    if variant == "width_true":
        command += ["-isystem", str(ap_int_headers())]
    command += ["-fsyntax-only", "-x", "c++", "-"]
    done = subprocess.run(command, input=everything, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_failed_build_shows_all_that_the_compiler_wrote(cache: Path, sources: Path) -> None:
    kernel = sources / "kernels" / "gelu.hpp"
    kernel.write_text(kernel.read_text() + "\nint First = nothing;\nint Second = neither;\n")
    with pytest.raises(CompileError) as caught:
        build(CONFIG, ENGINE, sources=sources)
    summary, *rest = str(caught.value).splitlines()
    assert "cannot compile" in summary and summary.startswith(caught.value.summary)
    assert "nothing" in caught.value.output and "neither" in caught.value.output
    assert "\n".join(rest) == caught.value.output.rstrip("\n")
    assert list(cache.iterdir()) == []


def test_a_missing_compiler_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler -pipe")
    with pytest.raises(RuntimeError, match=r"^no C\+\+ compiler: no-such-compiler .*\(install g"):
        build(CONFIG, ENGINE)
    assert missing() is not None
    assert not cache.exists()


def test_missing_headers_are_named_with_what_to_install(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    reason = r"^no ap_int\.h: .* hls4ml, .*\(pip install \"transfab\[csim\]\"\)$"
    with pytest.raises(RuntimeError, match=reason):
        build(CONFIG, ENGINE, "width_true")
    with pytest.raises(RuntimeError, match=reason):
        copy_headers(cache / "ap_types")
    assert missing() is None
    assert not cache.exists()


def test_another_variant_is_refused() -> None:
    with pytest.raises(ValueError, match="variant must be one of native, width_true, not fast"):
        build(CONFIG, ENGINE, "fast")  # type: ignore[arg-type]


@pytest.mark.skipif(ap_int_headers() is None, reason="no ap_int.h")
def test_the_copied_headers_differ_in_one_function(tmp_path: Path) -> None:
    original, copied = ap_int_headers(), copy_headers(tmp_path / "copy")
    assert original is not None
    for file in (path.relative_to(original) for path in original.rglob("*") if path.is_file()):
        same = (original / file).read_bytes() == (copied / file).read_bytes()
        assert same == (str(file) != FILE), file
    text = (original / FILE).read_text(encoding="latin-1")
    assert text.count(SLOW) == 2  # of at most 64 bits, and of more
    assert text.replace(SLOW, FAST) == (copied / FILE).read_text(encoding="latin-1")


def test_concurrent_first_builds_leave_one_library(fake: Fake, cache: Path) -> None:
    fake("sleep 0.2")
    for each in [process() for _ in range(4)]:
        out, err = each.communicate(timeout=60)
        assert (out, err, each.returncode) == ("", "", 0)
    assert [path.suffix for path in cache.iterdir()] == [".so"]


def test_an_interrupted_build_is_built_again(fake: Fake, cache: Path) -> None:
    compiler = fake('echo part >"$out"; sleep 60')
    stopped = process()
    while not compiler.calls:
        assert stopped.poll() is None
        time.sleep(0.01)
    os.killpg(stopped.pid, signal.SIGKILL)
    stopped.communicate()
    assert not list(cache.glob("*.so"))
    fake()
    out, err = process().communicate(timeout=60)
    assert (out, err) == ("", "")


SLOW_START = """
import signal, subprocess, time
signal.signal(signal.SIGTERM, signal.default_int_handler)
class Slow(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        time.sleep(0.5)
subprocess.Popen = Slow
"""


def test_an_interrupt_ends_the_compilers(fake: Fake, cache: Path, tmp_path: Path) -> None:
    compiler = fake(f'echo $$ >>"{tmp_path}/numbers"; exec sleep 60')
    stopped = process(SLOW_START)  # the interrupt comes while the second compiler is started
    while len(compiler.calls) < 2:
        assert stopped.poll() is None
        time.sleep(0.01)
    os.kill(stopped.pid, signal.SIGTERM)
    _, err = stopped.communicate(timeout=20)
    assert "KeyboardInterrupt" in err
    for number in (tmp_path / "numbers").read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(number), 0)
    assert list(cache.iterdir()) == []


def test_a_damaged_library_is_built_again(fake: Fake, cache: Path) -> None:
    fake()
    process().communicate(timeout=60)
    (library,) = cache.iterdir()
    library.write_bytes(library.read_bytes()[:1000])
    out, err = process().communicate(timeout=60)
    assert (out, err) == ("", "")
