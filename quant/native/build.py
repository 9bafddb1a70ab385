"""The shared library of the C++ layer: compiled once per machine, on first use, into a cache.

Its name is a hash of the sources, the flags, the compiler and the processor. It is compiled under
a temporary name and renamed when it is whole and has passed its own check, so that any number of
processes may be first, and an interrupted build leaves nothing that would be loaded.
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
from pathlib import Path
from typing import Final

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
    name = f"layer-{_fingerprint(sources, command, flags)}.so"
    folder = _writable(cache_folder())
    target = folder / name
    if _whole(target):
        return ctypes.CDLL(str(target))
    descriptor, temporary = tempfile.mkstemp(prefix=f"{name}.", suffix=".building", dir=folder)
    os.close(descriptor)
    try:
        _compile([*command, *flags], sources / "layer.cpp", temporary)
        library = ctypes.CDLL(temporary)
        library.TransfabSelfCheck.restype = ctypes.c_bool
        if not library.TransfabSelfCheck():
            raise RuntimeError(f"{' '.join(command)} built kernels that fail their own check")
        with open(temporary, "ab") as file:
            file.write(_digest(Path(temporary).read_bytes()))
        os.replace(temporary, target)
        return ctypes.CDLL(str(target))
    finally:
        Path(temporary).unlink(missing_ok=True)


def _compile(command: list[str], source: Path, target: str) -> None:
    """Compile for this processor, or for any if the compiler refuses to name this one."""
    output = ""
    for machine in ([THIS_MACHINE], []):
        done = subprocess.run(
            [*command, *machine, "-o", target, str(source)], capture_output=True, text=True
        )
        if done.returncode == 0:
            return
        output = done.stdout + done.stderr
        if THIS_MACHINE not in output and "-march" not in output:
            break
    raise RuntimeError(f"{shlex.join(command)} cannot compile {source}:\n{output}")


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


def _fingerprint(sources: Path, command: list[str], flags: list[str]) -> str:
    version = subprocess.run([*command, "--version"], capture_output=True, text=True)
    parts = [*command, *flags, THIS_MACHINE, version.stdout, version.stderr, _processor()]
    for path in sorted([*sources.glob("*.hpp"), *sources.glob("*.cpp")]):
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
