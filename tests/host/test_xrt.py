"""Debian's real XRT, its shim and our binding against emulated boards: bytes and failures.

A match proves the host's calls against our model of a board, nothing about silicon.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from xrt_boards import CONTAINER, added, make_boards

from transfab.host.xrt.xclbin import Container, write

pytestmark = [pytest.mark.xrt, pytest.mark.slow, pytest.mark.xdist_group("xrt")]


def ended(process: int) -> bool:
    """Whether a process that is no child of this one has ended, or does so in 5 s."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("count", [1, 2, 4])
def test_boards_at_once_each_give_their_own_bytes(tmp_path: Path, count: int) -> None:
    boards = make_boards(tmp_path, count)
    data = [boards.data(str(index)) for index in range(count)]
    found = boards.play("bytes")
    for index in range(count):
        assert boards.result(str(index)) == added(data[index], 7 + index)
    assert len(set(found["processes"])) == count
    assert all(ended(process) for process in found["processes"])


@pytest.mark.parametrize("size", [1, 4095, 4097, 5_000_000])
def test_buffers_of_any_size_come_back(tmp_path: Path, size: int) -> None:
    boards = make_boards(tmp_path, 1)
    data = boards.data("0", size)
    boards.play("bytes")
    assert boards.result("0") == added(data, 7)


@pytest.mark.parametrize(
    ("what", "words", "limit"),
    [
        ("hangs", "ERT_CMD_STATE_TIMEOUT", 2.0),
        ("sleeps", "did not answer in time", 3.0),
        ("raises", "has ended: ValueError: the fabric refuses (", 2.0),
        ("never made", "has ended: RuntimeError: no such board (", 2.0),
    ],
)
def test_a_board_that_misbehaves_is_one_error_and_works_again(
    tmp_path: Path, what: str, words: str, limit: float
) -> None:
    boards = make_boards(tmp_path, 2, [what])
    data = [boards.data("0"), boards.data("1")]
    found = boards.play("misbehaves")
    assert words in found["error"]
    assert "\n" not in found["error"]
    assert found["seconds"] < limit
    assert boards.result("1") == added(data[1], 8)
    assert boards.result("0") == added(data[0], 7)


def test_a_device_process_killed_in_a_transfer_is_one_error(tmp_path: Path) -> None:
    boards = make_boards(tmp_path, 2, ["sleeps"])
    data = [boards.data("0"), boards.data("1")]
    found = boards.play("killed")
    assert "the process of device 0 has ended" in found["error"]
    assert "\n" not in found["error"]
    assert found["seconds"] < 3.0
    assert boards.result("1") == added(data[1], 8)
    assert boards.result("0") == added(data[0], 7)


@pytest.mark.parametrize("size", [98_303, 98_304])
def test_an_answer_that_breaks_off_is_one_error(tmp_path: Path, size: int) -> None:
    boards = make_boards(tmp_path, 2, ["breaks off"])
    data = [boards.data("0", size), boards.data("1")]
    found = boards.play("misbehaves")
    assert "the process of device 0 has ended (" in found["error"]
    assert found["seconds"] < 2.0
    assert boards.result("1") == added(data[1], 8)
    assert boards.result("0") == added(data[0], 7)


def test_an_allocation_beyond_memory_is_one_error(tmp_path: Path) -> None:
    boards = make_boards(tmp_path, 1)
    data = boards.data("0")
    found = boards.play("beyond")
    assert found["error"].startswith("device 0, buffer of 1073741824 bytes in bank 0: refused")
    assert found["error"].endswith("(XRT: std::bad_alloc)")
    assert found["no bank"].startswith("device 0, buffer of 4096 bytes in bank 5")
    assert boards.result("0") == added(data, 7)


def test_a_corrupted_xclbin_is_refused_before_xrt_sees_it(tmp_path: Path) -> None:
    boards = make_boards(tmp_path, 1)
    whole = (tmp_path / "adder.xclbin").read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    (tmp_path / "corrupted.xclbin").write_bytes(damaged)
    data = boards.data("0")
    found = boards.play("corrupted")
    assert "corrupted.xclbin is no whole xclbin: its content does not have the" in found["error"]
    assert "\n" not in found["error"]
    assert boards.result("0") == added(data, 7)


def test_registers_copies_and_maps_reach_the_board(tmp_path: Path) -> None:
    boards = make_boards(tmp_path, 2)
    data = boards.data("0", 3_000_001)
    found = boards.play("registers")
    assert (found["identity"], found["written"]) == (0xADD1, 5)
    source, target = found["addresses"]
    assert source % 4096 == 0 and source < 1 << 23  # XRT's own commands are in bank 0, too
    assert target == 1 << 23
    assert boards.result("0") == bytes(64) + data[64:]
    assert found["closed"] == "device 1, buffer of 3000001 bytes in bank 0 is closed"
    assert found["errors"] == [
        "device 1, kernel adder: argument 1 is no pointer",
        "device 1, kernel adder: xrtKernelReadRegister failed (XRT: Cannot read or write "
        "kernel with shared access; registers need kernel.exclusive and an offset inside the "
        "kernel's)",
        "device 1, kernel nothing: refused (XRT: No such kernel 'nothing': Invalid argument)",
        "device 7 is not there (xbutil examine lists the boards of a host)",
    ]


def test_another_xclbin_can_be_loaded_on_an_open_board(tmp_path: Path) -> None:
    boards = make_boards(tmp_path, 1)
    other = Container(CONTAINER.kernels, CONTAINER.banks, bitstream=b"another")
    uuid = write(other, tmp_path / "other.xclbin")
    data = boards.data("0")
    found = boards.play("twice")
    first, second, loaded = found["uuids"]
    assert bytes.fromhex(first.replace("-", "")) == uuid
    assert second == loaded != first
    assert found["child"] == 3  # closing a board leaves other children of the process alone
    assert boards.result("0") == added(data, 7)


def test_freed_buffers_leave_no_mapping_behind(tmp_path: Path) -> None:
    assert make_boards(tmp_path, 1).play("many")["mappings"] < 800


def test_a_host_that_is_killed_leaves_no_device_process(tmp_path: Path) -> None:
    boards = make_boards(tmp_path, 2)
    with boards.start("waits") as host:
        assert host.stdout is not None
        devices = [int(process) for process in host.stdout.readline().split()]
        assert len(devices) == 2
        os.kill(host.pid, signal.SIGKILL)
    assert all(ended(device) for device in devices)


def test_a_round_trip_of_98304_bytes_takes_less_than_1200_us(tmp_path: Path) -> None:
    found = make_boards(tmp_path, 1).play("times")
    assert found["equal"]
    assert found["least"] < 1.2e-3  # the least of 300: other processes only ever add
