"""The shared library of the C++ layer: compiled once per machine, on first use, into a cache.

Its name is a hash of the sources, the flags, the compiler and the processor. It is compiled under
a temporary name and renamed when it is whole and has passed its own check, so that any number of
processes may be first, and an interrupted build leaves nothing that would be loaded. Other C++ of
this package is built with the same functions.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Final

SOURCES: Final = Path(__file__).parent
FLAGS: Final = (
    "-std=c++17",
    "-O3",
    # Let floor, sqrt, min and max become instructions. No value changes: every double is finite,
    # and integers have one zero.
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffinite-math-only",
    "-fno-signed-zeros",
    "-fPIC",
    "-shared",
    "-pthread",
    "-Wall",
    "-Wextra",
    "-Wconversion",
)
THIS_MACHINE: Final = "-march=native"
TURN_SECONDS: Final = 0.02


class CompileError(RuntimeError):
    """A compiler that failed: one line that says on what, then all that it wrote."""

    def __init__(self, summary: str, output: str) -> None:
        super().__init__(f"{summary}:\n{output}")
        self.summary, self.output = summary, output


def compiler() -> list[str] | None:
    """The command that $CXX names, else g++, as a list; None if it is not installed."""
    command = shlex.split(os.environ.get("CXX", "")) or ["g++"]
    return command if shutil.which(command[0]) else None


def missing_compiler() -> str:
    """Why there is no library: the compiler that was looked for, and the way out."""
    wanted = os.environ.get("CXX") or "g++"
    return f"no C++ compiler: {wanted} is not installed (install g++ or set CXX)"


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/transfab, or ~/.cache/transfab."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "transfab"


def build(sources: Path = SOURCES, extra_flags: tuple[str, ...] = ()) -> ctypes.CDLL | None:
    """Load the library, compiling it first unless the cache has it.

    sources      folder of layer.cpp and its headers
    extra_flags  further compiler flags
    ->           the library, or None without a compiler (see missing_compiler)

    Raises RuntimeError with the compiler's output when it fails, and when the compiled kernels
    fail their own check.
    """
    command = compiler()
    if command is None:
        return None
    flags = [*FLAGS, *extra_flags]
    texts = [*sources.glob("*.hpp"), *sources.glob("*.cpp")]
    name = f"layer-{fingerprint(command, flags, texts)}.so"

    def make(target: Path) -> None:
        output = ["-o", str(target), str(sources / "layer.cpp")]
        for_this_machine(lambda machine: run([[*command, *flags, *machine, *output]]))
        library = ctypes.CDLL(str(target))
        library.TransfabSelfCheck.restype = ctypes.c_bool
        if not library.TransfabSelfCheck():
            raise RuntimeError(f"{' '.join(command)} built kernels that fail their own check")

    return ctypes.CDLL(str(cached(name, make)))


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """The file of that name in the cache, made first unless it is there and whole.

    make  writes it at the path that it is given, under another name; if it raises, nothing is left
    """
    folder = _writable(cache_folder())
    target = folder / name
    if _whole(target):
        return target
    descriptor, path = tempfile.mkstemp(prefix=f"{name}.", suffix=".building", dir=folder)
    os.close(descriptor)
    temporary = Path(path)
    try:
        make(temporary)
        with temporary.open("ab") as file:
            file.write(_digest(temporary.read_bytes()))
        os.replace(temporary, target)
        return target
    finally:
        temporary.unlink(missing_ok=True)


def for_this_machine(compile_with: Callable[[list[str]], None]) -> None:
    """Compile for this processor, or for any if the compiler refuses to name this one.

    compile_with  is given further flags; raises CompileError
    """
    try:
        compile_with([THIS_MACHINE])
    except CompileError as err:
        if "-march" not in err.output:
            raise
        compile_with([])


def run(commands: list[list[str]], at_once: int = 1) -> None:
    """Run compilers, `at_once` at a time; the first that fails ends the others.

    commands  each ends in what it compiles

    Raises CompileError with all that the compiler wrote. Whatever is raised, none is left running.
    """
    waiting = list(commands)
    running: list[tuple[list[str], IO[str], subprocess.Popen[str]]] = []

    def start(command: list[str]) -> None:
        log = tempfile.TemporaryFile("w+", errors="replace")
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, text=True)
        running.append((command, log, process))

    # Signals are handled in the main thread only: no interrupt falls between the start of a
    # process and its place in the list.
    starter = ThreadPoolExecutor(1)
    try:
        while waiting or running:
            if waiting and len(running) < at_once:
                starter.submit(start, waiting.pop(0)).result()
                continue
            for entry in [entry for entry in running if entry[2].poll() is not None]:
                running.remove(entry)
                command, log, process = entry
                with log:
                    if process.returncode:
                        log.seek(0)
                        what = f"{shlex.join(command[:-1])} cannot compile {command[-1]}"
                        raise CompileError(what, log.read())
            time.sleep(TURN_SECONDS)
    finally:
        starter.shutdown()
        for _, log, process in running:
            process.terminate()
            process.wait()
            log.close()


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _whole(target: Path) -> bool:
    """Whether the file ends in the digest of the rest: loading a part of one, left by a power cut
    say, can kill the process.
    """
    try:
        data = target.read_bytes()
    except OSError:
        return False
    size = len(_digest(b""))
    return data[-size:] == _digest(data[:-size])


def _writable(folder: Path) -> Path:
    """The folder, made if need be; where it cannot be written, a new one for this process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="transfab-"))
    return folder if os.access(folder, os.W_OK) else Path(tempfile.mkdtemp(prefix="transfab-"))


def fingerprint(command: list[str], flags: Iterable[str], files: Iterable[Path]) -> str:
    """16 hex digits of a compiler and its version, flags, this processor, and texts by name."""
    version = subprocess.run([*command, "--version"], capture_output=True, text=True)
    parts = [*command, *flags, THIS_MACHINE, version.stdout, version.stderr, _processor()]
    for path in sorted(files):
        parts += [path.name, path.read_text(encoding="utf-8")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    """Model and instruction sets of this processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return platform.platform() + platform.processor()
    wanted = ("model", "model name", "flags", "Features", "CPU part")
    return platform.machine() + "".join(x for x in lines if x.partition("\t")[0].strip() in wanted)
