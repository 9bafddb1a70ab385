"""Debian's XRT 2.13 in a folder of the cache: no root, no change of the system.

`python -m transfab.host.xrt.install` fetches the packages with `apt-get download`, checks their
hashes, unpacks them, relinks the software-emulation shim with what `swemu.cpp` replaces, and prints
the folder that XILINX_XRT is to name: lib/ with links to the libraries, include/ to the headers.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from transfab.quant.native.build import (
    CompileError,
    cache_folder,
    compiler,
    fingerprint,
    missing_compiler,
    run,
)

XRT: Final = "202210.2.13.466+dfsg-8"
# Package, version, sha256 of its file for amd64.
PACKAGES: Final = (
    ("libxrt1", XRT, "55ade0fb2c8346c89756df7511eb08e29858224f92fe1c25435b6890a04f66df"),
    ("libxrt-dev", XRT, "341e1be37d0050c67dd2cf18adb2c9f57fac80f363b48c5e39b3a517f302feff"),
    ("libxrt-utils", XRT, "4bbb866a333ea552b7336b58cea58e1bae98201442c2b59732e5d3efb40ec25f"),
    (
        "libprotobuf32",
        "3.21.12-3+deb12u1",
        "e9e4e8cf0d2c48e2e3c17308e2093b3856f470b77e0022b7d906fb1b3551f213",
    ),
    (
        "libboost-filesystem1.74.0",
        "1.74.0+ds1-21",
        "3e80caec26a4ee663dc2e4fdaf10b0f03308284f7e44248290b8dd18de4ca237",
    ),
)
SOURCES: Final = tuple(Path(__file__).with_name(f"swemu{end}") for end in (".cpp", "_process.cpp"))
HEADER: Final = SOURCES[0].with_suffix(".hpp")
SHIM: Final = "libxrt_swemu.so.2"
# What the shim and the binding load; the shim itself is linked here.
LIBRARIES: Final = (
    "libxrt_coreutil.so.2",
    "libxrt_core.so.2",
    "libprotobuf.so.32",
    "libboost_filesystem.so.1.74.0",
)
COMPILE: Final = (
    "-std=c++17",
    "-O2",
    "-fPIC",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-Wconversion",
)
# Our functions stand first, so theirs are the definitions that count.
LINK: Final = ("-shared", f"-Wl,-soname,{SHIM}", "-Wl,--allow-multiple-definition")
SECONDS: Final = 300


class XrtMissing(RuntimeError):
    """XRT cannot be had here: one line that says what is missing, and the way out."""


def installed() -> Path | None:
    """The folder for XILINX_XRT, if it has been made and none of its libraries has changed."""
    command = compiler()
    if command is None:
        return None
    tree = _folder(command)
    try:
        digests = json.loads((tree / "digests.json").read_text(encoding="utf-8"))
        whole = all(_digest(tree / "lib" / name) == value for name, value in digests.items())
    except (OSError, ValueError, AttributeError):
        return None
    return tree if whole and len(digests) == len(LIBRARIES) + 1 else None


def install(say: Callable[[str], None] = print) -> Path:
    """Fetch, unpack and relink, unless that has been done; any number of processes may be first.

    say  is given a line before each step
    ->   the folder for XILINX_XRT

    Raises XrtMissing.
    """
    command = compiler()
    if command is None:
        raise XrtMissing(missing_compiler())
    if (found := installed()) is not None:
        return found
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise XrtMissing(f"no {tool}: XRT is unpacked from Debian's packages (use Debian 12)")
    if platform.machine() != "x86_64":
        raise XrtMissing(f"XRT's packages are pinned for x86_64, not {platform.machine()}")
    tree, packages = _folder(command), _packages()
    if tree.exists() and installed() is None:  # damaged, by what they were made of perhaps
        shutil.rmtree(packages, ignore_errors=True)
        shutil.rmtree(tree, ignore_errors=True)
    _once(packages, lambda work: _fetch(work, say))
    say(f"relinking the software-emulation shim in {tree}")
    try:
        _once(tree, lambda work: _link(command, packages, work))
    except CompileError as err:
        last = err.output.strip().splitlines()[-1:]
        raise XrtMissing(": ".join([err.summary, *last])) from err
    return tree


def _folder(command: list[str]) -> Path:
    name = fingerprint(command, (*COMPILE, *LINK, _packages().name), [*SOURCES, HEADER])
    return (cache_folder() / f"xrt-{name}").absolute()


def _packages() -> Path:
    pins = "".join(digest for _, _, digest in PACKAGES)
    name = hashlib.sha256(pins.encode()).hexdigest()[:16]
    return (cache_folder() / f"xrt-packages-{name}").absolute()


def _once(target: Path, make: Callable[[Path], None]) -> None:
    """A folder of the cache, made under another name first unless it is there."""
    if target.exists():
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    except OSError as err:
        why = f"cannot write {target.parent}: {err.strerror} (set XDG_CACHE_HOME)"
        raise XrtMissing(why) from err
    try:
        make(work)
        os.replace(work, target)
    except OSError:
        if not target.exists():  # else another process was faster
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _fetch(work: Path, say: Callable[[str], None]) -> None:
    """Download the packages, check their hashes, unpack them into `work`."""
    names = [f"{name}={version}" for name, version, _ in PACKAGES]
    say(f"fetching XRT {XRT} and what it needs")
    if (failure := _download(names, work)) is not None:
        say("updating the lists of packages")
        _tool(["apt-get", "update", "-qq"], work)
        if (failure := _download(names, work)) is not None:
            raise XrtMissing(
                f"apt-get has no {' '.join(names)}: {failure} "
                "(Debian 12 has them; add its archive to the sources of apt)"
            )
    for name, version, digest in PACKAGES:
        (package,) = work.glob(f"{name}_*.deb")
        if (found := _digest(package)) != digest:
            raise XrtMissing(
                f"{name} {version} has sha256 {found}, not {digest}: the relinked shim relies on "
                "the layout of that build (take Debian's own archive as apt's source)"
            )
        failure = _tool(["dpkg-deb", "-x", str(package), str(work)], work)
        if failure is not None:
            raise XrtMissing(f"{package.name} cannot be unpacked: {failure} (is the disk full?)")
        package.unlink()


def _download(names: list[str], work: Path) -> str | None:
    return _tool(["apt-get", "download", "-q", *names], work)


def _tool(command: list[str], work: Path) -> str | None:
    """The last line of a tool that failed, else None."""
    try:
        done = subprocess.run(
            command, cwd=work, capture_output=True, text=True, timeout=SECONDS, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} did not end within {SECONDS} s"
    lines = [line for line in done.stderr.splitlines() if not line.startswith("W:")]
    return (lines or [f"exit status {done.returncode}"])[-1] if done.returncode else None


def _link(command: list[str], packages: Path, work: Path) -> None:
    """The shim from its static archive, and the tree of links that XILINX_XRT wants."""
    found = packages / "usr/lib/x86_64-linux-gnu"
    lib = work / "lib"
    lib.mkdir()
    os.symlink(packages / "usr/include/xrt", work / "include")
    for name in LIBRARIES:
        os.symlink(found / name, lib / name)
    pieces = [str(work / f"{source.stem}.o") for source in SOURCES]
    run(
        [
            [*command, *COMPILE, "-o", piece, "-c", str(source)]
            for source, piece in zip(SOURCES, pieces, strict=True)
        ]
    )
    archive = ["-Wl,--whole-archive", str(found / "libxrt_swemu.a"), "-Wl,--no-whole-archive"]
    libraries = [f"-L{lib}", *(f"-l:{name}" for name in LIBRARIES if "xrt_core." not in name)]
    target = ["-Wl,-rpath,$ORIGIN", "-l:libuuid.so.1", "-lpthread", "-ldl", "-o", str(lib / SHIM)]
    run([[*command, *LINK, *pieces, *archive, *libraries, *target]])
    digests = {name: _digest(lib / name) for name in (*LIBRARIES, SHIM)}
    (work / "digests.json").write_text(json.dumps(digests), encoding="utf-8")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    """Install, and print the line to put in a shell."""
    try:
        tree = install(lambda line: print(line, file=sys.stderr))
    except XrtMissing as err:
        print(err, file=sys.stderr)
        return 1
    print(f"export XILINX_XRT={tree}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
