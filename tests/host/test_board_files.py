"""Bitstreams that are not what a board needs: refused in one line, and the next one works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from emulated_boards import Bench, Layer, write_bitstream
from faulty_boards import LAYER, assert_free, assert_works, fails
from strategies import refuses
from stream_oracle import BUILDS

from transfab.host.bitstreams import resolve
from transfab.host.board import Design
from transfab.host.boards import board_named
from transfab.host.containers.bit import Image, bit_file
from transfab.quant.bitstreams import Bitstreams, recipe

pytestmark = pytest.mark.xdist_group("csim")


def test_a_bitstream_of_another_build_is_refused(either: Bench, tmp_path: Path) -> None:
    other = Layer(BUILDS[0], LAYER.case)
    file = write_bitstream(tmp_path / "other", other, "layer")
    design = Design("layer", LAYER.config, LAYER.engine)
    wanted, have = (Image("", "", one.config, one.engine).build for one in (LAYER, other))
    with fails(f"bench runs build {have}, and the bundle needs {wanted}: load a bitstream of"):
        either.board.load(file, design)
    assert_works(either)
    assert_free(either)


def test_a_bitstream_of_another_board_is_refused(either: Bench, tmp_path: Path) -> None:
    file = write_bitstream(tmp_path / "other", LAYER, "layer", board_named("kv260"))
    with fails(f"bench does not take {file.name}: ", "is for a kv260, and bench is a zcu104"):
        either.board.load(file, Design("layer", LAYER.config, LAYER.engine))
    assert_works(either)
    assert_free(either)


def broken_files(folder: Path) -> dict[str, Callable[[], Any]]:
    bit = next(folder.glob("*.bit"))
    handoff = bit.with_suffix(".hwh")
    return {
        "no handoff": handoff.unlink,
        "handoff cut off": lambda: handoff.write_text(handoff.read_text()[:700]),
        "handoff of another top": lambda: handoff.write_text(
            handoff.read_text().replace('layer"', 'other"')
        ),
        "bitstream cut off": lambda: bit.write_bytes(bit.read_bytes()[:-8]),
        "empty bitstream": lambda: bit.write_bytes(b""),
        "no bitstream": bit.unlink,
    }


@pytest.mark.parametrize(
    "name",
    [
        "no handoff",
        "handoff cut off",
        "handoff of another top",
        "bitstream cut off",
        "empty bitstream",
        "no bitstream",
    ],
)
def test_files_that_pynq_stumbles_over(either: Bench, tmp_path: Path, name: str) -> None:
    file = write_bitstream(tmp_path / "broken", LAYER, "layer")
    broken_files(tmp_path / "broken")[name]()
    with fails(f"bench does not take {file.name}: "):
        either.board.load(file, Design("layer", LAYER.config, LAYER.engine))
    assert_works(either)
    assert_free(either)


def resolved(folder: Path, board: str = "zcu104", top: str = "layer") -> Path:
    return resolve(folder, board, top, LAYER.config, LAYER.engine)


def test_a_corrupted_bitstream_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    file = write_bitstream(tmp_path, LAYER, "layer")
    assert resolved(tmp_path) == file
    data = file.read_bytes()
    for at in range(0, len(data), 97):
        changed = bytearray(data)
        changed[at] ^= 0x10
        file.write_bytes(changed)
        refuses(lambda: resolved(tmp_path), str(file), "sha256 is", "copy or build it again")
    file.unlink()
    refuses(lambda: resolved(tmp_path), f"{file} is missing", "manifest.json lists it")


def test_a_manifest_that_helps_nobody(tmp_path: Path) -> None:
    refuses(lambda: resolved(tmp_path), f"{tmp_path} must hold manifest.json", "--recipes")
    refuses(lambda: resolved(tmp_path / "none"), "none must hold manifest.json")
    manifest = tmp_path / "manifest.json"
    for data, reason in (
        (b"\x93\xff", "manifest.json: "),
        (b"", "manifest.json: "),
        (b"[]", "manifest.json: "),
        (b'{"schema": 2, "bitstreams": []}', "schema must be 1, not 2"),
        (b'{"schema": 1, "bitstreams": []}', "has no layer of build"),
    ):
        manifest.write_bytes(data)
        refuses(lambda: resolved(tmp_path), reason)
    entry = recipe(
        "zcu104", "one", ["layer"], "layer.bit", LAYER.config, LAYER.engine, "Vivado", 100
    )
    manifest.write_bytes(Bitstreams(bitstreams=[entry]).to_bytes())
    refuses(lambda: resolved(tmp_path), "layer.bit is a recipe, unverified: build it with")


def test_a_manifest_without_this_board_top_or_build(tmp_path: Path) -> None:
    write_bitstream(tmp_path, LAYER, "board_a")
    build = Image("", "", LAYER.config, LAYER.engine).build
    assert resolved(tmp_path, top="board_a").name == f"board_a-{build}.bit"
    refuses(lambda: resolved(tmp_path), f"no layer of build {build} for zcu104, only none")
    refuses(lambda: resolved(tmp_path, "kv260", "board_a"), "for kv260, only none: transfab build")
    other = Layer(BUILDS[0], LAYER.case)
    wanted = Image("", "", other.config, other.engine).build
    refuses(
        lambda: resolve(tmp_path, "zcu104", "board_a", other.config, other.engine),
        f"no board_a of build {wanted} for zcu104, only {build}: transfab build --target zcu104",
    )


def test_a_recorded_file_of_another_board_is_refused_by_the_board(
    bench: Bench, tmp_path: Path
) -> None:
    """Its manifest is whole; only what is in the file says what it is."""
    file = write_bitstream(tmp_path / "b", LAYER, "layer")
    image = Image("pynq-z2", "layer", LAYER.config, LAYER.engine)
    file.write_bytes(bit_file(image, "xczu7ev-ffvc1156-2-e"))
    with fails("is for a pynq-z2, and bench is a zcu104"):
        bench.board.load(file, Design("layer", LAYER.config, LAYER.engine))
