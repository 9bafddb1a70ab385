"""Opens the boards of a plan: finds each one's bitstream, loads it, gives all back at the end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

from transfab.host.bitstreams import resolve, write_emulated
from transfab.host.board import Board, BoardError, Design
from transfab.host.fabric.kernel import MakeRun
from transfab.host.open_card import TO_START, answers_within, card_board, check_cards
from transfab.host.place import IN_PROCESS, Place, taken
from transfab.host.seen import local_devices, why_no_zynq
from transfab.host.session import PATIENCE, LayerSession, plan
from transfab.quant.config import LayerConfig
from transfab.quant.engine import Engine

# Least seconds that a call to a remote board may take: a slow network is no kernel that hangs.
CALL: Final = 10.0


def missing() -> str | None:
    """Why no board can be driven by pynq here, with the way out; None if one can."""
    from importlib.util import find_spec

    for name in ("pynq", "grpc"):
        if find_spec(name) is None:
            return f"{name} is not installed (pip install 'transfab[board]')"
    return None


@contextmanager
def open_session(
    config: LayerConfig,
    engine: Engine,
    places: Sequence[Place],
    bitstreams: Path | None = None,
    make_run: MakeRun | None = None,
    patience: float = PATIENCE,
    progress: Callable[[str], None] = lambda text: None,
) -> Iterator[LayerSession]:
    """A session over boards that are loaded; all are free again behind it, whatever happened.

    places      one, two or four boards, in the order of the stages
    bitstreams  folder with a manifest, for boards that are not emulated
    make_run    what emulated kernels of a config, an engine and a top compute

    Raises ValueError for places or files that do not fit, BoardError from a board, RuntimeError
    where pynq is not installed.
    """
    tops = plan(len(places))
    check_cards(places)
    zynqs = any(place.board.reach == "pynq" for place in places)
    if zynqs and (lack := missing()):
        raise RuntimeError(lack)
    addresses = [place.address for place in places if place.reach == "pynq-remote"]
    with ExitStack() as stack:
        for place in dict.fromkeys(places):
            seats = sum(place.seat == other.seat for other in places)
            if seats > 1 and place.reach not in IN_PROCESS:
                raise ValueError(f"{place} is given {seats} times: a board has one top")
            stack.enter_context(taken(place))
        remotes = dict(zip(addresses, _connected(addresses, max(patience, CALL)), strict=True))
        for device in remotes.values():
            stack.callback(device.client.close)
        if zynqs:
            from transfab.host.pynq_defects import private_state

            stack.enter_context(private_state())
        answers_within(places, TO_START)
        cards = count()
        written = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="transfab-")))
        boards: list[tuple[str, Board]] = []
        emulated = [_is_emulated(place, remotes) for place in places]
        for number, (place, top) in enumerate(zip(places, tops, strict=True)):
            folder = bitstreams
            if folder is None and emulated[number]:
                folder = written / str(number)
                folder.mkdir()
                write_emulated(folder, place.board, "emulated", (top,), config, engine)
            if folder is None:
                raise ValueError(f"{place} needs --bitstreams FOLDER, with a manifest.json")
            file = resolve(folder, place.board.name, top, config, engine)
            progress(f"loading {file.name} onto {place}")
            board: Board
            if place.board.reach == "xrt":
                name = f"{place} {number}" if place.reach in IN_PROCESS else str(place)
                index = next(cards) if place.reach in IN_PROCESS else 0
                board = card_board(place, name, index, len(places) > 1)
            else:
                board = _board(place, number, remotes, make_run)
            stack.push(_closing(board))
            board.load(file, Design(top, config, engine))
            boards.append((top, board))
        answers_within(places, patience)
        session = LayerSession(config, engine, boards, patience)
        session.emulated = any(emulated)
        yield session


def _closing(board: Board) -> Callable[..., None]:
    """How a stack closes a board: what ended the run is told, not what comes of it."""

    def close(kind: object, error: BaseException | None, trace: object) -> None:
        try:
            board.close()
        except BoardError:
            if error is None:
                raise

    return close


def _connected(addresses: list[str], patience: float) -> list[Any]:
    if not addresses:
        return []
    from transfab.host.remote.client import connect

    try:
        return connect(addresses, patience)
    except ConnectionError as err:
        raise BoardError(str(err)) from err


def _is_emulated(place: Place, remotes: Mapping[str, Any]) -> bool:
    """Whether its bitstreams are made here; what they hold is nothing for a real board."""
    if place.reach != "pynq-remote":
        return place.reach in IN_PROCESS
    try:
        return b"emulated" in remotes[place.address].read_file("/proc/version")
    except (OSError, RuntimeError) as err:
        raise BoardError(f"{place}: {err}") from err


def _board(
    place: Place, number: int, remotes: Mapping[str, Any], make_run: MakeRun | None
) -> Board:
    import pynq.lib.dma  # noqa: F401 - binds the driver of the DMA engines

    from transfab.host.pynq_board import PynqBoard

    if place.reach == "emulated":
        from transfab.host.emulated import EmulatedDevice

        if make_run is None:
            raise ValueError(f"{place} needs to know what its kernel computes")
        device = EmulatedDevice(f"{place} {number}", place.board, make_run)
        return PynqBoard(device.name, device, device.close)
    if place.reach == "pynq-remote":
        return PynqBoard(str(place), remotes[place.address])
    devices = local_devices()
    if not devices:
        raise BoardError(
            f"{why_no_zynq()}: run this on one, or use pynq-remote:BOARD@ADDRESS or emulated"
        )
    return PynqBoard(str(place), devices[0])
