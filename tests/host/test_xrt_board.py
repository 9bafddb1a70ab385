"""The driver of cards over a stand-in of pyxrt: packets, faults, memory; no XRT is needed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated_boards import Layer, no_kernel_threads, write_bitstream
from emulated_cards import U280, Cards, cards_of, small_card
from strategies import random_case
from stream_oracle import BUILDS

from transfab.host.board import BoardError, Design
from transfab.host.boards import BOARDS, board_named
from transfab.host.card import emulated_memories, movers
from transfab.host.peer import HOST, PEER
from transfab.host.session import PLANS
from transfab.quant.bert.layer import run_layer
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import build_hash
from transfab.quant.packet_check import check_packets

pytestmark = pytest.mark.xdist_group("csim")
LAYER = Layer(BUILDS[4], random_case(1, "plain", BUILDS[4].shape, 3, 6))
TENSORS = run_layer(LAYER.config, LAYER.case.parameters(), *LAYER.case.arrays())
DESIGN = Design("layer", LAYER.config, LAYER.engine)
# Seconds until a card is given up, and what the error may take above that.
PATIENCE, MORE = 0.2, 0.8
CARDS = [name for name, board in BOARDS.items() if board.reach == "xrt"]


@pytest.fixture
def card(kernels: Any, tmp_path: Path) -> Iterator[Cards]:
    with cards_of(LAYER, tmp_path, make_run=kernels) as made:
        yield made


def expected(top: str, index: int) -> bytes:
    return LAYER.activations(top, index, TENSORS)[TOPS[top].output].tobytes()


def assert_works(card: Cards, top: str = "layer") -> None:
    """The next run on the same card: another xclbin, its weights, sequences in another order."""
    card.load(top).configure()
    for index in (1, 0, 2):
        assert card.run(index, TENSORS).tobytes() == expected(top, index)


def assert_free(card: Cards) -> None:
    """Closed twice: nothing is open, no thread is left of its kernel."""
    card.boards[0].close()
    card.boards[0].close()
    assert card.xrt.live == []
    assert no_kernel_threads()


@contextmanager
def fails(*parts: str) -> Iterator[None]:
    """A BoardError of one line, with these parts, soon after the patience has ended."""
    start = time.monotonic()
    with pytest.raises(BoardError) as caught:
        yield
    assert time.monotonic() - start < PATIENCE + MORE
    text = str(caught.value)
    assert "\n" not in text
    assert [part for part in parts if part not in text] == [], text


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("count", PLANS)
def test_layers_on_cards_are_exact(kernels: Any, tmp_path: Path, count: int, name: str) -> None:
    with cards_of(LAYER, tmp_path, count, kernels, board=board_named(name)) as cards:
        session = cards.load(*PLANS[count]).session()
        session.configure(LAYER.case.parameters())
        for _ in range(2):
            passage = session.run(TENSORS)
            for top, made in passage.packets.items():
                assert [one.tobytes() for one in made] == [expected(top, i) for i in range(3)]
        assert session.boundaries == [HOST] * (count - 1)
        for top, board in session.boards:
            counted = board.counters()
            weights = sum(one.nbytes for one in LAYER.parameters(top).values())
            assert (counted["sequences"], counted["weight_bytes"]) == (2 * (3 + 1), weights)
            assert counted["transfers"] == 8 * len(TOPS[top].inputs)
            packets = LAYER.activations(top, 0, TENSORS)
            sent = weights + sum(packets[one].nbytes for one in TOPS[top].activations)
            assert counted["bytes_sent"] == 8 * sent
            assert counted["bytes_received"] == 8 * packets[TOPS[top].output].nbytes


def test_shorter_sequences_leave_nothing_of_longer_ones(card: Cards) -> None:
    for sequence in (9, 1, 70, 2):
        case = random_case(sequence, "plain", BUILDS[4].shape, 1, sequence)
        other = Layer(BUILDS[4], case)
        tensors = run_layer(other.config, case.parameters(), *case.arrays())
        card.layer = other
        if sequence == 9:
            card.load()
        made = card.configure().run(0, tensors)
        assert made.tobytes() == other.activations("layer", 0, tensors)["output"].tobytes()


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("top", TOPS)
def test_every_buffer_is_in_the_bank_of_its_mover(tmp_path: Path, top: str, name: str) -> None:
    board = board_named(name)
    banks = {one.tag: one for one in emulated_memories(board)}
    with cards_of(LAYER, tmp_path, board=board) as cards:
        cards.load(top)
        for one in movers(top, board):
            buffer = cards.boards[0]._movers[one.packet].buffer
            bank = banks[one.bank]
            assert bank.base <= buffer.place
            assert buffer.place + buffer.shadow.size <= bank.base + bank.size
            assert one.bank in [region.tag for region in board.memories]


@pytest.mark.parametrize("count", [2, 4])
def test_cards_that_reach_each_other_pass_their_outputs_on(
    kernels: Any, tmp_path: Path, count: int
) -> None:
    with cards_of(LAYER, tmp_path, count, kernels, peers=True) as cards:
        session = cards.load(*PLANS[count]).session()
        session.configure(LAYER.case.parameters())
        assert session.boundaries == [PEER] * (count - 1)
        sent: list[tuple[str, str]] = []
        for top, board in session.boards:
            send = board._send
            board._send = lambda packet, beats, top=top, send=send: (
                sent.append((top, packet)),
                send(packet, beats),
            )
        passage = session.run(TENSORS)
        for top, made in passage.packets.items():
            assert [one.tobytes() for one in made] == [expected(top, i) for i in range(3)]
        # Each output crosses once, and the next card gets it from nowhere else.
        sizes = [
            LAYER.activations(top, 0, TENSORS)[TOPS[top].output].nbytes for top in PLANS[count]
        ]
        copies = [f"copy {place} {sizes[place]}" for place in range(count - 1)]
        assert sorted(cards.xrt.log) == sorted(copies * 4)
        pairs = zip(PLANS[count], PLANS[count][1:], strict=False)
        assert not {(after, TOPS[before].output) for before, after in pairs} & set(sent)


def test_a_card_whose_export_fails_goes_through_the_host(kernels: Any, tmp_path: Path) -> None:
    with cards_of(LAYER, tmp_path, 2, kernels, peers=True) as cards:
        cards.load("board_a", "board_b")

        def refused(device: Any, handle: Any) -> Any:
            raise RuntimeError("no peer")

        cards.xrt.bo.imported = refused
        session = cards.session()
        session.configure(LAYER.case.parameters())
        assert session.boundaries == [HOST]
        made = session.run(TENSORS).packets["board_b"]
        assert [one.tobytes() for one in made] == [expected("board_b", i) for i in range(3)]
        assert cards.xrt.log == []


def test_a_copy_that_fails_is_one_error(kernels: Any, tmp_path: Path) -> None:
    with cards_of(LAYER, tmp_path, 2, kernels, peers=True) as cards:
        session = cards.load("board_a", "board_b").session()
        session.configure(LAYER.case.parameters())
        to, imported = cards.boards[0]._peer
        imported.alive = False
        with fails("card 0 cannot pass attention_output on to card 1: closed"):
            session.run(TENSORS)
        assert to is cards.boards[1]


def test_a_kernel_that_never_finishes(card: Cards) -> None:
    card.load(hang=True).configure()
    with fails(
        "card 0 gave no result within 0.2 s: kernel ", "read_hidden RUNNING", "write_output"
    ):
        card.run(0, TENSORS, PATIENCE)
    with fails("card 0 takes no start: run is active: load the board again"):
        card.submit(0, TENSORS)
    assert_works(card)
    assert_free(card)


@pytest.mark.parametrize(
    ("fault", "parts"),
    [
        ({"dma_error": "hidden"}, ["read_hidden RUNNING", "write_output RUNNING"]),
        ({"dma_error": "output_parameters"}, ["read_output_parameters RUNNING"]),
        ({"dma_error": "output"}, ["write_output RUNNING", "read_hidden COMPLETED"]),
        ({"short": "hidden"}, ["read_hidden RUNNING"]),
        # A result comes, and one beat is left over for the next sequence.
        ({"long": "hidden"}, ["read_hidden RUNNING", "write_output COMPLETED"]),
        ({"long": "qkv_parameters"}, ["read_qkv_parameters RUNNING", "layer COMPLETED"]),
        ({"short": "output"}, ["write_output RUNNING", "read_hidden COMPLETED"]),
        ({"long": "output"}, ["layer RUNNING", "write_output COMPLETED"]),
    ],
)
def test_a_mover_that_does_not_move_what_it_should(
    card: Cards, fault: dict[str, str], parts: list[str]
) -> None:
    """A mover has no error bit: what shows is which runs have ended."""
    card.load(**fault).configure()
    with fails("card 0 gave no result within 0.2 s: kernel ", *parts):
        card.run(0, TENSORS, PATIENCE)
    assert_works(card)
    assert_free(card)


def test_one_wrong_bit_is_named(card: Cards) -> None:
    # A mask of a beat of 16 bytes, then rows of 32 bytes; row 2, channel 5.
    card.load(flip=16 + 2 * 32 + 2 * 5).configure()
    made = [card.run(index, TENSORS) for index in range(3)]
    given = LAYER.config, LAYER.engine, "card", 0, "layer", TENSORS, made
    first = check_packets(*given)[1][0]
    assert (first.tensor, first.index) == ("output", (0, 2, 5))
    assert first.got == first.expected ^ 1
    assert_works(card)


def test_an_xclbin_of_another_build_is_refused(card: Cards, tmp_path: Path) -> None:
    other = Layer(BUILDS[0], LAYER.case)
    file = write_bitstream(tmp_path / "other", other, "layer", U280)
    have, wanted = (build_hash(one.config, one.engine) for one in (other, LAYER))
    with fails(f"card 0 runs build {have}, and the bundle needs {wanted}: load a bitstream of"):
        card.boards[0].load(file, DESIGN)
    assert_works(card)
    assert_free(card)


@pytest.mark.parametrize(
    ("board", "top", "words"),
    [
        ("u200", "layer", "is for a u200, and this card is a u280"),
        ("u280", "board_a", "no such kernel 'layer'"),
    ],
)
def test_an_xclbin_of_another_board_or_top_is_refused(
    card: Cards, tmp_path: Path, board: str, top: str, words: str
) -> None:
    file = write_bitstream(tmp_path / "other", LAYER, top, board_named(board))
    with fails(f"card 0 does not take {file.name}: ", words):
        card.boards[0].load(file, DESIGN)
    assert_works(card)
    assert_free(card)


@pytest.mark.parametrize("data", [b"", b"xclbin2", None])
def test_a_corrupted_xclbin_is_refused(card: Cards, tmp_path: Path, data: bytes | None) -> None:
    file = write_bitstream(tmp_path / "other", LAYER, "layer", U280)
    if data is None:
        changed = bytearray(file.read_bytes())
        changed[len(changed) // 2] ^= 1
        data = bytes(changed)
    file.write_bytes(data)
    with fails(f"card 0 does not take {file.name}: ", "is no whole xclbin"):
        card.boards[0].load(file, DESIGN)
    assert_works(card)


def test_a_card_that_another_has_is_one_error(card: Cards) -> None:
    card.load()
    file = write_bitstream(card.folder / "more", LAYER, "layer", U280)
    other = type(card.boards[0])("other", card.xrt, 0)
    with fails("other does not take", "device 0 is in use"):
        other.load(file, DESIGN)
    other.close()
    assert_works(card)
    assert_free(card)


def test_a_card_that_is_lost_is_one_error_wherever_it_happens(card: Cards) -> None:
    steps = {
        "does not take hidden": lambda: card.run(0, TENSORS),
        "does not take qkv_parameters": card.configure,
        "gave no result": lambda: card.boards[0].wait(PATIENCE),
    }
    for words, act in steps.items():
        card.load().configure()
        card.submit(0, TENSORS)
        card.xrt.lost = True
        with fails(f"card 0 {words}: device 0 is gone"):
            act()
        assert "its state cannot be read: device 0 is gone" == card.boards[0].state()
        card.xrt.lost = False
    assert_works(card)
    assert_free(card)


def test_weights_that_are_missing_and_packets_that_are_too_long(card: Cards) -> None:
    card.load()
    with fails("card 0 has no qkv_parameters: configure it first"):
        card.run(0, TENSORS)
    long = np.zeros((10_000, LAYER.engine.beat_bytes), np.uint8)
    with fails("card 0: hidden has at most ", " bytes, not 160000"):
        card.configure().boards[0].submit(6, {"hidden": long})
    with pytest.raises(ValueError, match="not 71: build with --sequence 71"):
        card.boards[0].submit(71, {})
    assert_works(card)


@pytest.mark.parametrize("pages", [1, 3, 5])
def test_buffers_beyond_the_memory(kernels: Any, tmp_path: Path, pages: int) -> None:
    with cards_of(LAYER, tmp_path, make_run=kernels, board=small_card(pages * 4096)) as card:
        with fails("card 0 has no ", " bytes for ", "std::bad_alloc"):
            card.load()
        assert_free(card)
    with cards_of(LAYER, tmp_path / "more", make_run=kernels, board=small_card(1 << 16)) as card:
        # Again and again in a memory that has room for one design's buffers.
        for top in ("layer", "board_a", "output", "layer"):
            assert_works(card, top)
        assert_free(card)


def test_a_kernel_that_is_interrupted_is_given_back(card: Cards) -> None:
    card.load(hang=True).configure()
    with pytest.raises(KeyboardInterrupt), card.session() as session:
        session.configure(LAYER.case.parameters())
        card.submit(0, TENSORS)
        raise KeyboardInterrupt
    assert card.xrt.live == []
    assert no_kernel_threads()


def test_buffers_follow_the_banks_of_the_xclbin(tmp_path: Path) -> None:
    board = replace(U280, parameters=("HBM[31]",))
    with cards_of(LAYER, tmp_path, board=board) as card:
        card.load()
        last = emulated_memories(board)[31]
        assert card.boards[0]._movers["qkv_parameters"].buffer.place == last.base
