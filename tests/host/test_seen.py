"""The boards that a machine sees, by a file system made here, by servers, and by `doctor`."""

from __future__ import annotations

import importlib.util
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from emulated_boards import free_address, scrambled, served_here
from tiny_build import Outcome, Run

from transfab.host import seen as seeing
from transfab.host.boards import BOARDS
from transfab.host.remote.client import NAME, PORT
from transfab.host.seen import CARDS, MANAGER, Seen, local_devices, seen


@pytest.fixture
def pynq_here() -> Any:
    return pytest.importorskip("pynq", reason="pynq is missing: pip install 'transfab[board]'")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Of a machine with nothing on it."""
    (tmp_path / "sys").mkdir()
    return tmp_path


@pytest.fixture
def zynq(root: Path) -> Path:
    (root / MANAGER).parent.mkdir(parents=True)
    (root / MANAGER).touch()
    name = root / NAME.lstrip("/")
    name.parent.mkdir(parents=True)
    name.write_bytes(b"ZCU104\0")
    return root


class Device:
    def __init__(self, *capabilities: str) -> None:
        self.capabilities = capabilities

    def has_capability(self, name: str) -> bool:
        return name in self.capabilities


def test_a_machine_without_boards_sees_none(root: Path) -> None:
    assert seen([], root=root) == []


def test_the_zynq_that_it_runs_on(
    zynq: Path, pynq_here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices: list[Device] = []
    monkeypatch.setattr(pynq_here.Device.__class__, "devices", devices)
    (found,) = seen([], root=zynq)
    assert (found.place, found.answers) == ("pynq", False)
    assert "only where XILINX_XRT is set" in found.state
    # A remote board is none of this machine, whatever pynq says.
    devices.append(Device("REMOTE"))
    assert not seen([], root=zynq)[0].answers
    devices.append(Device())
    assert seen([], root=zynq) == [Seen("pynq", True, "ZCU104")]
    (zynq / NAME.lstrip("/")).unlink()
    assert seen([], root=zynq) == [Seen("pynq", True, "without a name")]


def test_pynq_is_not_sent_to_remote_boards_when_a_local_one_is_looked_for(
    pynq_here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.setenv("PYNQ_REMOTE_DEVICES", "192.0.2.1")
    asked: list[str | None] = []

    def devices(cls: Any) -> list[Device]:
        asked.append(os.environ.get("PYNQ_REMOTE_DEVICES"))
        return []

    monkeypatch.setattr(pynq_here.Device.__class__, "devices", property(devices))
    assert local_devices() == []
    assert asked == [None]
    assert os.environ["PYNQ_REMOTE_DEVICES"] == "192.0.2.1"


def test_a_package_that_is_missing_or_damaged_is_said(
    zynq: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged() -> list[Any]:
        raise OSError("libxrt is\nnot here")

    if importlib.util.find_spec("pynq"):
        monkeypatch.setattr(seeing, "local_devices", damaged)
        assert seen([], root=zynq) == [Seen("pynq", False, "OSError: libxrt is not here")]
    monkeypatch.setattr(seeing, "find_spec", lambda name: None)
    (found,) = seen([], root=zynq)
    assert found == Seen("pynq", False, "pynq is not installed (pip install 'transfab[board]')")


def test_cards_are_named_by_their_place(root: Path) -> None:
    names = {"0000:65:00.1": "xilinx_u280_gen3x16_xdma_base_1", "0000:b3:00.1": ""}
    for address, name in names.items():
        card = root / CARDS / address
        (card / "rom.u.1").mkdir(parents=True)
        if name:
            (card / "rom.u.1" / "VBNV").write_text(f"{name}\n")
    (root / CARDS / "bind").touch()
    assert seen([], root=root) == [
        Seen("xrt@0000:65:00.1", True, "xilinx_u280_gen3x16_xdma_base_1"),
        Seen("xrt@0000:b3:00.1", True, "a card of XRT"),
    ]


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    address = free_address()
    with socket.socket() as listener:
        listener.bind((address, PORT))
        listener.listen()
        yield address


def test_remote_boards_are_asked_for_their_names(root: Path, pynq_here: Any) -> None:
    there, away = free_address(), free_address()
    with served_here(scrambled, there):
        found = seen([away, there], 30.0, root)
    assert [one.place for one in found] == [f"pynq-remote@{at}" for at in (away, there)]
    assert [one.answers for one in found] == [False, True]
    assert found[0].state.startswith(f"no board at {away}: nothing answers on port 7967")
    assert found[1].state == there


def test_a_server_that_says_nothing_is_given_up(root: Path, pynq_here: Any, deaf: str) -> None:
    start = time.monotonic()
    (found,) = seen([deaf], 1.0, root)
    assert time.monotonic() - start < 30
    assert (found.place, found.answers) == (f"pynq-remote@{deaf}", False)
    assert found.state in (
        f"no PYNQ.remote at {deaf}: it does not speak gRPC",
        "no answer within 2 s",
    )


def test_what_never_answers_is_given_up(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    ended = threading.Event()

    def never(root: Path) -> list[Seen]:
        ended.wait()
        return []

    monkeypatch.setattr(seeing, "_zynq", never)
    try:
        assert seen([], 0.05, root)[0] == Seen("pynq", False, "no answer within 0.1 s")
    finally:
        ended.set()


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Run:
    from transfab.cli import main

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main(["doctor", *map(str, arguments)])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err.splitlines())

    return run


def test_doctor_lists_boards_and_board_files(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def found(addresses: list[str]) -> list[Seen]:
        asked.append(addresses)
        return [Seen(f"pynq-remote@{one}", one == "192.0.2.2", "KV260") for one in addresses]

    monkeypatch.setattr(seeing, "seen", found)
    monkeypatch.setenv("PYNQ_REMOTE_DEVICES", "192.0.2.1, 192.0.2.2,")
    done = doctor("--remote", "192.0.2.3", "--remote", "192.0.2.1", "--json")
    assert (done.code, done.err) == (0, [])
    assert asked == [["192.0.2.1", "192.0.2.2", "192.0.2.3"]]
    assert done.json["boards"][1] == {
        "place": "pynq-remote@192.0.2.2", "answers": True, "state": "KV260"
    }  # fmt: skip
    assert {name: one["reach"] for name, one in done.json["board_files"].items()} == {
        name: board.reach for name, board in BOARDS.items()
    }
    shown = doctor()
    assert shown.code == 0
    assert "pynq-remote@192.0.2.2   there   KV260" in shown.out
    assert "no board is seen here" not in shown.out
    for name, board in BOARDS.items():
        assert f"{name} {board.reach} {board.part}" in " ".join(shown.out.split())


def test_doctor_says_in_one_line_that_there_is_no_board(
    doctor: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeing, "seen", lambda addresses: [])
    shown = doctor()
    (line,) = [one for one in shown.out.splitlines() if "no board" in one]
    assert line == "no board is seen here; emulated ones need none (transfab run --board emulated)"
    assert "zcu104, kv260, pynq-z2" in shown.out
