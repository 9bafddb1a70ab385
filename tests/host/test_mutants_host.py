"""Broken drivers and broken fabrics: the checks of the host's side kill every one.

Mutants are those of mutator.py. Kernels here only scramble, so that every byte counts and no
compiler is needed.
"""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from emulated_boards import (
    Bench,
    Layer,
    RunTop,
    bench_of,
    kernel_threads,
    scrambled,
    write_bitstream,
)
from mutator import PRODUCT, Patch, mutated
from strategies import random_case
from stream_oracle import BUILDS

from transfab.host.board import Design
from transfab.host.boards import board_named
from transfab.quant.bert.layer import run_layer
from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import Engine

LAYERS = [Layer(BUILDS[4], random_case(seed, "plain", BUILDS[4].shape, 3, 6)) for seed in (1, 2)]
FIRST = LAYERS[0]
TENSORS = [run_layer(one.config, one.case.parameters(), *one.case.arrays()) for one in LAYERS]
KERNEL, OUTPUT_STATUS = 0xA000_0000, 0xA007_0034
DONE, IDLE_KERNEL, HALTED = 2, 4, 1
# Seconds for what must not come, and for what comes in milliseconds.
PATIENCE, PLENTY = 0.1, 1.0


def expected(layer: Layer, tensors: Any, top: str, index: int, **given: Any) -> Any:
    """What a scrambling kernel must be given, and makes; `given` replaces activations."""
    packets = layer.activations(top, index, tensors) | given
    inputs = packets | layer.parameters(top)
    run = scrambled(layer.config, layer.engine)
    return run(top, layer.sequence, [inputs[name] for name in TOPS[top].inputs])


def session_is_exact(package: str, folder: Path) -> bool:
    """Two boards, two layers, each twice; then everything is given back."""
    opening = importlib.import_module(f"{package}.open")
    place = importlib.import_module(f"{package}.place").parse_place("emulated")
    given = FIRST.config, FIRST.engine, [place] * 2
    exact = True
    with opening.open_session(*given, None, scrambled, PLENTY) as session:
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
    return exact and weights == wanted and ended()


def ended() -> bool:
    end = time.monotonic() + 0.3
    while kernel_threads() and time.monotonic() < end:
        time.sleep(0.005)
    return not kernel_threads()


def unhurried(config: LayerConfig, engine: Engine, top: str) -> RunTop:
    """As `scrambled`; never done before its driver has looked."""
    scramble = scrambled(config, engine)

    def run(top: str, sequence: int, packets: Sequence[Beats]) -> Beats:
        time.sleep(0.05)
        return scramble(top, sequence, packets)

    return run


def refused(bench: Bench, act: Callable[[], object], *parts: str) -> bool:
    try:
        act()
    except bench.error as err:
        return all(part in str(err) for part in parts)
    return False


def board_is_sound(package: str, folder: Path) -> bool:
    """Faults of one board, each with its own words, and a board that works after each."""
    with bench_of(FIRST, folder, unhurried, package) as bench:
        design = Design("layer", FIRST.config, FIRST.engine)

        def works() -> bool:
            bench.load().configure()
            made = [bench.run(index, TENSORS[0], PLENTY) for index in (0, 1)]
            right = [expected(FIRST, TENSORS[0], "layer", index) for index in (0, 1)]
            at_rest = bench.device.fabric.read(KERNEL) & (DONE | IDLE_KERNEL) == IDLE_KERNEL
            return at_rest and [a.tobytes() for a in made] == [b.tobytes() for b in right]

        def with_fault(*parts: str, **fault: Any) -> bool:
            bench.load(**fault).configure()
            seconds = PATIENCE if "gave no result" in parts else PLENTY
            return refused(bench, lambda: bench.run(0, TENSORS[0], seconds), *parts)

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
        bench.board.configure(FIRST.parameters("layer"))
        bench.submit(0, TENSORS[0])
        fabric = bench.device.fabric
        bench.board.close()
        halted = bool(fabric.read(OUTPUT_STATUS) & HALTED)
        return sound and halted and bench.live == 0 and ended()


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
    place = places.parse_place("pynq:zcu104")
    error = importlib.import_module(f"{package}.board").BoardError
    with places.taken(place):
        try:
            with places.taken(place):
                return False
        except error:
            pass
    with places.taken(place):
        return True


CHECKS = (files_and_locks_are_sound, session_is_exact, board_is_sound)


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
def pynq_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pynq", reason="pynq is missing: pip install 'transfab[board]'")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.parametrize("check", CHECKS)
def test_the_product_passes(tmp_path: Path, check: Callable[[str, Path], bool]) -> None:
    assert check(PRODUCT, tmp_path)


def test_the_product_under_another_name_survives(tmp_path: Path) -> None:
    assert survives(tmp_path)


def test_a_patch_whose_text_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="0 times"):
        survives(tmp_path, ("pynq_board", "no such text", ""))


WRITE_CONTROL = "self._kernel.write(OFFSETS['control'], BITS['{}'])"
MUTANTS: dict[str, Patch] = {
    # driver
    "weights-are-not-flushed": ("pynq_board", "buffer.flush()", "pass"),
    "weights-stay-coherent": ("pynq_board", "buffer.coherent = False", "pass"),
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
        "np.array(self._result, np.uint8)",
        "np.asarray(self._result)",
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
    "buffers-are-not-freed": (
        "pynq_board",
        "for buffer in buffers.values():",
        "for buffer in ():",
    ),
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
    "boards-are-not-closed": ("open", "stack.callback(board.close)", "pass"),
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
    "another-boards-bitstream-is-taken": ("emulated", "image.board != self.board_file.name", "0"),
    "a-fabric-stays-open": ("emulated", "self.fabric.close()", "pass"),
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
    "a-board-for-ever": ("place", "os.close(descriptor)", "pass"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_killed(tmp_path: Path, name: str) -> None:
    assert not survives(tmp_path, MUTANTS[name])
