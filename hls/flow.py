"""AMD's tools on a build folder: what is missing, and running what is there."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from transfab.hls.folder import MARKER, Request, folder_files
from transfab.hls.targets import HLS, VERSIONS, Target
from transfab.quant.atomic import replacing


def missing_tools(target: Target) -> list[str]:
    """What of the target's tools, and make, is not on PATH."""
    found = {"hls": any(map(shutil.which, HLS))}
    lacks = []
    for tool in (*target.tools, "make"):
        if not found.get(tool, shutil.which(tool) is not None):
            lacks.append(" or ".join(HLS) if tool == "hls" else tool)
    return lacks


def write_folder(request: Request, out: Path, force: bool) -> bool:
    """Write the build folder whole, or keep one of the same texts with all that was made in it.

    ->  whether it was written

    Raises ValueError if something else stands there and may not be replaced.
    """
    files = folder_files(request)
    if (out / MARKER).is_file() and all(_holds(out / name, text) for name, text in files.items()):
        return False
    with replacing(out, force, MARKER) as partial:
        for name, text in files.items():
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return True


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def check_tools(request: Request, out: Path) -> None:
    """Raise RuntimeError that says what is missing, what is written and how to go on."""
    if lacks := missing_tools(request.target):
        suite = "Vitis" if request.target.flow == "vitis" else "Vitis and Vivado"
        raise RuntimeError(
            f"{request.target.name} needs {' and '.join(lacks)} on PATH ({suite} {VERSIONS}), not "
            f"found here: {out} is written whole; take it to a machine that has them, or source "
            f"their settings64.sh, then run `make -C {out}`"
        )


def run(request: Request, out: Path, progress: Callable[[str], None]) -> dict[str, str]:
    """Make every bitstream of a written folder; what an earlier run made is kept.

    ->  product -> sha256

    Raises RuntimeError for a missing tool and when a tool fails.
    """
    check_tools(request, out)
    progress(f"make -C {out}: hours for a bitstream; its output follows")
    command = ["make", "-C", str(out)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as made_by:
        assert made_by.stdout is not None
        try:
            for line in made_by.stdout:
                sys.stderr.write(line)
        except BaseException:  # an interrupt ends the tools too, or leaving waits for them
            made_by.terminate()
            raise
    if made_by.returncode:
        raise RuntimeError(
            f"make -C {out} failed with exit code {made_by.returncode}: its last lines and the "
            "logs in that folder say why; the same command goes on from there"
        )
    made = {}
    for kernels in request.plan.boards:
        for name in request.products(kernels):
            made[name] = hashlib.sha256((out / name).read_bytes()).hexdigest()
    return made
