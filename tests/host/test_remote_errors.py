"""Boards that are missing or full, by pynq and by our client: one error in time."""

from __future__ import annotations

from typing import Any

import pytest
from remote_loopback import loopback

from transfab.host.remote.board import BoardDescription
from transfab.host.remote.server import RemoteBoard, free_address


def board(address: str, **settings: Any) -> RemoteBoard:
    description = BoardDescription(**settings)
    return RemoteBoard(description, loopback(description), address)


def test_pynqs_probe_names_no_board_and_then_finds_none(client: Any) -> None:
    with board(free_address()) as there:
        found = client("plain", [there.address, free_address()], script="interrupted_client.py")
    assert found["first"] == "RuntimeError: Failed to connect to remote device"
    assert found["seconds"] > 4
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
    assert found["seconds"] < 20
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
        "MemoryError: no room for a buffer of 65537 bytes: the board has 65536, 0 buffers are live "
        "and the largest gap is 65536; free some first"
    )


def test_a_second_server_of_an_address_is_refused() -> None:
    with board(free_address()) as first:
        with pytest.raises(OSError, match=f"cannot listen on {first.address}:7967: another server"):
            board(first.address).__enter__()


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"memory_bytes": "1"}, "memory_bytes of a board must be int, not '1'"),
        ({"memory_bytes": True}, "memory_bytes of a board must be int, not True"),
        ({"name": 5}, "name of a board must be str, not 5"),
        ({"memory_base": 5}, "memory must start on a page of 4096 bytes"),
        ({"architecture": "x86"}, r"architecture must be one of .*, not 'x86'"),
    ],
)
def test_a_description_that_is_none_is_refused(given: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        BoardDescription(**given)
