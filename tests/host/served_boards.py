"""Emulated boards behind servers for tests: in a process of `transfab serve`, or in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
SERVE = "import sys; from transfab.cli import main; sys.exit(main())"
# Before SERVE: each board's kernels never finish.
HANG = """
from transfab.host.fabric import configured
from transfab.host.fabric.faults import Faults
configured.Faults = lambda: Faults(hang=True)
"""


@contextmanager
def serving(
    *addresses: str, fabric: str = "csim", before: str = ""
) -> Iterator[subprocess.Popen[str]]:
    """`transfab serve` as a process, once it is ready; it ends with the block.

    before  Python text that the process runs first
    """
    command = [sys.executable, "-c", before + SERVE, "serve", *addresses, "--fabric", fabric]
    with subprocess.Popen(
        [*command, "--until-eof"],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout
            for address in addresses:
                assert server.stdout.readline() == f"ready {address}:7967\n"
            yield server
        finally:
            server.kill()
