"""Broken drivers of remote boards and broken clients: the checks behind a server kill every one."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from emulated_boards import bench_of, no_kernel_threads, scrambled
from host_mutants import FIRST, PATIENCE, TENSORS, expected, refused, survives
from mutator import PRODUCT, Patch

from transfab.quant.contract.tops import TOPS


def remote_is_sound(package: str, folder: Path) -> bool:
    """Behind a server: exact, weights once, faults as anywhere, and a server that hangs or ends."""
    with bench_of(FIRST, folder, scrambled, package, remote=True) as bench:
        flushed: list[str] = []
        flush = bench.state.flush

        def counted(name: str) -> None:
            flushed.append(name)
            flush(name)

        bench.state.flush = counted

        def works() -> bool:
            bench.load().configure()
            made = [bench.run(index, TENSORS[0], PATIENCE) for index in (0, 1)]
            right = [expected(FIRST, TENSORS[0], "layer", index) for index in (0, 1)]
            return [a.tobytes() for a in made] == [b.tobytes() for b in right]

        def with_fault(*parts: str, **fault: Any) -> bool:
            bench.load(**fault).configure()
            return refused(bench, lambda: bench.run(0, TENSORS[0], PATIENCE), *parts)

        def hung() -> bool:
            """A call that takes longer than its deadline, which is the only one that is short."""
            asked = threading.Event()
            read = bench.state.read
            bench.submit(0, TENSORS[0])

            def late(address: int) -> int:
                asked.wait(3)
                asked.set()
                return read(address)

            bench.state.read = late
            seconds, bench.device.client.seconds = bench.device.client.seconds, 0.2
            try:
                told = refused(
                    bench, lambda: bench.board.wait(PATIENCE), "no answer to read within 0.2 s"
                )
            finally:
                asked.set()
                bench.state.read, bench.device.client.seconds = read, seconds
            return told

        def full() -> bool:
            """More than there is: the words of the server."""
            room = bench.state.buffers._end
            bench.state.buffers._end = bench.state.buffers._base
            told = refused(bench, bench.load().configure, "no room for a buffer of")
            bench.state.buffers._end = room
            return told

        inputs = len(TOPS["layer"].activations)
        weights = len(FIRST.parameters("layer"))
        sound = (
            works()
            and len(flushed) == weights + 2 * inputs
            and with_fault("gave no result", "dma_output waits", hang=True)
            and with_fault("a DMA engine stopped", "dma_hidden error", dma_error="hidden")
            and full()
            and works()
            and hung()
        )
        # A board that is lost is not asked again, and neither are its buffers.
        buffers = list(bench.board._buffers.values())
        bench.board.close()
        sound = sound and len(buffers) == bench.live and all(one.freed for one in buffers)
        lost = bench.live
        bench.load().configure()
        bench.board.close()
        sound = sound and bench.live == lost
        bench.load().configure().submit(0, TENSORS[0])
        bench.stop()
        sound = sound and refused(
            bench, lambda: bench.board.wait(PATIENCE), "bench: the connection is lost: "
        )
        bench.board.close()
        return sound and no_kernel_threads()


@pytest.fixture(autouse=True)
def pynq_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for needed in ("pynq", "grpc"):
        pytest.importorskip(needed, reason=f"{needed} is missing: pip install 'transfab[board]'")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_the_product_passes(tmp_path: Path) -> None:
    assert remote_is_sound(PRODUCT, tmp_path)


def test_the_product_under_another_name_survives(tmp_path: Path) -> None:
    assert survives([remote_is_sound], tmp_path)


MUTANTS: dict[str, Patch] = {
    "errors-of-pynq-are-passed-on": (
        "pynq_board",
        "except (OSError, RuntimeError) as err:",
        "except KeyError as err:",
    ),
    "no-memory-is-passed-on": (
        "pynq_board",
        "except (MemoryError, RuntimeError) as err:",
        "except KeyError as err:",
    ),
    "weights-are-sent-with-each-sequence": (
        "pynq_defects",
        "_nothing if settled else self.array.flush",
        "self.array.flush",
    ),
    "nothing-is-sent-again": (
        "pynq_defects",
        "_nothing if settled else self.array.flush",
        "_nothing",
    ),
    "a-slice-is-read-back": (
        "pynq_defects",
        "buffer if hasattr(buffer, 'buffer_id') else self.array",
        "self.array",
    ),
    "a-lost-board-is-asked-again": ("pynq_board", "() if self._lost else channels", "channels"),
    "a-lost-board-is-asked-to-free": (
        "pynq_board",
        "while buffers and (not self._lost)",
        "while buffers",
    ),
    "buffers-of-a-lost-board-free-themselves": ("pynq_board", "buffer.freed = True", "pass"),
    "a-board-is-lost-for-ever": (
        "pynq_board",
        "self._lost = False\n        self._design",
        "self._design",
    ),
    "calls-without-a-deadline": (
        "remote.client",
        "call(request, timeout=seconds)",
        "call(request, timeout=None)",
    ),
    "errors-of-grpc-are-passed-on": (
        "remote.client",
        "except grpc.RpcError as err:",
        "except KeyError as err:",
    ),
    "a-server-that-is-gone-is-any-error": (
        "remote.client",
        "code == grpc.StatusCode.UNAVAILABLE",
        "False",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_killed(tmp_path: Path, name: str) -> None:
    assert not survives([remote_is_sound], tmp_path, MUTANTS[name])
