"""One layer on a board that is faulty, and what tests say of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from emulated_boards import Bench, Layer, no_kernel_threads
from strategies import random_case
from stream_oracle import BUILDS

from transfab.host.board import BoardError
from transfab.quant.bert.layer import run_layer
from transfab.quant.contract.tops import TOPS

LAYER = Layer(BUILDS[4], random_case(1, "plain", BUILDS[4].shape, 2, 6))
TENSORS = run_layer(LAYER.config, LAYER.case.parameters(), *LAYER.case.arrays())
# Seconds until a board is given up, and when it must have been: a busy machine is no fault.
PATIENCE, SOON = 0.2, 10.0
LONG = 60.0


def expected(top: str, index: int) -> bytes:
    return LAYER.activations(top, index, TENSORS)[TOPS[top].output].tobytes()


def assert_works(bench: Bench, top: str = "layer") -> None:
    """The next run on the same board: another bitstream, its weights, two sequences."""
    bench.load(top).configure()
    for index in (1, 0):
        assert bench.run(index, TENSORS).tobytes() == expected(top, index)


def assert_free(bench: Bench) -> None:
    """Closed twice: nothing is left on the device, nor a thread of its kernel.

    A server's board stays what it was made for the next client.
    """
    bench.board.close()
    bench.board.close()
    assert bench.live == 0
    bench.stop()
    assert no_kernel_threads()


@contextmanager
def fails(*parts: str) -> Iterator[None]:
    """A BoardError of one line, with these parts, and long before the usual patience has ended."""
    start = time.monotonic()
    with pytest.raises(BoardError) as caught:
        yield
    assert time.monotonic() - start < SOON
    text = str(caught.value)
    assert "\n" not in text
    assert [part for part in parts if part not in text] == [], text
