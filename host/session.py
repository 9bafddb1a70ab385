"""A layer on one board or several: weights in once, sequences in, every packet that leaves a board.

sequence 0   board A -> board B
sequence 1              board A -> board B        boards work at the same time
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import TracebackType
from typing import Final, Self

from transfab.host.board import Board
from transfab.host.peer import PEER, Peer, boundary
from transfab.quant.bert.layer import LayerParameters, Tensors
from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.parameters import pack_parameters
from transfab.quant.contract.tops import TOPS, pack_activation
from transfab.quant.engine import Engine
from transfab.quant.intmath import Array
from transfab.quant.packet_check import unpacked

# Tops of the boards, by their number.
PLANS: Final = {
    1: ("layer",),
    2: ("board_a", "board_b"),
    4: ("qkv", "attention", "intermediate", "output"),
}
# Seconds without a result until a board is given up.
PATIENCE: Final = 60.0
# Seconds between two lines about what takes long.
TOLD: Final = 5.0


def plan(boards: int) -> tuple[str, ...]:
    """The tops of so many boards; ValueError for a number that is in no plan."""
    if boards not in PLANS:
        counts = ", ".join(map(str, PLANS))
        raise ValueError(f"a layer runs on {counts} boards, not on {boards}")
    return PLANS[boards]


def counted(number: int, noun: str) -> str:
    """Such as `1 board` and `2 boards`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


@dataclass(frozen=True)
class Passage:
    """What one batch took.

    packets  top -> its output packet of each sequence
    latency  top -> seconds of its first sequence, packing left out; measured
    rates    top -> sequences a second, from its first one given to its last one taken; measured
    seconds  of the whole batch, boards at work at the same time; measured
    """

    packets: dict[str, list[Beats]] = field(default_factory=dict)
    latency: dict[str, float] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


@contextmanager
def telling(progress: Callable[[str], None]) -> Iterator[Callable[[str], None]]:
    """A function that is told what is under way; each TOLD seconds `progress` hears of the last.

    What takes less is not worth a line.
    """
    said, ended = "", threading.Event()

    def tell(text: str) -> None:
        nonlocal said
        said = text

    def repeat() -> None:
        while not ended.wait(TOLD):
            progress(said)

    thread = threading.Thread(target=repeat, daemon=True, name="progress")
    thread.start()
    try:
        yield tell
    finally:
        ended.set()
        thread.join()


class LayerSession:
    """Boards that hold the design of a plan each, in the order of the plan.

    boards    (top, board), loaded
    patience  seconds that a result may take
    emulated  whether a board is none of silicon, in this process or behind a server
    """

    emulated = False

    def __init__(
        self,
        config: LayerConfig,
        engine: Engine,
        boards: Sequence[tuple[str, Board]],
        patience: float = PATIENCE,
    ) -> None:
        self.config, self.engine, self.boards = config, engine, list(boards)
        self.patience = patience
        # Behind each board but the last.
        self.boundaries = [boundary(a, b) for (_, a), (_, b) in pairwise(self.boards)]
        self._params: LayerParameters | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for _, board in self.boards:
            board.close()

    def configure(self, params: LayerParameters) -> None:
        """Put a layer's weights into the boards' memory, unless they are there."""
        if params is self._params:
            return
        # Some boards may have other weights than the rest if one fails.
        self._params = None
        for top, board in self.boards:
            board.configure(
                {
                    f"{stage}_parameters": pack_parameters(self.config, self.engine, stage, params)
                    for stage in TOPS[top].stages
                }
            )
        self._params = params

    def run(
        self,
        tensors: Tensors,
        progress: Callable[[str], None] = lambda text: None,
    ) -> Passage:
        """Run a batch through all boards.

        tensors  name -> (B, S, channels), mask (B, S), at least what the first board reads

        Raises ValueError for a sequence that the kernels do not take, BoardError from a board.
        """
        batch, sequence = next(iter(tensors.values())).shape[:2]
        self.engine.check_sequence(sequence)
        progress(
            f"{counted(batch, 'sequence')} of {sequence} tokens on "
            f"{counted(len(self.boards), 'board')}"
        )
        with telling(progress) as tell:
            return self._run(tensors, batch, sequence, tell)

    def _run(
        self, tensors: Tensors, batch: int, sequence: int, tell: Callable[[str], None]
    ) -> Passage:
        packets = [self._first(tensors, index) for index in range(batch)]
        passage = Passage({top: [] for top, _ in self.boards})
        for place, (top, board) in enumerate(self.boards):
            start = time.perf_counter()
            tell(f"{top}: sequence 1, alone")
            board.submit(sequence, self._given(place, packets[0]))
            packets[0][TOPS[top].output] = board.wait(self.patience)
            self._pass_on(place)
            passage.latency[top] = time.perf_counter() - start
        begun: dict[str, float] = {}
        start = time.perf_counter()
        # In a step each board has the sequence behind that of the next board.
        for step in range(batch + len(self.boards) - 1):
            under_way = []
            for place, (top, board) in enumerate(self.boards):
                if 0 <= (index := step - place) < batch:
                    begun.setdefault(top, time.perf_counter())
                    board.submit(sequence, self._given(place, packets[index]))
                    under_way.append((index, place))
            for index, place in under_way:
                top, board = self.boards[place]
                tell(f"{top}: sequence {index + 1} of {batch}")
                made = board.wait(self.patience)
                packets[index][TOPS[top].output] = made
                passage.packets[top].append(made)
                passage.rates[top] = (index + 1) / (time.perf_counter() - begun[top])
            # Only now does no board read what it was given.
            for _, place in under_way:
                self._pass_on(place)
        return replace(passage, seconds=time.perf_counter() - start)

    def _first(self, tensors: Tensors, index: int) -> dict[str, Beats]:
        one = {name: tensor[index] for name, tensor in tensors.items()}
        made = {TOPS[top].output for top, _ in self.boards}
        read = {name for top, _ in self.boards for name in TOPS[top].activations}
        return {name: pack_activation(self.config, self.engine, name, one) for name in read - made}

    def _given(self, place: int, packets: Mapping[str, Beats]) -> dict[str, Beats]:
        """What a board gets from the host: not what the board before has passed on."""
        top, passed = self.boards[place][0], ""
        if place and self.boundaries[place - 1] == PEER:
            passed = TOPS[self.boards[place - 1][0]].output
        return {name: packets[name] for name in TOPS[top].activations if name != passed}

    def _pass_on(self, place: int) -> None:
        board = self.boards[place][1]
        if self.boundaries[place : place + 1] == [PEER] and isinstance(board, Peer):
            board.pass_on()


class SessionRunner:
    """A board for each stage as `transfab.quant.packet_executor` wants them."""

    def __init__(self, session: LayerSession) -> None:
        self.session = session

    def run_top(self, top: str, params: LayerParameters, tensors: Tensors) -> dict[str, Array]:
        """As `transfab.quant.packet_executor.TopRunner` says, on the board of that top."""
        session = self.session
        boards = [(name, board) for name, board in session.boards if name == top]
        session.configure(params)
        batch, sequence = next(iter(tensors.values())).shape[:2]
        alone = LayerSession(session.config, session.engine, boards, session.patience)
        made = alone.run(tensors).packets[top]
        assert len(made) == batch
        return unpacked(session.config, session.engine, TOPS[top].output, made, sequence)
