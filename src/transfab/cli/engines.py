"""`--engine` and `--sequence`: the kernel build that a command is about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transfab.quant.engine import Engine

ENGINE = "JSON file of tiles and limits, or build.json of `transfab build`; by default the usual."
SEQUENCE = "Longest sequence of the kernel build, by default the engine's."


def read_engine(path: Path | None, sequence: int | None) -> Engine:
    """The engine of these options; ValueError, in one line, for what describes none.

    path      holds `Engine.as_dict`, or an object with it as `engine`; None for the usual engine
    sequence  replaces its limit
    """
    from transfab.quant.engine import Engine

    values: Any = Engine().as_dict()
    if path is not None:
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as err:
            raise ValueError(f"--engine {path} is not JSON: {err}") from err
        if isinstance(values, dict):
            values = values.get("engine", values)
        if not isinstance(values, dict):
            raise ValueError(f"--engine {path} must hold an object such as {Engine().as_dict()}")
    return Engine.from_dict(values | ({} if sequence is None else {"sequence": sequence}))
