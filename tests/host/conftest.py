"""Emulated boards and clients in processes of their own; nothing here may touch site-packages."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

for needed in ("pynq", "grpc"):
    if not importlib.util.find_spec(needed):
        pytest.skip(f"{needed} is missing: pip install 'transfab[board]'", allow_module_level=True)

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"


def copy_of_pynq(folder: Path) -> Path:
    """A folder to import pynq from: links to what is installed, but pl_server, where pynq writes
    its state, is a copy."""
    (spec,) = importlib.util.find_spec("pynq").submodule_search_locations  # type: ignore[union-attr]
    (folder / "pynq").mkdir(parents=True)
    for entry in Path(spec).iterdir():
        if entry.name == "pl_server":
            shutil.copytree(entry, folder / "pynq" / entry.name)
        else:
            (folder / "pynq" / entry.name).symlink_to(entry)
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """What a client's `import pynq` finds; the state that pynq keeps is this test's own."""
    return copy_of_pynq(tmp_path / "site")


Client = Callable[..., Any]


def environment(site: Path, addresses: list[str]) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (site, SOURCE, HERE))),
        "PYNQ_REMOTE_DEVICES": ",".join(addresses),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@pytest.fixture
def client(site: Path) -> Client:
    """Run a function of a client script with the boards at `addresses`; what it prints."""

    def run(
        name: str, addresses: list[str], script: str = "remote_client.py", timeout: float = 30, **arguments: Any
    ) -> Any:
        done = subprocess.run(
            [sys.executable, str(HERE / script), name, json.dumps(arguments)],
            env=environment(site, addresses),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run
