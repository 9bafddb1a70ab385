"""Emulated cards of this process, driven through the stand-in of pyxrt, one or a session."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from emulated_boards import Layer, MakeRun, scrambled, write_bitstream
from pyxrt_stand_in import StandIn

from transfab.host.board import Design
from transfab.host.boards import BoardFile, Region, board_named
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.tops import TOPS
from transfab.quant.intmath import Array

U280 = board_named("u280")


def small_card(bytes_: int) -> BoardFile:
    """A U280 with one memory of so many bytes."""
    regions = (Region("DDR[0]", 0, bytes_),)
    return replace(U280, memories=regions, activations=("DDR[0]",), parameters=("DDR[0]",))


_packed: dict[tuple[int, str], tuple[Layer, dict[str, Beats]]] = {}


def weights_of(layer: Layer, top: str) -> dict[str, Beats]:
    """A top's parameters, packed once: that takes longer than a run."""
    if (id(layer), top) not in _packed:
        _packed[id(layer), top] = layer, layer.parameters(top)
    return _packed[id(layer), top][1]


class Cards:
    """Cards and their drivers; what is loaded is closed by `cards_of`.

    package  `transfab.host`, or a broken copy of it
    """

    def __init__(
        self,
        layer: Layer,
        folder: Path,
        count: int,
        make_run: MakeRun,
        package: str,
        board: BoardFile,
        peers: bool,
    ) -> None:
        self.layer, self.folder, self.board_file = layer, folder, board
        emulated = importlib.import_module(f"{package}.emulated_card")
        self.faults = importlib.import_module(f"{package}.fabric.faults").Faults
        self.error = importlib.import_module(f"{package}.board").BoardError
        self.cards = [emulated.EmulatedCard(board, make_run) for _ in range(count)]
        self.xrt = StandIn(self.cards, peers)
        driver = importlib.import_module(f"{package}.xrt_board").XrtBoard
        self.boards = [
            driver(f"card {index}", self.xrt, index, card.close)
            for index, card in enumerate(self.cards)
        ]

    def load(self, *tops: str, **faults: Any) -> Cards:
        """Fresh bitstreams, with faults of the first card from now on."""
        self.cards[0].faults = self.faults(**faults)
        for top, board in zip(tops or ("layer",), self.boards, strict=True):
            file = write_bitstream(self.folder / top, self.layer, top, self.board_file)
            board.load(file, Design(top, self.layer.config, self.layer.engine))
        self.tops = tops or ("layer",)
        return self

    def configure(self) -> Cards:
        for top, board in zip(self.tops, self.boards, strict=True):
            board.configure(weights_of(self.layer, top))
        return self

    def submit(self, index: int, tensors: Mapping[str, Array]) -> None:
        (top,) = self.tops
        packets = self.layer.activations(top, index, tensors)
        given = {name: packets[name] for name in TOPS[top].activations}
        self.boards[0].submit(tensors["mask"].shape[1], given)

    def run(self, index: int, tensors: Mapping[str, Array], seconds: float = 5) -> Beats:
        self.submit(index, tensors)
        made: Beats = self.boards[0].wait(seconds)
        return made

    def session(self, package: str = "transfab.host") -> Any:
        session = importlib.import_module(f"{package}.session")
        pairs: Sequence[Any] = list(zip(self.tops, self.boards, strict=True))
        return session.LayerSession(self.layer.config, self.layer.engine, pairs, 10)


@contextmanager
def cards_of(
    layer: Layer,
    folder: Path,
    count: int = 1,
    make_run: MakeRun = scrambled,
    package: str = "transfab.host",
    board: BoardFile = U280,
    peers: bool = False,
) -> Iterator[Cards]:
    """Cards that are closed, whatever happens."""
    made = Cards(layer, folder, count, make_run, package, board, peers)
    try:
        yield made
    finally:
        for one in made.boards:
            one.close()
