"""Which file a board loads: found in a manifest, checked against it before anything is loaded.

manifest.json -> entry of this board, kernel and build -> file -> sha256
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from transfab.host.boards import BoardFile
from transfab.host.containers.bit import Image, bit_file
from transfab.host.containers.card import container
from transfab.host.containers.hwh import hwh
from transfab.host.xrt.xclbin import write
from transfab.quant.bitstreams import Bitstream, Bitstreams, parse_bitstreams
from transfab.quant.config import LayerConfig
from transfab.quant.engine import Engine, build_hash

MANIFEST: Final = "manifest.json"
EMULATED: Final = "emulated, no silicon"


def resolve(folder: Path, board: str, top: str, config: LayerConfig, engine: Engine) -> Path:
    """The bitstream of a folder for a board, a top and a build.

    Raises ValueError, in one line, where none is listed, it was never built, or the file is missing
    or not the one that the manifest means.
    """
    manifest = folder / MANIFEST
    try:
        listed = parse_bitstreams(manifest.read_bytes()).bitstreams
    except FileNotFoundError as err:
        raise ValueError(f"{folder} must hold {MANIFEST}: transfab build --recipes") from err
    except ValueError as err:
        raise ValueError(f"{manifest}: {err}") from err
    wanted = build_hash(config, engine)
    of_board = [one for one in listed if one.board == board and one.kernels == [top]]
    found = next((one for one in of_board if one.build_hash == wanted), None)
    if found is None:
        builds = ", ".join(one.build_hash for one in of_board) or "none"
        raise ValueError(
            f"{manifest} has no {top} of build {wanted} for {board}, only {builds}: transfab build "
            f"--target {board}"
        )
    path = folder / found.file
    if found.sha256 is None:
        raise ValueError(f"{found.file} is a {found.origin}: build it with transfab build")
    if not path.is_file():
        raise ValueError(f"{path} is missing: {manifest} lists it")
    have = hashlib.sha256(path.read_bytes()).hexdigest()
    if have != found.sha256:
        raise ValueError(
            f"{path} is not the file of {manifest}: its sha256 is {have[:16]}..., not "
            f"{found.sha256[:16]}...; copy or build it again"
        )
    return path


def write_emulated(
    folder: Path,
    board: BoardFile,
    plan: str,
    tops: tuple[str, ...],
    config: LayerConfig,
    engine: Engine,
) -> None:
    """Bitstreams of emulated boards, with their manifest, into an empty folder.

    A Zynq has a .bit and its handoff, a card an .xclbin.
    """
    entries = []
    for top in tops:
        card = board.reach == "xrt"
        name = f"{top}-{build_hash(config, engine)}.{'xclbin' if card else 'bit'}"
        data = bit_file(Image(board.name, top, config, engine), board.part)
        if card:
            write(container(top, board, data), folder / name)
            data = (folder / name).read_bytes()
        else:
            (folder / name).write_bytes(data)
            handoff = hwh(top, engine, board.processor)
            (folder / name).with_suffix(".hwh").write_text(handoff, encoding="utf-8")
        entries.append(
            Bitstream(
                board=board.name,
                plan=plan,
                kernels=[top],
                file=name,
                sha256=hashlib.sha256(data).hexdigest(),
                config=config.as_dict(),
                config_hash=config.hash,
                engine=engine.as_dict(),
                engine_hash=engine.hash,
                build_hash=build_hash(config, engine),
                tool="transfab",
                clock_mhz=100,
                clock_kind="assumed",
                origin=EMULATED,
            )
        )
    (folder / MANIFEST).write_bytes(Bitstreams(bitstreams=entries).to_bytes())
