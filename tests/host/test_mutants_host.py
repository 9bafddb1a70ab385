"""Broken drivers and broken fabrics: the checks of the host's side kill every one."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
from driver_clock import Clock
from emulated_boards import (
    Layer,
    RunTop,
    bench_of,
    no_kernel_threads,
    scrambled,
    write_bitstream,
)
from host_mutants import (
    FIRST,
    LAYERS,
    PATIENCE,
    TENSORS,
    expected,
    refused,
    survives,
)
from mutator import PRODUCT, Patch
from stream_oracle import BUILDS

from transfab.host.board import Design
from transfab.host.boards import board_named
from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats
from transfab.quant.engine import Engine

KERNEL, OUTPUT_STATUS = 0xA000_0000, 0xA007_0034
DONE, IDLE_KERNEL, HALTED = 2, 4, 1


def session_is_exact(package: str, folder: Path) -> bool:
    """Two boards, two layers, each twice; then everything is given back."""
    opening = importlib.import_module(f"{package}.open")
    place = importlib.import_module(f"{package}.place").parse_place("emulated")
    given = FIRST.config, FIRST.engine, [place] * 2
    exact = True
    driver = importlib.import_module(f"{package}.pynq_board")
    with (
        opening.open_session(*given, None, scrambled, PATIENCE) as session,
        patch.object(driver, "time", clock_of(session)),
    ):
        for layer, tensors in zip(LAYERS, TENSORS, strict=True):
            params = layer.case.parameters()
            for _ in range(2):
                session.configure(params)
                packets = session.run(tensors).packets
            for index in range(3):
                first = expected(layer, tensors, "board_a", index)
                second = expected(layer, tensors, "board_b", index, attention_output=first)
                made = [packets[top][index].tobytes() for top in ("board_a", "board_b")]
                exact = exact and made == [first.tobytes(), second.tobytes()]
        weights = [board.counters()["weight_bytes"] for _, board in session.boards]
    wanted = [
        sum(packet.nbytes for layer in LAYERS for packet in layer.parameters(top).values())
        for top in ("board_a", "board_b")
    ]
    return exact and weights == wanted and no_kernel_threads()


def clock_of(session: Any) -> Clock:
    return Clock(lambda: [board._device.fabrics.fabric for _, board in session.boards])


class Unhurried:
    """Makes kernels as `scrambled`; none is done before its driver has looked, and looked again.

    By events: on a busy machine a kernel that sleeps may be done when the driver first looks.
    """

    def __init__(self) -> None:
        # Looks of a driver: at its clock for the end of its patience, then in each turn.
        self.wait: Callable[[int], None] = lambda looks: None

    def __call__(self, config: LayerConfig, engine: Engine, top: str) -> RunTop:
        scramble = scrambled(config, engine)

        def run(top: str, sequence: int, packets: Sequence[Beats]) -> Beats:
            self.wait(3)
            return scramble(top, sequence, packets)

        return run


def board_is_sound(package: str, folder: Path) -> bool:
    """Faults of one board, each with its own words, and a board that works after each."""
    unhurried = Unhurried()
    with bench_of(FIRST, folder, unhurried, package) as bench:
        unhurried.wait = bench.clock.wait_for_looks
        design = Design("layer", FIRST.config, FIRST.engine)

        def works() -> bool:
            bench.load().configure()
            made = [bench.run(index, TENSORS[0], PATIENCE) for index in (0, 1)]
            right = [expected(FIRST, TENSORS[0], "layer", index) for index in (0, 1)]
            at_rest = bench.fabrics.fabric.read(KERNEL) & (DONE | IDLE_KERNEL) == IDLE_KERNEL
            return at_rest and [a.tobytes() for a in made] == [b.tobytes() for b in right]

        def with_fault(*parts: str, **fault: Any) -> bool:
            bench.load(**fault).configure()
            return refused(bench, lambda: bench.run(0, TENSORS[0], PATIENCE), *parts)

        other = write_bitstream(folder / "a", Layer(BUILDS[0], FIRST.case), "layer")
        foreign = write_bitstream(folder / "b", FIRST, "layer", board_named("kv260"))
        sound = (
            works()
            and with_fault("gave no result", "dma_output waits", hang=True)
            and with_fault("a DMA engine stopped", "dma_hidden error", dma_error="hidden")
            and with_fault("gave 192 bytes of output instead of 208", short="output")
            and with_fault("a DMA engine stopped", "dma_output error", long="output")
            and with_fault("gave no result", "dma_hidden waits", long="hidden")
            and refused(bench, lambda: bench.board.load(other, design), "runs build")
            and refused(bench, lambda: bench.board.load(foreign, design), "is for a kv260")
            and works()
        )
        unhurried.wait = lambda looks: None
        bench.board.configure(FIRST.parameters("layer"))
        bench.submit(0, TENSORS[0])
        fabric = bench.fabrics.fabric
        bench.board.close()
        halted = bool(fabric.read(OUTPUT_STATUS) & HALTED)
        return sound and halted and bench.live == 0 and no_kernel_threads()


def files_and_locks_are_sound(package: str, folder: Path) -> bool:
    places = importlib.import_module(f"{package}.place")
    resolve = importlib.import_module(f"{package}.bitstreams").resolve
    file = write_bitstream(folder / "files", FIRST, "layer")
    given = folder / "files", "zcu104", "layer", FIRST.config, FIRST.engine
    if resolve(*given) != file:
        return False
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    try:
        resolve(*given)
        return False
    except ValueError as err:
        if "sha256" not in str(err):
            return False
    error = importlib.import_module(f"{package}.board").BoardError
    for names in (("pynq:zcu104", "pynq:zcu104"), ("pynq-remote:zcu104@a", "pynq-remote:kv260@a")):
        place, same = map(places.parse_place, names)
        with places.taken(place):
            try:
                with places.taken(same):
                    return False
            except error:
                pass
        with places.taken(place):
            pass
    return what_ended_a_run_is_told(importlib.import_module(f"{package}.open"), error)


def what_ended_a_run_is_told(opening: ModuleType, error: type[Exception]) -> bool:
    """Not what comes of it as boards are closed."""

    class Lost:
        def close(self) -> None:
            raise error("lost")

    for ended in (KeyboardInterrupt, None):
        try:
            with ExitStack() as stack:
                stack.push(opening._closing(Lost()))
                if ended:
                    raise ended
            return False
        except (KeyboardInterrupt, error) as err:
            if type(err) is not (ended or error):
                return False
    return True


CHECKS = (files_and_locks_are_sound, session_is_exact, board_is_sound)


@pytest.fixture(autouse=True)
def pynq_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pynq", reason="pynq is missing: pip install 'transfab[board]'")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.parametrize("check", CHECKS)
def test_the_product_passes(tmp_path: Path, check: Callable[[str, Path], bool]) -> None:
    assert check(PRODUCT, tmp_path)


def test_the_product_under_another_name_survives(tmp_path: Path) -> None:
    assert survives(CHECKS, tmp_path)


def test_a_patch_whose_text_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="0 times"):
        survives(CHECKS, tmp_path, ("pynq_board", "no such text", ""))


WRITE_CONTROL = "self._kernel.write(OFFSETS['control'], BITS['{}'])"
MUTANTS: dict[str, Patch] = {
    # driver
    "weights-are-not-flushed": ("pynq_board", "buffer.flush()", "pass"),
    "weights-are-not-copied": ("pynq_board", "buffer[:] = beats.reshape(-1)", "pass"),
    "continue-is-never-written": ("pynq_board", WRITE_CONTROL.format("continue"), "pass"),
    "start-is-never-written": ("pynq_board", WRITE_CONTROL.format("start"), "pass"),
    "sequence-is-never-written": (
        "pynq_board",
        "self._kernel.write(OFFSETS['sequence'], sequence)",
        "pass",
    ),
    "sequence-at-another-offset": ("pynq_board", "OFFSETS['sequence']", "OFFSETS['sequence'] + 8"),
    "status-at-another-offset": ("pynq_board", "(2, 112, 4, 4)", "(2, 112, 8, 4)"),
    "idle-is-another-bit": ("pynq_board", "(2, 112, 4, 4)", "(1, 112, 4, 4)"),
    "errors-are-not-seen": ("pynq_board", "(2, 112, 4, 4)", "(2, 0, 4, 4)"),
    "no-patience": ("pynq_board", "waiting and late", "waiting"),
    "a-view-instead-of-a-result": (
        "pynq_board",
        "np.array(self._result.array, np.uint8)",
        "np.asarray(self._result.array)",
    ),
    "bytes-that-came-are-not-counted": (
        "pynq_board",
        "self._receive.transferred != self._wanted",
        "False",
    ),
    "build-hash-is-not-compared": (
        "pynq_board",
        "found != build_hash_words(design.config, design.engine)",
        "False",
    ),
    "buffers-are-not-freed": ("pynq_board", "buffers.popitem()[1].freebuffer()", "break"),
    "engines-are-not-reset": ("pynq_board", "channel._mmio.write(channel._offset, RESET)", "pass"),
    "the-board-is-not-released": ("pynq_board", "self._release()", "pass"),
    # session
    "weights-are-not-loaded-for-another-layer": (
        "session",
        "params is self._params",
        "self._params is not None",
    ),
    "weights-are-loaded-for-each-batch": ("session", "params is self._params", "False"),
    "the-result-of-the-sequence-before": (
        "session",
        "passage.packets[top].append(made)",
        "passage.packets[top].append(packets[max(index - 1, 0)][TOPS[top].output])",
    ),
    "a-board-gets-the-sequence-before": (
        "session",
        "board.submit(sequence, self._given(place, packets[index]))",
        "board.submit(sequence, self._given(place, packets[max(index - 1, 0)]))",
    ),
    "boards-are-not-closed": ("open", "stack.push(_closing(board))", "pass"),
    "what-comes-of-an-end-is-told": ("open", "if error is None:", "if True:"),
    "what-fails-at-the-end-is-not-told": ("open", "if error is None:", "if False:"),
    # emulated board
    "a-device-without-flush": (
        "emulated",
        "self.state.fabric.write_memory(held.address + offset, part)",
        "pass",
    ),
    "a-device-without-invalidate": (
        "emulated",
        "self.state.fabric.read_memory(held.address + offset, size)",
        "bytes(size)",
    ),
    "another-boards-bitstream-is-taken": (
        "fabric.configured",
        "image.board != self.board.name",
        "0",
    ),
    "a-fabric-stays-open": ("fabric.configured", "self.fabric.close()", "pass"),
    "too-long-packets-fit": ("fabric.dma", "data.size > self._length", "False"),
    "the-length-stays-what-was-asked": ("fabric.dma", "self._length = data.size", "pass"),
    "a-transfer-is-never-idle": (
        "fabric.dma",
        "IDLE | COMPLETE\n\n    def _stop",
        "0\n\n    def _stop",
    ),
    "a-kernel-wants-a-beat-more": (
        "fabric.kernel",
        "self.inputs[name].beats >= beats",
        "self.inputs[name].beats > beats",
    ),
    "done-without-an-end": (
        "fabric.kernel",
        "value & BITS['continue'] and self._done",
        "False",
    ),
    "a-stream-that-loses-what-is-left": (
        "fabric.streams",
        "self._parts.appendleft(part[beats:])",
        "pass",
    ),
    # files and locks
    "sha256-is-not-compared": ("bitstreams", "have != found.sha256", "False"),
    "a-board-for-everybody": ("place", "fcntl.LOCK_EX", "fcntl.LOCK_SH"),
    "two-names-of-a-board": ("place", "f'{self.reach}@{self.address}'", "str(self)"),
    "a-board-for-ever": ("place", "os.close(descriptor)", "pass"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_killed(tmp_path: Path, name: str) -> None:
    assert not survives(CHECKS, tmp_path, MUTANTS[name])
