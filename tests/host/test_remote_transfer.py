"""The unmodified pynq against emulated boards: an overlay, DMA transfers, two boards, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from host_fixtures import Client, copy_of_pynq, run_client
from remote_client import BYTES
from remote_handoff import write_overlay
from remote_loopback import loopback

from transfab.host.remote.board import BoardDescription
from transfab.host.remote.server import RemoteBoard, free_address

MEMORY = 1 << 20


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a client saw of a board with 1 MiB."""
    folder = tmp_path_factory.mktemp("remote")
    bit = write_overlay(folder, "layer", b"an image")
    description = BoardDescription(name="ZCU104", memory_bytes=MEMORY)
    with RemoteBoard(description, loopback(description), free_address()) as remote:
        return run_client(
            copy_of_pynq(folder / "site"), "transfer", [remote.address], bit=str(bit), memory=MEMORY
        )


def test_pynq_sees_the_board_that_was_described(found: Any) -> None:
    assert (found["name"], found["arch"]) == ("ZCU104", "aarch64")


def test_a_transfer_through_pynqs_dma_driver_reads_back_equal_bytes(found: Any) -> None:
    assert found["equal"] == [True] * 5
    assert found["transferred"] == BYTES


def test_a_forgotten_flush_sends_the_bytes_of_before(found: Any) -> None:
    assert found["unflushed"]


def test_a_forgotten_invalidation_shows_the_bytes_of_before(found: Any) -> None:
    assert found["uninvalidated"]
    assert found["invalidated"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("allocate", "no room for a buffer of 1048576 bytes: the board has 1048576, 2 buffers are"),
        ("unmapped", "RuntimeError: nothing answers at 0x90000000"),
        ("window", "RuntimeError: offset 0x10000 must be a word of the 65536 bytes at 0xa0000000"),
        ("outside", "a file's path must be absolute and without .., not '/lib/firmware/../../etc"),
        ("elsewhere", "only /lib/firmware/ and /sys/class/fpga_manager/fpga0/ can be written, not"),
        ("missing", "no file /no/file on this board"),
    ],
)
def test_an_error_is_one_line(found: Any, name: str, line: str) -> None:
    assert line in found["errors"][name]
    assert "\n" not in found["errors"][name]


def test_freed_memory_can_be_allocated_again(found: Any) -> None:
    assert found["all memory"] == MEMORY // 2


def test_two_boards_transfer_at_once(client: Client, tmp_path: Path) -> None:
    bit = write_overlay(tmp_path, "layer", b"an image")
    descriptions = [BoardDescription(name=name) for name in ("first", "second")]
    with (
        RemoteBoard(descriptions[0], loopback(descriptions[0]), free_address()) as first,
        RemoteBoard(descriptions[1], loopback(descriptions[1]), free_address()) as second,
    ):
        found = client("two_boards", [first.address, second.address], bit=str(bit))
        assert found == {"names": ["first", "second"], "equal": [True, True]}
        # Each board has its own packet and no other.
        memories = [bytes(each.board.fabric.memory) for each in (first, second)]  # type: ignore[attr-defined]
    assert memories[0] != memories[1]
