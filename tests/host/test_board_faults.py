"""What can go wrong with a board: one error in time, all given back, and the next run works."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated_boards import (
    Bench,
    Layer,
    MakeRun,
    RunTop,
    bench_of,
    no_kernel_threads,
    scrambled,
    small_board,
    write_bitstream,
)
from faulty_boards import LAYER, LONG, PATIENCE, TENSORS, assert_free, assert_works, expected, fails
from strategies import random_case
from stream_oracle import BUILDS

from transfab.host.board import BoardError
from transfab.host.open import open_session
from transfab.host.place import parse_place, taken
from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats
from transfab.quant.engine import Engine
from transfab.quant.executors import Mismatch
from transfab.quant.packet_check import check_packets

pytestmark = pytest.mark.xdist_group("csim")
SOURCE = Path(__file__).parents[2] / "src"
NO_PAGE = 4096


def test_a_kernel_that_never_finishes(either: Bench) -> None:
    either.load(hang=True).configure()
    # Its start is taken, and ready is read; nothing else is.
    state = "kernel ready, dma_hidden waits (0x0), "
    with fails("bench gave no result within 0.2 s: ", state, "dma_output waits (0x0)"):
        either.run(0, TENSORS, PATIENCE)
    with fails("bench: dma_output takes no transfer (DMA channel not idle): load the board again"):
        either.submit(0, TENSORS)
    assert_works(either)
    assert_free(either)


@pytest.mark.parametrize("packet", ["hidden", "qkv_parameters", "output_parameters", "output"])
def test_an_engine_that_stops_is_an_error_at_once(either: Bench, packet: str) -> None:
    either.load(dma_error=packet).configure()
    with fails("bench", f"dma_{packet} error (0x41)"):
        either.run(0, TENSORS, LONG)
    assert_works(either)
    assert_free(either)


@pytest.mark.parametrize(
    ("fault", "parts"),
    [
        ({"short": "hidden"}, ["gave no result within 0.2 s", "dma_hidden waits"]),
        ({"short": "output_parameters"}, ["gave no result within", "dma_output waits"]),
        # A result comes, and one beat is left over for the next sequence.
        ({"long": "hidden"}, ["gave no result", "dma_hidden waits (0x0)", "dma_output idle"]),
        ({"long": "qkv_parameters"}, ["dma_qkv_parameters waits", "dma_output idle"]),
        ({"short": "output"}, ["gave 192 bytes of output instead of 208: kernel done idle"]),
        ({"long": "output"}, ["a DMA engine stopped", "dma_output error (0x11)"]),
    ],
)
def test_a_short_and_a_long_transfer(
    either: Bench, fault: dict[str, str], parts: list[str]
) -> None:
    either.load(**fault).configure()
    with fails(*parts):
        either.run(0, TENSORS, PATIENCE)
    assert_works(either)
    assert_free(either)


def found(bench: Bench, top: str) -> list[Mismatch]:
    made = [bench.run(index, TENSORS) for index in range(2)]
    given = LAYER.config, LAYER.engine, "emulated", 0, top, TENSORS, made
    return list(check_packets(*given)[1])


def noisy(kernels: MakeRun) -> MakeRun:
    """Kernels that make noise of what is no packet of LAYER.

    C++ kernels divide by zero where there is no real token or no epsilon, which ends the process.
    """

    def make(config: LayerConfig, engine: Engine, name: str) -> RunTop:
        right, wrong = kernels(config, engine, name), scrambled(config, engine)

        def run(top: str, sequence: int, packets: Sequence[Beats]) -> Beats:
            given = [packet.tobytes() for packet in packets]
            known = LAYER.parameters(top)
            weights = [known[name].tobytes() for name in known]
            masked = any(given[0][: len(LAYER.case.mask[0])])
            whole = masked and given[-len(weights) :] == weights
            return (right if whole else wrong)(top, sequence, packets)

        return run

    return make


@pytest.mark.parametrize("missing", ["flush", "invalidate"])
def test_a_missing_flush_or_invalidate_is_named(
    either: Bench, kernels: Any, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    from pynq.buffer import PynqBuffer
    from pynq.pl_server.remote_device import RemoteBuffer

    either.fabrics._make_run = noisy(kernels)
    with monkeypatch.context() as patch:
        for kind in (PynqBuffer, RemoteBuffer):
            patch.setattr(kind, missing, lambda buffer: None)
        mismatches = found(either.load("layer").configure(), "layer")
    assert "output" in [one.tensor for one in mismatches]
    first = next(one for one in mismatches if one.tensor == "output")
    assert (first.executor, first.layer, first.stage) == ("emulated", 0, "layer")
    assert first.expected == int(TENSORS["output"][first.index]) != first.got
    assert found(either.load("layer").configure(), "layer") == []
    assert_free(either)


def test_a_flush_that_is_missing_for_one_sequence_is_named_there(bench: Bench) -> None:
    bench.load("board_b").configure()
    made = [bench.run(0, TENSORS)]
    flush, bench.device.flush = bench.device.flush, lambda *given: None
    made.append(bench.run(1, TENSORS))
    bench.device.flush = flush
    given = LAYER.config, LAYER.engine, "emulated", 0, "board_b", TENSORS, made
    mismatches = check_packets(*given)[1]
    assert {one.index[0] for one in mismatches} == {1}
    # It got the sequence before.
    assert made[1].tobytes() == made[0].tobytes() == expected("board_b", 0)


@pytest.mark.parametrize(
    ("top", "tensor", "index", "byte"),
    [
        # A mask of a beat of 16 bytes, then rows of 32 bytes.
        ("layer", "output", (0, 0, 0), 16),
        ("board_a", "attention_output", (0, 5, 15), 16 + 5 * 32 + 30),
        ("layer", "mask", (0, 4), 4),
        # A padding byte of the mask's beat is no integer of any tensor: (b, beat, byte).
        ("layer", "packet", (0, 0, 9), 9),
        # Head 0, query, key and value of 6 tokens, a beat of 8 integers each.
        ("qkv", "key", (0, 2, 3), (6 + 2) * 16 + 3),
        # Two blocks of a beat's 16 channels, 6 tokens each.
        ("intermediate", "intermediate", (0, 1, 20), (6 + 1) * 16 + 4),
    ],
)
def test_one_wrong_bit_is_named(
    either: Bench, top: str, tensor: str, index: tuple[int, ...], byte: int
) -> None:
    (first, *others) = found(either.load(top, flip=byte).configure(), top)
    assert others == []
    right = 0 if tensor == "packet" else int(TENSORS[tensor][index])
    wanted = Mismatch("emulated", 0, top, tensor, index, right, right ^ 1)
    assert first == wanted
    assert f"{tensor}" in str(first)
    assert found(either.load(top).configure(), top) == []


@pytest.mark.parametrize("pages", [1, 3, 5])
def test_buffers_beyond_the_memory(private: Path, kernels: Any, tmp_path: Path, pages: int) -> None:
    with bench_of(LAYER, tmp_path, kernels, board=small_board(pages * NO_PAGE)) as bench:
        bench.load()
        with fails("bench has no ", " bytes for ", "no room for a buffer of", "free some first"):
            bench.configure()
            bench.run(0, TENSORS)
        assert_free(bench)
    with bench_of(LAYER, tmp_path / "more", kernels, board=small_board(64 * NO_PAGE)) as bench:
        assert_works(bench)
        # Again and again in a memory that has room for one design's buffers.
        for top in ("board_a", "layer", "output", "layer"):
            assert_works(bench, top)
        assert_free(bench)


def test_a_board_whose_registers_are_gone_is_given_back_nevertheless(bench: Bench) -> None:
    bench.load().configure()

    def gone(*given: Any) -> None:
        raise ConnectionError("gone")

    bench.device.write_registers = gone
    with fails("bench: gone"):
        bench.board.close()
    assert no_kernel_threads()
    bench.board.close()


def test_a_session_gives_everything_back_whatever_happens(
    kernels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transfab.host import emulated
    from transfab.host.fabric.faults import Faults

    made: list[Any] = []

    class Recorded(emulated.EmulatedDevice):  # type: ignore[misc]
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(self)
            self.fabrics.faults = Faults(hang=len(made) == 2)

    monkeypatch.setattr(emulated, "EmulatedDevice", Recorded)
    places = [parse_place("emulated")] * 2
    given = (LAYER.config, LAYER.engine, places, None, kernels, PATIENCE)
    for error in (KeyboardInterrupt, BoardError):
        made.clear()
        with pytest.raises(error), open_session(*given) as session:
            session.configure(LAYER.case.parameters())
            assert all(device.state.buffers.live for device in made)
            if error is KeyboardInterrupt:
                raise error
            session.run(TENSORS)
        assert [device.state.buffers.live for device in made] == [(), ()]
        assert no_kernel_threads()


HOLDER = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from transfab.host.place import parse_place, taken
with taken(parse_place(sys.argv[2])):
    print("has it", flush=True)
    sys.stdin.read()
"""


def test_a_board_is_one_processs_until_that_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    text = "pynq-remote:zcu104@192.168.2.99"
    place, other = parse_place(text), parse_place("pynq-remote:zcu104@192.168.2.98")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path), text],
        env={"PYTHONPATH": str(SOURCE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "has it\n"
        for _ in range(2):
            with fails(f"{text} is in use by process {holder.pid}: wait for it or end it"):
                taken(place).__enter__()
        # Another board is free.
        with taken(other):
            pass
        holder.kill()
        holder.wait()
    with taken(place), fails(f"{text} is in use by process"):
        taken(place).__enter__()
    with taken(place):
        pass


def test_emulated_boards_are_nobody_elses() -> None:
    place = parse_place("emulated")
    with taken(place), taken(place):
        pass


def test_a_board_given_twice_and_one_without_a_bitstream(
    private: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    given = LAYER.config, LAYER.engine
    place = parse_place("pynq:zcu104")
    with pytest.raises(ValueError, match="pynq:zcu104 is given 2 times: a board has one top"):
        open_session(*given, [place] * 2).__enter__()
    with pytest.raises(ValueError, match="pynq:zcu104 needs --bitstreams FOLDER"):
        open_session(*given, [place]).__enter__()
    write_bitstream(tmp_path / "files", LAYER, "layer")
    with (
        warnings.catch_warnings(action="error"),
        pytest.raises(BoardError, match="no Zynq board here: run this on one, or use"),
    ):
        open_session(*given, [place], tmp_path / "files").__enter__()
    with pytest.raises(ValueError, match="emulated:zcu104 needs to know what its kernel computes"):
        open_session(*given, [parse_place("emulated")]).__enter__()
    # None of these keeps it.
    with taken(place):
        pass
    assert no_kernel_threads()


def test_what_a_kernel_makes_of_noise_is_not_what_is_right(bench: Bench) -> None:
    """The checks above can fail: other weights make another packet."""
    other = Layer(BUILDS[4], random_case(2, "plain", BUILDS[4].shape, 2, 6))
    made = bench.load().configure(other).run(0, TENSORS)
    assert made.tobytes() != expected("layer", 0)
    assert not np.array_equal(made, np.zeros_like(made))
