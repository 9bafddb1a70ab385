"""Emulated boards and clients in processes of their own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """What a client's `import pynq` finds; the state that pynq keeps is this test's own."""
    from host_fixtures import copy_of_pynq

    return copy_of_pynq(tmp_path / "site")


@pytest.fixture
def client(site: Path) -> Any:
    """`run_client` with this test's pynq."""
    from host_fixtures import run_client

    return partial(run_client, site)


@pytest.fixture
def defects(client: Any) -> Any:
    """The same with the client of the defects."""
    return partial(client, script="defects_client.py")
