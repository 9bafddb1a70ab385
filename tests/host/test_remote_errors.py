"""Boards that are missing, die, hang or are full: one error in time, and the next run works."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from host_fixtures import HERE, board_process, environment
from remote_handoff import write_overlay
from remote_loopback import loopback

from transfab.host.remote.board import BoardDescription
from transfab.host.remote.process import main
from transfab.host.remote.server import RemoteBoard, free_address


def board(address: str, **settings: Any) -> RemoteBoard:
    description = BoardDescription(**settings)
    return RemoteBoard(description, loopback(description), address)


def test_pynqs_probe_names_no_board_and_then_finds_none(client: Any) -> None:
    with board(free_address()) as there:
        found = client("plain", [there.address, free_address()], script="interrupted_client.py")
    assert found["first"] == "RuntimeError: Failed to connect to remote device"
    assert 4 < found["seconds"] < 8
    # The board that is there is lost, too.
    assert found["second"] == 0


def test_a_refused_connection_names_its_board_at_once(client: Any) -> None:
    with board(free_address()) as there:
        addresses = [there.address, free_address()]
        script = "interrupted_client.py"
        found = client("connected", addresses, script=script, addresses=addresses)
    assert found["failure"] == (
        f"ConnectionError: no board at {addresses[1]}: nothing answers on port 7967 "
        "(Connection refused); start PYNQ.remote there or correct the address"
    )
    assert found["seconds"] < 4
    assert found["left"] == 1


def test_allocation_beyond_memory_is_a_memory_error(client: Any) -> None:
    with board(free_address(), memory_bytes=1 << 16) as full:
        found = client(
            "allocated",
            [full.address],
            script="interrupted_client.py",
            addresses=[full.address],
            size=(1 << 16) + 1,
        )
    assert found["failure"] == (
        f"MemoryError: board {full.address}: no room for a buffer of 65537 bytes: the board has "
        "65536, 0 buffers are live and the largest gap is 65536; free some first "
        "(RESOURCE_EXHAUSTED)"
    )


@pytest.mark.parametrize(
    ("sent", "kind", "end", "limit"),
    [
        (signal.SIGKILL, "ConnectionError", "(UNAVAILABLE)", 3.0),
        (signal.SIGSTOP, "TimeoutError", "Deadline Exceeded (DEADLINE_EXCEEDED)", 4.0),
    ],
)
def test_a_server_that_is_lost_in_a_transfer_is_one_error_in_time(
    site: Path, tmp_path: Path, sent: signal.Signals, kind: str, end: str, limit: float
) -> None:
    address = free_address()
    bit = write_overlay(tmp_path, "layer", b"an image")
    arguments = {"addresses": [address], "bit": str(bit), "deadline": 1.0}
    with board_process(address, fabric={"stalls": True}) as server:
        with subprocess.Popen(
            [
                sys.executable,
                str(HERE / "interrupted_client.py"),
                "interrupted",
                json.dumps(arguments),
            ],
            env=environment(site, [address]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as lost:
            try:
                assert lost.stdout
                assert lost.stdout.readline() == "waiting\n", lost.communicate()[1]
                time.sleep(0.2)
                server.send_signal(sent)
                if sent == signal.SIGKILL:
                    server.wait()
                out, err = lost.communicate("\n", timeout=20)
            finally:
                lost.kill()
    assert lost.returncode == 0, err
    found = json.loads(out)
    assert found["failure"].startswith(f"{kind}: board {address}: ")
    assert found["failure"].endswith(end)
    assert "\n" not in found["failure"]
    assert found["seconds"] < limit
    # Its address is free for the next run.
    with board(address):
        pass


def test_a_server_ends_with_the_process_that_holds_its_stdin() -> None:
    address = free_address()
    with board_process(address) as server:
        assert server.stdin
        server.stdin.close()
        assert server.wait(10) == 0
    with board(address):
        pass


def test_a_second_server_of_an_address_is_refused() -> None:
    with board(free_address()) as first:
        with pytest.raises(OSError, match=f"cannot listen on {first.address}:7967: another server"):
            board(first.address).__enter__()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[]", r"a board's description must be a JSON object, not '\[\]'"),
        ("{", "a board's description must be JSON: "),
        ('{"memory": 1}', r"a board's description has .*, not \['memory'\]"),
        ('{"memory_bytes": "1"}', "memory_bytes of a board must be int, not '1'"),
        ('{"memory_bytes": true}', "memory_bytes of a board must be int, not True"),
        ('{"memory_base": 5}', "memory must start on a page of 4096 bytes"),
        ('{"architecture": "x86"}', r"architecture must be one of .*, not 'x86'"),
    ],
)
def test_a_description_that_is_none_is_refused(
    text: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=line):
        BoardDescription.from_json(text)
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert main([free_address(), text], loopback) == 1
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err[:7]) == ("", 1, "error: ")
