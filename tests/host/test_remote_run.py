"""Layers through boards behind `transfab serve`: the driver, pynq's client and gRPC between them.

A match proves the host's side against this project's model of a board, not silicon.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from emulated_boards import Layer, assert_exact, free_address, served_here, tensors_of
from hard_layers import hard_cases
from served_boards import SOURCE, serving
from strategies import random_case
from stream_oracle import BUILDS, Build
from tiny_build import CONFIG, ENGINE

from transfab.host.boards import board_named
from transfab.host.open import open_session
from transfab.host.place import parse_place
from transfab.quant.contract.tops import TOPS

pytestmark = pytest.mark.xdist_group("csim")
each_count = pytest.mark.parametrize("count", [1, 2, 4])


@pytest.fixture(autouse=True)
def pynq_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for needed in ("pynq", "grpc"):
        pytest.importorskip(needed, reason=f"{needed} is missing: pip install 'transfab[board]'")
    # As a client must have it; pynq was imported without it for the sake of other tests.
    monkeypatch.setenv("PYNQ_REMOTE_DEVICES", "127.0.0.2")


@pytest.fixture(scope="module")
def addresses(kernels: Any) -> Iterator[list[str]]:
    """Of four boards in another process, which compute with the C++ kernels."""
    found = [free_address() for _ in range(4)]
    for build in BUILDS[2], BUILDS[4]:
        kernels(build.config(), build.engine, "layer")  # in the cache now
    with serving(*found):
        yield found


def opened(build: Build, addresses: list[str], board: str = "zcu104") -> Any:
    places = [parse_place(f"pynq-remote:{board}@{address}") for address in addresses]
    return open_session(build.config(), build.engine, places, patience=60)


def test_hard_layers_are_exact_one_after_the_other(addresses: list[str]) -> None:
    with opened(BUILDS[2], addresses) as session:
        for case in hard_cases(BUILDS[2]).values():
            session.configure(case.parameters())
            hidden, mask = case.arrays()
            passage = session.run({"hidden": hidden, "mask": mask})
            assert_exact(Layer(BUILDS[2], case), session, passage)


@each_count
def test_batches_of_every_length_are_exact(addresses: list[str], count: int) -> None:
    build = BUILDS[4]
    with opened(build, addresses[:count]) as session:
        # Shorter ones after longer ones: nothing is left in a buffer.
        for seed, (batch, sequence) in enumerate([(3, 9), (1, 70), (2, 1)]):
            layer = Layer(build, random_case(seed, "plain", build.shape, batch, sequence))
            session.configure(layer.case.parameters())
            hidden, mask = layer.case.arrays()
            assert_exact(layer, session, session.run({"hidden": hidden, "mask": mask}))


def test_rtl_behind_servers_is_exact() -> None:
    from transfab.sim.executor import missing

    if lack := missing("rtl"):
        if os.environ.get("CI") == "true":
            raise RuntimeError(f"CI must have what simulation needs: {lack}")
        pytest.skip(f"simulation: {lack}")
    layer = Layer(BUILDS[4], random_case(1, "plain", BUILDS[4].shape, 2, 5))
    found = [free_address() for _ in range(4)]
    with serving(*found, fabric="rtl"), opened(BUILDS[4], found) as session:
        session.configure(layer.case.parameters())
        assert_exact(layer, session, session.run(tensors_of(layer)))


def test_a_zynq_7000_behind_a_server_is_exact(kernels: Any) -> None:
    layer = Layer(BUILDS[4], random_case(3, "plain", BUILDS[4].shape, 2, 6))
    address = free_address()
    board = board_named("pynq-z2")
    with (
        served_here(kernels, address, board),
        opened(BUILDS[4], [address], "pynq-z2") as session,
    ):
        session.configure(layer.case.parameters())
        assert_exact(layer, session, session.run(tensors_of(layer)))


def test_a_board_that_is_not_emulated_needs_bitstreams(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is made here would be sent to silicon otherwise."""
    from pynq.pl_server.remote_device import RemoteDevice

    read = RemoteDevice.read_file

    def real(self: Any, path: str, *given: Any) -> Any:
        return b"Linux version 6.6.0 (aarch64)" if path == "/proc/version" else read(self, path)

    monkeypatch.setattr(RemoteDevice, "read_file", real)
    with pytest.raises(ValueError, match=f"@{addresses[0]} needs --bitstreams FOLDER"):
        opened(BUILDS[4], addresses[:1]).__enter__()


@each_count
def test_weights_cross_the_network_once_a_layer(
    addresses: list[str], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the bytes that pynq's buffers send: a plain transfer sends weights with each sequence."""
    from pynq.pl_server.remote_device import RemoteBuffer

    sent: list[int] = []
    flush = RemoteBuffer.flush
    monkeypatch.setattr(RemoteBuffer, "flush", lambda self: (sent.append(self.nbytes), flush(self)))
    layer = Layer(BUILDS[4], random_case(1, "plain", BUILDS[4].shape, 3, 6))
    tensors = tensors_of(layer)
    with opened(BUILDS[4], addresses[:count]) as session:
        tops = [top for top, _ in session.boards]
        session.configure(layer.case.parameters())
        weights = [one.nbytes for top in tops for one in layer.parameters(top).values()]
        assert sorted(sent) == sorted(weights)
        sent.clear()
        assert_exact(layer, session, session.run(tensors))
    one = [
        layer.activations(top, 0, tensors)[name].nbytes
        for top in tops
        for name in TOPS[top].activations
    ]
    # Three sequences, and the first one for its latency.
    assert sorted(sent) == sorted(4 * one)


def test_transfab_run_with_served_boards(stage_bundle: Path, tmp_path: Path, kernels: Any) -> None:
    """Two processes of the command line, as a user starts them."""
    engine = tmp_path / "engine.json"
    engine.write_text(json.dumps(ENGINE.as_dict()))
    kernels(CONFIG, ENGINE, "layer")
    found = [free_address() for _ in range(2)]
    places = [f"pynq-remote:zcu104@{address}" for address in found]
    command = [sys.executable, "-m", "transfab", "run", stage_bundle, "--engine", engine]
    command += [word for place in places for word in ("--board", place)]

    def run(*options: str) -> str:
        done = subprocess.run(
            [*map(str, command), *options],
            env=os.environ | {"PYTHONPATH": str(SOURCE), "PYNQ_REMOTE_DEVICES": ""},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    with serving(*found):
        said, shown = json.loads(run("--json")), run()
    assert (said["exact"], said["executors"], said["mismatches"]) == (True, places, [])
    assert list(said["counters"]) == [
        f"{top} {place}" for top, place in zip(("board_a", "board_b"), places, strict=True)
    ]
    # It is no silicon, wherever it is served.
    assert "not silicon" in " ".join(shown.split())
