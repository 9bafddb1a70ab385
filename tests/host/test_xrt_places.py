"""Cards by name, bank and bus id: what `--board`, the manifest and the xclbin say of them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import pytest
from emulated_boards import layer_of, write_bitstream
from strategies import refuses

from transfab.host import open_card
from transfab.host.bitstreams import resolve
from transfab.host.board import BoardError
from transfab.host.boards import BOARDS, board_named
from transfab.host.card import (
    BYTES_ARGUMENT,
    MEMORY_ARGUMENT,
    emulated_memories,
    movers,
    sequence_argument,
)
from transfab.host.open import open_session
from transfab.host.place import Place, parse_place, taken
from transfab.host.xrt import pyxrt
from transfab.host.xrt.emulation import SIZES
from transfab.host.xrt.xclbin_reader import read
from transfab.quant.contract.tops import TOPS

ROOT = Path(__file__).parents[2]
CARDS = [board for board in BOARDS.values() if board.reach == "xrt"]
LAYER = layer_of(4)
BUS_ID = "0000:3b:00.1"


@pytest.mark.parametrize("text", ["emulated-xrt:u280", "emulated-xrt:u200", f"xrt:u55c@{BUS_ID}"])
def test_a_place_reads_as_it_was_written(text: str) -> None:
    assert str(parse_place(text)) == text


def test_an_emulated_card_is_a_u280_unless_it_is_said() -> None:
    assert parse_place("emulated-xrt") == Place("emulated-xrt", board_named("u280"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("xrt", "a bus id of small digits is for xrt, such as xrt:u280@0000:3b:00.1"),
        ("xrt:u280", "such as xrt:u280@0000:3b:00.1"),
        ("xrt:u55c@3b:00.1", "such as xrt:u55c@0000:3b:00.1"),
        ("xrt:u55c@0000:3B:00.1", "a bus id of small digits"),
        ("xrt:u55c@0000:3b:00.1/x", "a bus id of small digits"),
        ("xrt:u55c@0", "a bus id of small digits"),
        (f"emulated-xrt:u280@{BUS_ID}", "a bus id of small digits is for xrt"),
        ("emulated-xrt:u280@", ""),
        ("emulated-xrt:zcu104", "a zcu104 is a Zynq, no card of xrt"),
        (f"xrt:zcu104@{BUS_ID}", "a zcu104 is a Zynq, no card of xrt"),
        ("emulated:u280", "a u280 is a card of xrt, no Zynq"),
        ("emulated-xrt:u99", "board must be one of u200, "),
        ("xrt2:u280", "emulated-xrt[:BOARD] or xrt:BOARD@BUS_ID for a card, not xrt2:u280"),
    ],
)
def test_what_is_no_place_is_one_line(text: str, words: str) -> None:
    if words:
        refuses(lambda: parse_place(text), words)
    else:
        assert str(parse_place(text)) == text.rstrip("@")


def test_a_card_has_one_owner_whatever_board_it_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    holder = (
        "import sys, tempfile\ntempfile.tempdir = sys.argv[1]\n"
        "from transfab.host.place import parse_place, taken\n"
        "with taken(parse_place(sys.argv[2])):\n"
        "    print('has it', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path), f"xrt:u280@{BUS_ID}"],
        env={"PYTHONPATH": str(ROOT / "src")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "has it\n"
        for name in ("u280", "u55c"):
            place = parse_place(f"xrt:{name}@{BUS_ID}")
            with pytest.raises(BoardError, match=rf"{place} is in use by process {process.pid}: "):
                taken(place).__enter__()
        with taken(parse_place("xrt:u280@0000:5e:00.1")):
            pass
        process.kill()
        process.wait()
    with taken(parse_place(f"xrt:u280@{BUS_ID}")):
        pass
    # Emulated ones are nobody else's.
    with taken(parse_place("emulated-xrt")), taken(parse_place("emulated-xrt")):
        pass


def test_cards_are_refused_in_one_line_where_they_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("XILINX_XRT", "XCL_EMULATION_MODE", "TRANSFAB_XRT_FABRIC"):
        monkeypatch.delenv(name, raising=False)
    given = LAYER.config, LAYER.engine
    card = parse_place(f"xrt:u280@{BUS_ID}")
    with pytest.raises(ValueError, match=rf"^xrt:u280@{BUS_ID} is given 2 times: a board has one"):
        open_session(*given, [card] * 2).__enter__()
    with pytest.raises(ValueError, match=rf"^xrt:u280@{BUS_ID} needs --bitstreams FOLDER"):
        open_session(*given, [card]).__enter__()
    write_bitstream(tmp_path / "files", LAYER, "layer", board_named("u280"))
    with pytest.raises(BoardError, match=r"needs XRT: source its setup\.sh, or use emulated-xrt"):
        open_session(*given, [card], tmp_path / "files").__enter__()
    with pytest.raises(RuntimeError, match="this process sees 0 emulated cards and needs 1"):
        open_session(*given, [parse_place("emulated-xrt")]).__enter__()
    with taken(card):
        pass


@pytest.mark.parametrize("board", CARDS, ids=lambda board: board.name)
@pytest.mark.parametrize("top", TOPS)
def test_an_emulated_xclbin_says_what_its_card_has(tmp_path: Path, board: Any, top: str) -> None:
    file = write_bitstream(tmp_path, LAYER, top, board)
    assert file == resolve(tmp_path, board.name, top, LAYER.config, LAYER.engine)
    assert file.suffix == ".xclbin"
    container = read(file)
    assert container.platform == board.name
    kernel, *units = container.kernels
    assert (kernel.name, kernel.unit, kernel.control) == (top, f"{top}_1", "ap_ctrl_chain")
    sequence = kernel.arguments[sequence_argument(top)]
    assert (sequence.name, sequence.offset, sequence.stream) == ("sequence", 0x10, False)
    assert [one.unit for one in units] == [one.unit for one in movers(top, board)]
    for unit, mover in zip(units, movers(top, board), strict=True):
        memory = unit.arguments[MEMORY_ARGUMENT[mover.kernel]]
        size = unit.arguments[BYTES_ARGUMENT]
        assert (unit.name, memory.name, memory.offset, memory.bank) == (
            mover.kernel, "memory", 0x10, mover.bank
        )  # fmt: skip
        assert (size.name, size.offset, size.size) == ("bytes", 0x1C, 4)
    # What XRT's shim can be told: powers of 2, one after the other.
    at = 0
    for bank, region in zip(container.banks, emulated_memories(board), strict=True):
        assert (bank.name, bank.base, bank.size) == (region.tag, region.base, region.size)
        assert bank.base == at and bank.size in SIZES
        at += bank.size


# Two kernels on one card are of no plan of `transfab run`.
CONFIGURATIONS = [
    path for path in sorted((ROOT / "bitstreams").glob("*/*/*.cfg")) if path.parent.name != "split"
]


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: "-".join(path.parts[-3:]))
def test_banks_and_units_are_those_of_the_link_configurations(path: Path) -> None:
    """As hls/link.py writes them."""
    board = board_named(path.parts[-3])
    lines = path.read_text().splitlines()
    tops = [line.split(":")[0][3:] for line in lines if line.startswith("nk=")][:-2]
    assert len(tops) == 1
    placed = [line[3:] for line in lines if line.startswith("sp=")]
    assert placed == [f"{one.unit}.memory:{one.bank}" for one in movers(tops[0], board)]
    units = ",".join(line.split(":")[2] for line in lines if line.startswith("nk="))
    wanted = [f"{tops[0]}_1", *(one.unit for one in movers(tops[0], board))]
    assert units.split(",") == wanted


def made(monkeypatch: pytest.MonkeyPatch, **classes: tuple[str, ...]) -> types.ModuleType:
    """A module pyxrt with these methods of these classes."""
    module = types.ModuleType("pyxrt")
    for name, methods in classes.items():
        setattr(module, name, type(name, (), dict.fromkeys(methods)))
    monkeypatch.setitem(sys.modules, "pyxrt", module)
    return module


def test_amds_pyxrt_is_used_where_it_has_what_a_driver_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("XILINX_XRT", raising=False)
    whole = made(monkeypatch, kernel=("read_register",), bo=("sync",), run=("set_arg",))
    assert open_card.package(False) is whole
    assert open_card.package(False, several=True) is whole
    assert open_card.package(True) is pyxrt
    # Where XRT's C interface is at hand, buffers of several cards may reach each other.
    monkeypatch.setenv("XILINX_XRT", "anywhere")
    assert open_card.package(False) is whole
    assert open_card.package(False, several=True) is pyxrt
    made(monkeypatch, kernel=(), bo=("sync",), run=("set_arg",))
    assert open_card.package(False) is pyxrt
    monkeypatch.setitem(sys.modules, "pyxrt", None)
    assert open_card.package(False) is pyxrt
