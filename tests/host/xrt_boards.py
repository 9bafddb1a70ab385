"""An xclbin with one kernel that adds, and the scenes of xrt_session.py as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transfab.host
from transfab.host.xrt.emulation import environment
from transfab.host.xrt.install import installed
from transfab.host.xrt.xclbin import Argument, Bank, Container, Kernel, write

BANKS = (Bank("bank0", 0, 1 << 23), Bank("bank1", 1 << 23, 1 << 24))
ADDER = Kernel(
    "adder",
    0x10000,
    (
        Argument("source", 0x10, 8, "bank0"),
        Argument("length", 0x1C, 4),
        Argument("target", 0x24, 8, "bank1"),
        Argument("addend", 0x30, 4),
    ),
)
CONTAINER = Container((ADDER,), BANKS)
SESSION = Path(__file__).with_name("xrt_session.py")
SECONDS = 60


@dataclass
class Boards:
    """Emulated boards in a folder of their own."""

    folder: Path
    variables: dict[str, str]

    def data(self, name: str, size: int = 98_304) -> bytes:
        """Random bytes, written to `name`.in."""
        data = np.random.default_rng(len(name) + ord(name[0])).bytes(size)
        (self.folder / f"{name}.in").write_bytes(data)
        return data

    def result(self, name: str) -> bytes:
        return (self.folder / f"{name}.out").read_bytes()

    def start(self, scene: str) -> subprocess.Popen[str]:
        """A scene's process; in a session of its own, as XRT's shim may signal its group."""
        return subprocess.Popen(
            [sys.executable, str(SESSION), scene, str(self.folder)],
            env=os.environ | self.variables,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def play(self, scene: str) -> dict[str, Any]:
        """What the scene printed last; it must end well, in time, and leave nothing behind."""
        with self.start(scene) as process:
            try:
                out, err = process.communicate(timeout=SECONDS)
            finally:
                process.kill()
        assert process.returncode == 0, f"{out}\n{err}"
        assert list((self.folder / "run").rglob("*device*")) == []
        assert sockets(self.variables["USER"], process.pid) == []
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
        return found


def sockets(user: str, process: int) -> list[Path]:
    return list(Path("/tmp", user).glob(f"device*_{process}"))


def added(data: bytes, addend: int) -> bytes:
    return (np.frombuffer(data, np.uint8) + np.uint8(addend)).tobytes()


def make_boards(folder: Path, devices: int, what: list[str] | None = None) -> Boards:
    """Skips where XRT is not installed."""
    if installed() is None:
        pytest.skip("XRT is not installed: make test-xrt")
    description = {"size": 3 << 23, "what": what or []}
    variables = environment(folder, "adder:make", devices, BANKS, description)
    source = str(Path(transfab.host.__file__).parents[2])
    variables["PYTHONPATH"] = os.pathsep.join([source, str(SESSION.parent)])
    write(CONTAINER, folder / "adder.xclbin")
    return Boards(folder, variables)
