"""Client processes with a pynq of their own: nothing here may touch site-packages."""

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
    pytest.importorskip(needed, reason=f"{needed} is missing: pip install 'transfab[board]'")

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"

Client = Callable[..., Any]


def installed_pynq() -> Path:
    spec = importlib.util.find_spec("pynq")
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def copy_of_pynq(folder: Path) -> Path:
    """A folder to import pynq from: links to what is installed, but `pl_server` is a copy.

    That is where pynq writes its state.
    """
    (folder / "pynq").mkdir(parents=True)
    for entry in installed_pynq().iterdir():
        if entry.name == "pl_server":
            shutil.copytree(entry, folder / "pynq" / entry.name)
        else:
            (folder / "pynq" / entry.name).symlink_to(entry)
    return folder


def environment(site: Path, addresses: list[str]) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (site, SOURCE, HERE))),
        "PYNQ_REMOTE_DEVICES": ",".join(addresses),  # empty is the same as none
        "PYTHONDONTWRITEBYTECODE": "1",
        "GRPC_VERBOSITY": "NONE",  # or a lost connection is logged
    }


def run_client(
    site: Path,
    name: str,
    addresses: list[str],
    /,
    script: str = "remote_client.py",
    **arguments: Any,
) -> Any:
    """Run a function of a client script with the boards at `addresses`; the object it prints."""
    done = subprocess.run(
        [sys.executable, str(HERE / script), name, json.dumps(arguments)],
        env=environment(site, addresses),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
