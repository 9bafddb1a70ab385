"""Defects of pynq 4.0.0, each in the package as it is and with the driver's way around it."""

from __future__ import annotations

import hashlib
import json
import pickle
import zlib
from pathlib import Path
from typing import Any

import host_fixtures  # skips without pynq and grpc
import pytest
from remote_handoff import ZYNQ, write_overlay
from remote_loopback import loopback

from transfab.host.remote.board import BoardDescription
from transfab.host.remote.server import RemoteBoard, free_address

PL0_CONTROL = 0xFF5E_00C0
# Where the widths of the .hwh go: C_MAXIGP0 = 128 bits, C_SAXIGP2 = 64 bits (read, write).
WIDTHS = {0xFD61_5000: 2 << 8, 0xFD38_0000: 1, 0xFD38_0014: 1}


def board(**settings: Any) -> RemoteBoard:
    description = BoardDescription(**settings)
    return RemoteBoard(description, loopback(description), free_address())


def megahertz(word: int) -> float:
    """A PL clock of an UltraScale+ board, from its divisors and 1500 MHz."""
    return 1500 / ((word >> 8 & 63) * (word >> 16 & 63))


def widths(remote: RemoteBoard) -> dict[int, int]:
    return {address: remote.board.ps.read(address) for address in WIDTHS}


@pytest.mark.parametrize("around", [False, True])
def test_clocks_and_port_widths_of_two_boards(defects: Any, tmp_path: Path, around: bool) -> None:
    clocks = (75.0, 250.0)
    bits = [
        str(write_overlay(tmp_path, name, name.encode(), clocks={0: mhz}))
        for name, mhz in zip(("slow", "fast"), clocks, strict=True)
    ]
    with board() as first, board() as second:
        defects("boards", [first.address, second.address], bits=bits, around=around)
        found = [
            (round(megahertz(each.board.ps.read(PL0_CONTROL))), widths(each))
            for each in (first, second)
        ]
    if around:
        assert found == [(75, WIDTHS), (250, WIDTHS)]
    else:  # the first board runs at the second's clock, the second has booted and no more
        assert found == [(250, WIDTHS), (100, dict.fromkeys(WIDTHS, 0))]


def test_slices_of_a_remote_buffer(defects: Any, tmp_path: Path) -> None:
    bit = write_overlay(tmp_path, "layer", b"image")
    with board() as remote:
        plain, around = defects("slices", [remote.address], bit=str(bit), both=True)
    assert plain.pop("wait").startswith("ValueError: cannot reshape array of size 8192")
    # The slice's bytes lie at the buffer's start, on both sides.
    assert plain == {
        "same address": True,
        "sent is whole": False,
        "arrived": False,
        "rest is whole": False,
    }
    assert around == {
        "same address": True,
        "wait": "",
        "sent is whole": True,
        "arrived": True,
        "rest is whole": True,
        "settled": True,
        "unsettled": True,
    }


def test_a_rebuilt_bitstream_of_the_same_name(defects: Any, tmp_path: Path) -> None:
    with board() as remote:
        plain, around = defects("rebuilt", [remote.address], folder=str(tmp_path), both=True)
    # The file is padded to whole words.
    first, other = (zlib.crc32(image + b"\0") for image in (b"first image", b"other image"))
    assert plain["hashes"] == [first, first]
    assert around["hashes"] == [first, other]


def test_an_enabled_clock_of_a_zynq_7000(defects: Any, tmp_path: Path) -> None:
    bit = write_overlay(tmp_path, "layer", b"image", family=ZYNQ, clocks={0: 50.0})
    with board(architecture="armv7l") as remote:
        plain, around = defects("zynq", [remote.address], bit=str(bit), both=True)
    assert plain["failure"].startswith("TypeError: unsupported operand type(s) for /: 'float'")
    assert around["failure"] == ""
    # MHz of FCLK 0: as it booted, then of the .hwh.
    clocks = [
        1000 / ((each["word"] >> 8 & 63) * (each["word"] >> 20 & 63)) for each in (plain, around)
    ]
    assert clocks == [100, 50]


def test_two_handoffs_of_one_bitstream(defects: Any, tmp_path: Path) -> None:
    """The cache of metadata goes by the .bit alone, whatever the board and the .hwh."""
    bits = [
        str(write_overlay(tmp_path / str(mhz), "layer", b"image", clocks={0: mhz}))
        for mhz in (75.0, 250.0)
    ]
    with board() as first, board() as second:
        plain, around = defects("handoffs", [first.address, second.address], bits=bits, both=True)
    assert [round(megahertz(word)) for word in plain["words"]] == [75, 75]
    assert [round(megahertz(word)) for word in around["words"]] == [75, 250]


def contents(site: Path) -> dict[str, bytes]:
    folder = site / "pynq" / "pl_server"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("around", [False, True])
def test_state_in_site_packages(defects: Any, site: Path, tmp_path: Path, around: bool) -> None:
    installed = host_fixtures.installed_pynq() / "pl_server"
    untouched = sorted(path.name for path in installed.iterdir())
    bit = write_overlay(tmp_path, "layer", b"image")
    before = contents(site)
    with board() as remote:
        found = defects("state", [remote.address], bit=str(bit), around=around)
    new = sorted(contents(site).items() - before.items())
    assert found["ip"] == ["dma_hidden", "dma_output", "layer", "ps"]
    assert not found["left"]
    # Neither way touches the pynq that the tests run with.
    assert sorted(path.name for path in installed.iterdir()) == untouched
    if around:
        assert new == []
        assert found["names"] == ["global_pl_state_.json"]
    else:
        # A second load takes the metadata from the pickle and removes the other file.
        assert [name for name, _ in new] == ["_current_metadata.pkl"]


@pytest.mark.parametrize("around", [False, True])
def test_a_pickle_in_site_packages(defects: Any, site: Path, tmp_path: Path, around: bool) -> None:
    bit = write_overlay(tmp_path, "layer", b"image")
    planted, state = tmp_path / "executed", site / "pynq" / "pl_server"
    (state / "_current_metadata.pkl").write_bytes(pickle.dumps(Payload(planted)))
    digest = hashlib.sha1(bit.read_bytes()).hexdigest()
    known = {"bitfile_name": "x", "active_name": "x", "timestamp": "x", "bitfile_hash": digest}
    (state / "global_pl_state_.json").write_text(json.dumps(known))
    with board() as remote:
        defects("state", [remote.address], bit=str(bit), around=around)
    assert planted.exists() is not around
