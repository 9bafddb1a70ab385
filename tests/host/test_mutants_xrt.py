"""Broken drivers of cards and broken cards: checks over the stand-in of pyxrt kill every one.

Kernels here only scramble, so that every byte counts and no compiler is needed. No check relies on
what is quicker: what must not come is waited for, and what comes has plenty of time.
"""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated_boards import Layer, RunTop, kernel_threads, scrambled, write_bitstream
from emulated_cards import U280, Cards, cards_of, weights_of
from mutator import PRODUCT, Patch, mutated
from strategies import random_case
from stream_oracle import BUILDS

from transfab.host.board import Design
from transfab.host.boards import Region, board_named
from transfab.quant.bert.layer import run_layer
from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import Engine

LAYERS = [Layer(BUILDS[4], random_case(seed, "plain", BUILDS[4].shape, 3, 6)) for seed in (1, 2)]
FIRST = LAYERS[0]
TENSORS = [run_layer(one.config, one.case.parameters(), *one.case.arrays()) for one in LAYERS]
DESIGN = Design("layer", FIRST.config, FIRST.engine)
BASE, DONE, IDLE = 0x1_0000, 2, 4
# Seconds for what must not come, and for what comes in milliseconds.
PATIENCE, PLENTY = 0.1, 0.6
HALVES = ("board_a", "board_b")


def ended() -> bool:
    """Whether every kernel's thread ends soon, all in all."""
    end = time.monotonic() + 0.3
    while kernel_threads() and time.monotonic() < end:
        time.sleep(0.005)
    return not kernel_threads()


def unhurried(config: LayerConfig, engine: Engine, top: str) -> RunTop:
    """As `scrambled`; never done when its driver looks for the first time."""
    scramble = scrambled(config, engine)

    def run(top: str, sequence: int, packets: Sequence[Beats]) -> Beats:
        time.sleep(0.12)
        return scramble(top, sequence, packets)

    return run


def expected(layer: Layer, tensors: Any, top: str, index: int, **given: Any) -> Any:
    """What a scrambling kernel must be given, and makes; `given` replaces activations."""
    packets = layer.activations(top, index, tensors) | given
    inputs = packets | weights_of(layer, top)
    run = scrambled(layer.config, layer.engine)
    return run(top, layer.sequence, [inputs[name] for name in TOPS[top].inputs])


def session_is_exact(package: str, folder: Path, peers: bool = False) -> bool:
    """Two cards, two layers, each twice; then everything is given back."""
    exact = True
    with cards_of(FIRST, folder, 2, package=package, peers=peers) as cards:
        session = cards.load(*HALVES).session(package)
        session.patience = PLENTY
        exact = session.boundaries == ["peer-to-peer" if peers else "host memory"]
        for layer, tensors in zip(LAYERS, TENSORS, strict=True):
            session.configure(layer.case.parameters())
            for _ in range(2):
                packets = session.run(tensors).packets
            for index in range(3):
                first = expected(layer, tensors, "board_a", index)
                second = expected(layer, tensors, "board_b", index, attention_output=first)
                made = [packets[top][index].tobytes() for top in HALVES]
                exact = exact and made == [first.tobytes(), second.tobytes()]
        for top, board in session.boards:
            counted = board.counters()
            weights = [sum(p.nbytes for p in weights_of(one, top).values()) for one in LAYERS]
            exact = exact and counted["weight_bytes"] == sum(weights)
            exact = exact and counted["sequences"] == 2 * 2 * (3 + 1)
        # Nothing of a sequence is left in a card: units are idle, and none is done.
        states = [card.read(BASE) & (DONE | IDLE) for card in cards.cards]
        # As many copies as sequences that the first card made.
        exact = exact and len(cards.xrt.log) == peers * 2 * 2 * (3 + 1)
    return exact and states == [IDLE, IDLE] and cards.xrt.live == [] and ended()


def peers_are_exact(package: str, folder: Path) -> bool:
    return session_is_exact(package, folder, peers=True)


def refused(cards: Cards, act: Callable[[], object], *parts: str) -> bool:
    try:
        act()
    except cards.error as err:
        return all(part in str(err) for part in parts)
    return False


def card_is_sound(package: str, folder: Path) -> bool:
    """Faults of one card, each with its own words, and a card that works after each."""
    with cards_of(FIRST, folder, package=package) as card:

        def works() -> bool:
            card.load().configure()
            made = [card.run(index, TENSORS[0], PLENTY) for index in (0, 1)]
            right = [expected(FIRST, TENSORS[0], "layer", index) for index in (0, 1)]
            return [a.tobytes() for a in made] == [b.tobytes() for b in right]

        def with_fault(*parts: str, **fault: Any) -> bool:
            card.load(**fault).configure()
            act = lambda: card.run(0, TENSORS[0], PATIENCE)  # noqa: E731
            return refused(card, act, "gave no result within 0.1 s: ", *parts)

        other = write_bitstream(folder / "a", Layer(BUILDS[0], FIRST.case), "layer", U280)
        foreign = write_bitstream(folder / "b", FIRST, "layer", board_named("u55c"))
        sound = (
            works()
            and with_fault("kernel busy, read_hidden RUNNING", "layer RUNNING", hang=True)
            and with_fault("read_hidden RUNNING, read_qkv", dma_error="hidden")
            and with_fault("layer COMPLETED, write_output COMPLETED", long="hidden")
            and with_fault("layer RUNNING, write_output COMPLETED", long="output")
            and with_fault("read_hidden COMPLETED", "write_output RUNNING", short="output")
            and refused(card, lambda: card.boards[0].load(other, DESIGN), "runs build")
            and refused(card, lambda: card.boards[0].load(foreign, DESIGN), "is for a u55c")
            and works()
        )
        card.load()
        sound = sound and refused(card, lambda: card.submit(0, TENSORS[0]), "configure it first")
        # One packet more than its buffer: nothing behind it is written.
        long = np.zeros((10_000, FIRST.engine.beat_bytes), np.uint8)
        act = lambda: card.boards[0].configure({"qkv_parameters": long})  # noqa: E731
        sound = sound and refused(card, act, "has at most")
        card.xrt.lost = True
        sound = sound and refused(card, card.configure, "is gone")
        card.xrt.lost = False
        card.boards[0].close()
        return sound and card.xrt.live == [] and ended()


def patience_is_kept(package: str, folder: Path) -> bool:
    with cards_of(FIRST, folder, make_run=unhurried, package=package) as card:
        made = card.load("qkv").configure().run(0, TENSORS[0], PLENTY)
        return made.tobytes() == expected(FIRST, TENSORS[0], "qkv", 0).tobytes()


def mover_is_sound(package: str, folder: Path) -> bool:
    """Its registers, one by one: banks, counts, start and acknowledgement."""
    memory = importlib.import_module(f"{package}.fabric.memory").Memory(0, 1 << 16)
    stream = importlib.import_module(f"{package}.fabric.streams").Stream(16)
    kind = importlib.import_module(f"{package}.fabric.mover").Mover
    bank = Region("DDR[1]", 0x4000, 0x4000)
    reader, writer = (kind(memory, bank, stream, writes) for writes in (False, True))
    data = np.arange(160, dtype=np.uint8).tobytes()
    memory.write(0x4100, data)

    def start(mover: Any, address: int, size: int) -> None:
        for offset, value in ((0x10, address), (0x14, 0), (0x1C, size), (0, 1)):
            mover.write(offset, value)

    start(reader, 0x4100, 160)
    sound = (reader.read(0), stream.beats) == (0, 10)
    start(writer, 0x5000, 96)
    reader.look()
    sound = sound and (writer.read(0), stream.beats, reader.read(0)) == (6, 4, 0)
    sound = sound and memory.read(0x5000, 112) == data[:96] + bytes(16)
    # Its end is not acknowledged: the next start waits.
    start(writer, 0x5060, 64)
    sound = sound and (writer.read(0) & 4, stream.beats) == (0, 4)
    writer.write(0, 0x10)
    reader.look()
    sound = sound and (writer.read(0), reader.read(0), stream.beats) == (6, 6, 0)
    sound = sound and memory.read(0x5000, 160) == data
    for mover in (reader, writer):
        mover.write(0, 0x10)
    for address, size in ((0x3FF0, 32), (0x7FF0, 32)):
        lone = kind(memory, bank, stream, False)
        start(lone, address, size)
        sound = sound and (lone.read(0), stream.beats) == (0, 0)
    return sound


CHECKS = (
    mover_is_sound,
    session_is_exact,
    peers_are_exact,
    patience_is_kept,
    card_is_sound,
)


def survives(folder: Path, *patches: Patch) -> bool:
    with mutated(*patches) as package:
        try:
            return all(check(package, folder / check.__name__) for check in CHECKS)
        except Exception:  # a mutant that stumbles is dead, too
            return False
        finally:
            # What a mutant did not end is not the next one's.
            for thread in kernel_threads():
                thread.name = "mutant"


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.parametrize("check", CHECKS)
def test_the_product_passes(tmp_path: Path, check: Callable[[str, Path], bool]) -> None:
    assert check(PRODUCT, tmp_path)


def test_the_product_under_another_name_survives(tmp_path: Path) -> None:
    assert survives(tmp_path)


MUTANTS: dict[str, Patch] = {
    # driver
    "packets-are-not-sent": ("xrt_board", "mover.buffer.sync(to_device, beats.nbytes, 0)", "pass"),
    "half-of-a-packet-is-sent": (
        "xrt_board",
        "mover.buffer.sync(to_device, beats.nbytes, 0)",
        "mover.buffer.sync(to_device, beats.nbytes // 2, 0)",
    ),
    "packets-are-not-written": (
        "xrt_board",
        "mover.buffer.write(np.ascontiguousarray(beats).reshape(-1), 0)",
        "pass",
    ),
    "results-are-not-fetched": (
        "xrt_board",
        "output.sync(self._xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE, self._wanted, 0)",
        "pass",
    ),
    "a-view-instead-of-a-result": (
        "xrt_board",
        "np.array(output.read(self._wanted, 0))",
        "np.asarray(output.read(self._wanted, 0))",
    ),
    "no-wait-at-all": ("xrt_board", "for unit in reversed(runs):", "for unit in ():"),
    "only-the-writer-is-waited-for": (
        "xrt_board",
        "for unit in reversed(runs):",
        "for unit in list(runs)[-1:]:",
    ),
    "bytes-are-never-set": (
        "xrt_board",
        "mover.run.set_arg(BYTES_ARGUMENT, size)",
        "pass",
    ),
    "bytes-are-another-argument": (
        "card",
        "BYTES_ARGUMENT: Final = 2",
        "BYTES_ARGUMENT: Final = 1",
    ),
    "sequence-is-never-set": (
        "xrt_board",
        "self._run.set_arg(sequence_argument(self._top.name), sequence)",
        "pass",
    ),
    "sequence-is-another-argument": (
        "card",
        "len(TOPS[top].inputs) + 1",
        "len(TOPS[top].inputs)",
    ),
    "every-buffer-in-the-first-bank": (
        "xrt_board",
        "kernel.group_id(MEMORY_ARGUMENT[kind])",
        "0",
    ),
    "the-kernel-is-not-started": (
        "xrt_board",
        "runs | {self._top.name: self._run, writer.unit: writer.run}",
        "runs | {writer.unit: writer.run}",
    ),
    "build-hash-is-not-compared": (
        "xrt_board",
        "tuple(words) != build_hash_words(design.config, design.engine)",
        "False",
    ),
    "the-card-is-not-closed": ("xrt_board", "device.close()", "pass"),
    "the-card-is-not-released": ("xrt_board", "self._release()", "pass"),
    "no-patience": ("xrt_board", "state != 'TIMEOUT' or time.monotonic() > end", "True"),
    "buffers-have-no-end": ("xrt_board", "beats.nbytes > mover.size", "False"),
    "weights-are-there-without-being-sent": (
        "xrt_board",
        "packet not in packets and packet not in self._there",
        "False",
    ),
    "what-was-passed-on-is-not-said": ("xrt_board", "to._there.add(packet)", "pass"),
    "nothing-is-passed-on": (
        "xrt_board",
        "imported.copy(self._movers[packet].buffer, self._wanted, 0, 0)",
        "pass",
    ),
    "the-next-card-reads-its-old-buffer": ("xrt_board", "to._movers[packet] = mover", "pass"),
    "passed-on-before-the-next-card-is-done": (
        "session",
        "passage.packets[top].append(made)",
        "passage.packets[top].append(made); self._pass_on(place)",
    ),
    # emulated card
    "a-mover-of-every-bank": ("fabric.mover", "inside and (not self.fails)", "not self.fails"),
    "a-mover-behind-its-bank": (
        "fabric.mover",
        "self._address + size <= self._bank.base + self._bank.size",
        "True",
    ),
    "a-start-without-acknowledgement": (
        "fabric.mover",
        "self._start and (not self._runs) and (not self._done)",
        "self._start and (not self._runs)",
    ),
    "done-without-an-end": ("fabric.mover", "not value & BITS['continue']", "True"),
    "a-writer-takes-all-that-is-there": (
        "fabric.mover",
        "self._stream.drop(self._count - max(self.beats, 0))",
        "self._stream.drop(self._stream.beats)",
    ),
    "a-writer-starts-a-beat-early": (
        "fabric.mover",
        "self._stream.beats + min(self.beats, 0) < self._count",
        "self._stream.beats + min(self.beats, 0) < self._count - 1",
    ),
    "a-reader-is-done-at-once": ("fabric.mover", "not self._stream.beats)", "True)"),
    "the-high-word-of-an-address-is-lost": (
        "fabric.mover",
        "self._values[MEMORY] | self._values[MEMORY + 4] << 32",
        "self._values[MEMORY]",
    ),
    "another-boards-xclbin-is-taken": ("emulated_card", "image.board != self.board.name", "False"),
    "a-fabric-stays-open": ("emulated_card", "self.fabric.close()", "pass"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_killed(tmp_path: Path, name: str) -> None:
    assert not survives(tmp_path, MUTANTS[name])
