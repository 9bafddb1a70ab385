"""Emulated boards and clients in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
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


@pytest.fixture
def private() -> Iterator[Path]:
    """pynq in this process, with a state that is this test's own."""
    pytest.importorskip("pynq", reason="pynq is missing: pip install 'transfab[board]'")
    from transfab.host.pynq_defects import private_state

    with private_state() as folder:
        yield folder


@pytest.fixture(scope="session")
def kernels() -> Callable[..., Any]:
    """What the C++ kernels of a config and engine compute, each built once; skips without a
    compiler."""
    from transfab.cli.boards import fabric
    from transfab.hls.build import missing

    if lack := missing("native"):
        if os.environ.get("CI") == "true":
            raise RuntimeError(f"CI must have what C simulation needs: {lack}")
        pytest.skip(f"C simulation: {lack}")
    return fabric("csim", lambda text: None)


@pytest.fixture
def bench(private: Path, kernels: Any, tmp_path: Path) -> Iterator[Any]:
    """A board of `faulty_boards.LAYER` in this process."""
    from emulated_boards import bench_of
    from faulty_boards import LAYER

    with bench_of(LAYER, tmp_path, kernels) as made:
        yield made


@pytest.fixture(params=["in this process", "behind a server"])
def either(
    private: Path, kernels: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Any]:
    """A board of `faulty_boards.LAYER` in this process, and one behind a server."""
    from emulated_boards import bench_of
    from faulty_boards import LAYER

    with bench_of(LAYER, tmp_path, kernels, remote=request.param == "behind a server") as made:
        yield made
