"""`transfab run` with boards that are away, lost, taken or full: one line in time, and all free."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from emulated_boards import free_address, served_here, small_board
from served_boards import HANG, SOURCE, serving
from tiny_build import CONFIG, ENGINE, Outcome

from transfab.host.place import parse_place, taken

pytestmark = pytest.mark.xdist_group("csim")
# Below the usual patience of 60 s: what is here must not wait for it.
SOON = 30.0
Start = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def pynq_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for needed in ("pynq", "grpc"):
        pytest.importorskip(needed, reason=f"{needed} is missing: pip install 'transfab[board]'")
    # As a client must have it; pynq was imported without it for the sake of other tests.
    monkeypatch.setenv("PYNQ_REMOTE_DEVICES", "127.0.0.2")


@pytest.fixture
def engine_file(tmp_path: Path) -> Path:
    path = tmp_path / "engine.json"
    path.write_text(json.dumps(ENGINE.as_dict()))
    return path


@pytest.fixture
def run(
    stage_bundle: Path, engine_file: Path, kernels: Any, capsys: pytest.CaptureFixture[str]
) -> Iterator[Start]:
    """`transfab run --json` in this process, with boards at these addresses."""
    from transfab.cli import main

    kernels(CONFIG, ENGINE, "layer")
    handler = signal.getsignal(signal.SIGTERM)

    def start(*addresses: str, board: str = "zcu104", options: tuple[str, ...] = ()) -> Outcome:
        places = [f"pynq-remote:{board}@{address}" for address in addresses]
        given = [word for place in places for word in ("--board", place)]
        capsys.readouterr()
        started = time.monotonic()
        code = main(
            ["run", str(stage_bundle), "--engine", str(engine_file), *given, "--json", *options]
        )
        assert time.monotonic() - started < SOON
        captured = capsys.readouterr()
        lines = [line for line in captured.err.splitlines() if not line.startswith("[")]
        return Outcome(code, captured.out, lines)

    yield start
    signal.signal(signal.SIGTERM, handler)


def assert_one_line(done: Outcome, *parts: str) -> None:
    (line,) = done.err
    assert done.code == 1
    assert [part for part in parts if part not in line] == [], line
    assert done.json == {"error": line.removeprefix("transfab: ")}


def test_a_refused_connection_is_one_line(run: Start, kernels: Any) -> None:
    address = free_address()
    with served_here(kernels, free_address()) as there:
        done = run(there.description.name, address)
        assert_one_line(done, f"no board at {address}: nothing answers on port 7967", "start PYNQ")
        assert there.buffers.live == ()
    with served_here(kernels, address):
        assert run(address).code == 0


# Where the server is lost: the method that meets it.
PLACES = {
    "as weights go to it": "pynq.pl_server.remote_device.RemoteBuffer.flush",
    "as a transfer starts": "transfab.host.pynq_board.PynqBoard._transfer",
    "in a transfer": "transfab.host.pynq_board.PynqBoard.wait",
}


@pytest.mark.parametrize("where", PLACES)
def test_a_server_that_is_killed_is_one_line(
    run: Start, kernels: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    address, other = free_address(), free_address()
    with served_here(kernels, other) as there, serving(address, before=HANG) as server:

        def lost() -> None:
            server.kill()
            server.wait()

        with monkeypatch.context() as patch:
            when(patch, PLACES[where], lost)
            # The second board is lost; the first one must be free again.
            order = (other, address) if where != "in a transfer" else (address, other)
            done = run(*order)
        assert_one_line(done, f"pynq-remote:zcu104@{address}: the connection is lost: ")
        assert there.buffers.live == ()
    with served_here(kernels, address):
        assert run(address).code == 0


def test_a_server_that_hangs_is_one_line(
    run: Start, kernels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = free_address()
    with serving(address, before=HANG) as server:

        def hung(driver: Any) -> None:
            server.send_signal(signal.SIGSTOP)
            driver._device.client.seconds = 0.5

        with monkeypatch.context() as patch:
            when(patch, "transfab.host.pynq_board.PynqBoard.wait", hung)
            done = run(address)
        assert_one_line(done, f"pynq-remote:zcu104@{address}: no answer to read within 0.5 s")
    with served_here(kernels, address):
        assert run(address).code == 0


def when(patch: pytest.MonkeyPatch, name: str, act: Callable[..., None]) -> None:
    """Let something happen as a method is called; `act` may take the object."""
    import importlib

    module, kind, method = name.rsplit(".", 2)
    owner = getattr(importlib.import_module(module), kind)
    was = getattr(owner, method)

    def called(self: Any, *given: Any) -> Any:
        act(*([self] if act.__code__.co_argcount else []))
        return was(self, *given)

    patch.setattr(owner, method, called)


def test_a_board_that_another_process_has(run: Start, kernels: Any, tmp_path: Path) -> None:
    address = free_address()
    with served_here(kernels, address):
        # Whatever it is called.
        with taken(parse_place(f"pynq-remote:kv260@{address}")):
            assert_one_line(run(address), f"@{address} is in use by process {os.getpid()}: wait")
        assert run(address).code == 0
        assert_one_line(run(address, address), f"pynq-remote:zcu104@{address} is given 2 times")


def test_memory_that_is_too_small(run: Start, kernels: Any) -> None:
    address = free_address()
    with served_here(kernels, address, small_board(3 * 4096)) as there:
        done = run(address)
        assert_one_line(done, f"pynq-remote:zcu104@{address} has no ", " bytes for ", "free some")
        assert there.buffers.live == ()
    with served_here(kernels, address):
        assert run(address).code == 0


def test_a_bitstream_of_another_board(run: Start, kernels: Any) -> None:
    address = free_address()
    with served_here(kernels, address) as there:
        done = run(address, board="kv260")
        assert_one_line(done, "does not take layer-", f"for a kv260, and {address} is a zcu104")
        assert there.buffers.live == ()
        assert run(address).code == 0


def test_a_fault_behind_a_server_is_one_line_and_the_next_run_works(
    run: Start, kernels: Any
) -> None:
    from transfab.host.fabric.faults import Faults

    address = free_address()
    with served_here(kernels, address) as there:
        there._make_fabric.faults = Faults(hang=True)
        done = run(address, options=("--patience", "0.2"))
        assert_one_line(
            done, f"@{address} gave no result within 0.2 s: kernel ", "dma_output waits"
        )
        assert there.buffers.live == ()
        # The mask's beat of 16 bytes, a row of 32 bytes, then channel 3 of token 1.
        there._make_fabric.faults = Faults(flip=16 + 32 + 2 * 3)
        done = run(address)
        assert (done.code, done.err, done.json["exact"]) == (1, [], False)
        assert [(one["tensor"], one["index"]) for one in done.json["mismatches"]] == [
            ("output", [0, 1, 3])
        ] * 2
        there._make_fabric.faults = Faults()
        assert run(address).json["exact"]


WAITING = """
import sys
from transfab.host import pynq_board
wait = pynq_board.PynqBoard.wait
def waiting(self, seconds):
    print("waiting", flush=True)
    return wait(self, seconds)
pynq_board.PynqBoard.wait = waiting
from transfab.cli import main
sys.exit(main())
"""


def test_a_run_that_is_interrupted_gives_its_boards_back(
    run: Start, stage_bundle: Path, engine_file: Path, kernels: Any
) -> None:
    from transfab.host.fabric.faults import Faults

    address = free_address()
    with served_here(kernels, address) as there:
        there._make_fabric.faults = Faults(hang=True)
        command = [sys.executable, "-c", WAITING, "run", stage_bundle, "--engine", engine_file]
        with subprocess.Popen(
            [*map(str, command), "--board", f"pynq-remote:zcu104@{address}"],
            env=os.environ | {"PYTHONPATH": str(SOURCE), "TMPDIR": tempfile.gettempdir()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout
                assert process.stdout.readline() == "waiting\n"
                assert there.buffers.live
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=SOON)
            finally:
                process.kill()
        lines = [line for line in err.splitlines() if not line.startswith("[")]
        assert (process.returncode, out) == (130, "")
        assert lines == ["transfab: interrupted; nothing was written"]
        assert there.buffers.live == ()
        there._make_fabric.faults = Faults()
        assert run(address).code == 0
