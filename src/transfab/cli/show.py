"""What commands print: progress on stderr, one JSON object or a table on stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


def progress() -> Callable[[str], None]:
    """A function that prints one timed line to stderr for each step begun."""
    start = time.monotonic()

    def step(text: str) -> None:
        print(f"[{time.monotonic() - start:6.1f} s] {text}", file=sys.stderr, flush=True)

    return step


def emit_json(value: dict[str, Any]) -> None:
    """Print one JSON object on stdout."""
    print(json.dumps(value))


def table(title: str, columns: dict[str, str], rows: list[list[str]]) -> None:
    """Print a table; columns maps each heading to "left" or "right"."""
    grid = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for heading, side in columns.items():
        grid.add_column(heading, justify=side, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        grid.add_row(*row)
    width = None if sys.stdout.isatty() else 140
    Console(width=width, markup=False, highlight=False).print(grid)
