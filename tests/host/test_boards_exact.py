"""Layers through one, two and four emulated boards, every packet that leaves one exact.

A match proves the host's side against this project's model of a board, not silicon.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated_boards import (
    Layer,
    assert_exact,
    bench_of,
    no_kernel_threads,
    tensors_of,
)
from hard_layers import hard_cases
from strategies import random_case
from stream_oracle import BUILDS, Build

from transfab.host.board import BoardError
from transfab.host.open import open_session
from transfab.host.place import parse_place
from transfab.host.session import LayerSession, SessionRunner
from transfab.quant.bert.layer import STAGES
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.tops import TOPS, pack_activation
from transfab.quant.packet_executor import PacketExecutor

# One worker, so that no two build the same kernels.
pytestmark = pytest.mark.xdist_group("csim")
COUNTS = (1, 2, 4)
each_count = pytest.mark.parametrize("count", COUNTS)


@pytest.fixture(autouse=True)
def pynq_here() -> None:
    pytest.importorskip("pynq", reason="pynq is missing: pip install 'transfab[board]'")


def opened(build: Build, count: int, kernels: Any, board: str = "zcu104") -> Any:
    places = [parse_place(f"emulated:{board}")] * count
    return open_session(build.config(), build.engine, places, make_run=kernels, patience=60)


@each_count
@pytest.mark.parametrize("index", [0, 2])
def test_hard_layers_are_exact_one_after_the_other(kernels: Any, index: int, count: int) -> None:
    build = BUILDS[index]
    with opened(build, count, kernels) as session:
        for case in hard_cases(build).values():
            session.configure(params := case.parameters())
            layer = Layer(build, case)
            hidden, mask = case.arrays()
            passage = session.run({"hidden": hidden, "mask": mask})
            assert_exact(layer, session, passage)
            assert session._params is params
    assert no_kernel_threads()


@each_count
@pytest.mark.parametrize("index", [2, 4])
def test_batches_of_every_length_are_exact(kernels: Any, index: int, count: int) -> None:
    build = BUILDS[index]
    with opened(build, count, kernels) as session:
        # Shorter ones after longer ones: nothing is left in a buffer.
        for seed, (batch, sequence) in enumerate([(5, 9), (1, 70), (4, 1), (2, 17)]):
            layer = Layer(build, random_case(seed, "plain", build.shape, batch, sequence))
            session.configure(layer.case.parameters())
            hidden, mask = layer.case.arrays()
            assert_exact(layer, session, session.run({"hidden": hidden, "mask": mask}))


@pytest.mark.parametrize("board", ["zcu104", "kv260", "pynq-z2"])
def test_every_board_that_pynq_reaches_is_exact(kernels: Any, board: str) -> None:
    layer = Layer(BUILDS[4], random_case(3, "plain", BUILDS[4].shape, 2, 6))
    with opened(BUILDS[4], 2, kernels, board) as session:
        session.configure(layer.case.parameters())
        assert_exact(layer, session, session.run(tensors_of(layer)))


def test_rtl_behind_the_boards_is_exact() -> None:
    from transfab.cli.boards import fabric
    from transfab.sim.executor import missing

    if lack := missing("rtl"):
        if os.environ.get("CI") == "true":
            raise RuntimeError(f"CI must have what simulation needs: {lack}")
        pytest.skip(f"simulation: {lack}")
    layer = Layer(BUILDS[4], random_case(1, "plain", BUILDS[4].shape, 2, 5))
    with opened(BUILDS[4], 4, fabric("rtl", lambda text: None)) as session:
        session.configure(layer.case.parameters())
        assert_exact(layer, session, session.run(tensors_of(layer)))


def weight_bytes(layer: Layer, top: str) -> int:
    return sum(packet.nbytes for packet in layer.parameters(top).values())


@each_count
def test_weights_go_to_the_boards_once_a_layer(kernels: Any, count: int) -> None:
    layers = [
        Layer(BUILDS[4], random_case(seed, "plain", BUILDS[4].shape, 3, 6)) for seed in (1, 2)
    ]
    with opened(BUILDS[4], count, kernels) as session:
        for loads, layer in enumerate(layers, start=1):
            params, tensors = layer.case.parameters(), tensors_of(layer)
            for _ in range(3):
                session.configure(params)
                passage = session.run(tensors)
                assert_exact(layer, session, passage)
            for top, board in session.boards:
                counted = board.counters()
                assert counted["weight_bytes"] == loads * weight_bytes(layer, top)
                # Three batches of three, and the first of each for its latency.
                runs = 12 * loads
                assert counted["sequences"] == runs
                assert counted["transfers"] == runs * len(TOPS[top].inputs)
                packets = layer.activations(top, 0, tensors)
                sent = weight_bytes(layer, top) + sum(
                    packets[name].nbytes for name in TOPS[top].activations
                )
                assert counted["bytes_sent"] == runs * sent
                assert counted["bytes_received"] == runs * packets[TOPS[top].output].nbytes


def test_counters_start_again_with_a_bitstream(kernels: Any, tmp_path: Path) -> None:
    layer = Layer(BUILDS[4], random_case(1, "plain", BUILDS[4].shape, 2, 6))
    with bench_of(layer, tmp_path, kernels) as bench:
        bench.load().configure().run(0, tensors_of(layer))
        assert bench.board.counters()["sequences"] == 1
        bench.load("qkv")
        assert set(bench.board.counters().values()) == {0}


def test_latency_and_time_are_measured_for_each_board(kernels: Any) -> None:
    layer = Layer(BUILDS[4], random_case(1, "plain", BUILDS[4].shape, 2, 6))
    said: list[str] = []
    with opened(BUILDS[4], 2, kernels) as session:
        session.configure(layer.case.parameters())
        passage = session.run(tensors_of(layer), said.append)
    assert list(passage.latency) == ["board_a", "board_b"]
    assert list(passage.rates) == list(passage.latency)
    assert min(passage.latency.values()) > 0
    # What a board does alone is part of what all of them take.
    assert 0 < passage.seconds
    assert min(passage.rates.values()) * passage.seconds >= 2
    assert said[0] == "2 sequences of 6 tokens on 2 boards"


def test_what_takes_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each board in turn, by a board that is done when a line about it has been told."""
    from transfab.host import session as module

    monkeypatch.setattr(module, "TOLD", 0.01)
    layer = Layer(BUILDS[4], random_case(1, "plain", BUILDS[4].shape, 2, 6))
    tensors = tensors_of(layer)
    said: list[str] = []
    heard = threading.Condition()

    def progress(text: str) -> None:
        with heard:
            said.append(text)
            heard.notify_all()

    class Slow:
        name = "slow"

        def __init__(self, top: str) -> None:
            self.top = top
            self.given = [
                f"{top}: sequence 1, alone",
                f"{top}: sequence 1 of 2",
                f"{top}: sequence 2 of 2",
            ]

        def submit(self, sequence: int, packets: Mapping[str, Beats]) -> None:
            pass

        def wait(self, seconds: float) -> Beats:
            wanted = self.given.pop(0)
            with heard:
                assert heard.wait_for(lambda: wanted in said, 30)
            return layer.activations(self.top, 0, tensors)[TOPS[self.top].output]

    boards: list[Any] = [(top, Slow(top)) for top in ("board_a", "board_b")]
    LayerSession(layer.config, layer.engine, boards).run(tensors, progress)
    # Nothing comes after the run.
    count = len(said)
    assert [thread for thread in threading.enumerate() if thread.name == "progress"] == []
    assert (len(said), said[0]) == (count, "2 sequences of 6 tokens on 2 boards")


def test_boards_work_at_the_same_time(kernels: Any) -> None:
    """Stage by stage: while a board has sequence i, the one before it has sequence i + 1."""
    log: list[tuple[str, str]] = []
    layer = Layer(BUILDS[4], random_case(1, "plain", BUILDS[4].shape, 3, 6))
    with opened(BUILDS[4], 2, kernels) as session:
        session.configure(layer.case.parameters())
        for top, board in session.boards:
            for name in ("submit", "wait"):

                def logged(*given: Any, top: str = top, name: str = name, was: Any = None) -> Any:
                    log.append((name, top))
                    return was(*given)

                was = getattr(board, name)
                setattr(board, name, lambda *given, was=was, call=logged: call(*given, was=was))
        assert_exact(layer, session, session.run(tensors_of(layer)))
    a, b = "board_a", "board_b"
    steps: list[Sequence[str]] = [[a], [b], [a], [a, b], [a, b], [b]]
    assert log == [(call, top) for step in steps for call in ("submit", "wait") for top in step]


def test_boards_are_stage_executors(kernels: Any) -> None:
    layer = Layer(BUILDS[0], random_case(1, "plain", BUILDS[0].shape, 2, 6))
    tensors, params = tensors_of(layer), layer.case.parameters()
    with opened(BUILDS[0], 4, kernels) as session:
        executor = PacketExecutor("boards", layer.engine, lambda config: SessionRunner(session))
        for stage in STAGES:
            made = executor.run(layer.config, stage, params, {n: tensors[n] for n in stage.inputs})
            assert tuple(made) == stage.outputs
            for name, tensor in made.items():
                assert (tensor.dtype, tensor.tobytes()) == (
                    tensors[name].dtype, tensors[name].tobytes()
                )  # fmt: skip


def test_a_session_refuses_what_its_boards_do_not_take(kernels: Any) -> None:
    layer = Layer(BUILDS[4], random_case(1, "plain", BUILDS[4].shape, 2, 6))
    tensors = tensors_of(layer)
    with opened(BUILDS[4], 2, kernels) as session:
        with pytest.raises(BoardError, match=r"^emulated:zcu104 0 has no qkv_parameters: conf"):
            session.run(tensors)
        session.configure(layer.case.parameters())
        long = {"hidden": np.zeros((1, 71, 16), np.int16), "mask": np.ones((1, 71), np.uint8)}
        with pytest.raises(ValueError, match="not 71: build with --sequence 71"):
            session.run(long)
        assert_exact(layer, session, session.run(tensors))
    for count in (0, 3, 5, 8):
        with pytest.raises(ValueError, match=rf"^a layer runs on 1, 2, 4 boards, not on {count}$"):
            opened(BUILDS[4], count, kernels).__enter__()
    assert no_kernel_threads()


class Stub:
    """A board that keeps its weights, and fails to take them when told to."""

    def __init__(self, name: str) -> None:
        self.name, self.fails, self.weights = name, False, list[bytes]()

    def configure(self, parameters: Mapping[str, Beats]) -> None:
        if self.fails:
            raise BoardError(f"{self.name} is away")
        self.weights.append(b"".join(packet.tobytes() for packet in parameters.values()))


def test_weights_are_sent_again_after_a_board_failed_to_take_them() -> None:
    first, second = (random_case(seed, "plain", BUILDS[4].shape).parameters() for seed in (1, 2))
    boards: list[Any] = [Stub("a"), Stub("b")]
    pairs = list(zip(("board_a", "board_b"), boards, strict=True))
    session = LayerSession(BUILDS[4].config(), BUILDS[4].engine, pairs)
    session.configure(first)
    boards[1].fails = True
    with pytest.raises(BoardError, match="b is away"):
        session.configure(second)
    boards[1].fails = False
    # Board a has the second layer's weights by now.
    session.configure(first)
    assert [len(board.weights) for board in boards] == [3, 2]
    assert boards[0].weights[0] == boards[0].weights[2] != boards[0].weights[1]
    assert boards[1].weights[0] == boards[1].weights[1]


def test_the_first_board_takes_its_packets_and_no_later_ones(kernels: Any) -> None:
    """A plan needs hidden and mask alone: what boards make is never read from the tensors."""
    layer = Layer(BUILDS[4], random_case(1, "plain", BUILDS[4].shape, 1, 6))
    tensors = tensors_of(layer)
    wrong = {
        name: tensor if name in ("hidden", "mask") else np.zeros_like(tensor)
        for name, tensor in tensors.items()
    }
    with opened(BUILDS[4], 4, kernels) as session:
        session.configure(layer.case.parameters())
        made = session.run(wrong).packets["output"]
    one = {name: tensor[0] for name, tensor in tensors.items()}
    assert made[0].tobytes() == pack_activation(layer.config, layer.engine, "output", one).tobytes()
