"""root: floor(sqrt(value)) of 34-bit values, at the edges of every root and at random."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from typing import Any, Final

import cocotb
from cocotb.triggers import ClockCycles

from transfab.sim.benches.row_streams import move_times
from transfab.sim.streams import Sink, Source, clock_and_reset, watchdog

LEAST, MOST = 2**32, 2**34 - 1
CYCLES = 17


class Roots:
    """The module with its two streams, named without a prefix on the data."""

    def __init__(self, dut: Any, stalls: tuple[float, float] = (0.0, 0.0)) -> None:
        self.source = Source(Ports(dut), "in", stalls[0], 1)
        self.sink = Sink(Ports(dut), "out", stalls[1], 2)


class Ports:
    """The ports of the module, its value and root as the data of its streams."""

    NAMES: Final = {"in_data_i": "value_i", "out_data_o": "root_o"}

    def __init__(self, dut: Any) -> None:
        self._dut = dut

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dut, self.NAMES.get(name, name))


def values() -> list[int]:
    """Both ends, squares and their neighbours, and random values of both lengths."""
    draw = random.Random(11)
    squares = [2**16, 2**16 + 1, 2**17 - 1, 92681, 92682, 2**17 - 2]
    squares += [2**16 + 2**bit for bit in range(16)] + [2**17 - 2**bit for bit in range(16)]
    squares += [draw.randrange(2**16, 2**17) for _ in range(150)]
    edges = [root * root + step for root in squares for step in (-1, 0, 1)]
    edges += [2**33 + step for step in (-1, 0, 1)]
    randoms = [draw.randrange(LEAST, MOST + 1) for _ in range(300)]
    return [LEAST, MOST] + [value for value in edges + randoms if LEAST <= value <= MOST]


@cocotb.test()
@cocotb.parametrize(stalls=[(0.0, 0.0), (0.5, 0.0), (0.0, 0.95), (0.9, 0.9)])
async def roots_are_floors(dut: Any, stalls: tuple[float, float]) -> None:
    roots, sent = Roots(dut, stalls), values()
    await clock_and_reset(dut)
    async with watchdog(dut, 80 * len(sent)):
        cocotb.start_soon(roots.source.send(sent))
        assert await roots.sink.receive(len(sent)) == [math.isqrt(value) for value in sent]


@cocotb.test()
async def a_root_costs_17_cycles(dut: Any) -> None:
    roots, count = Roots(dut), 20
    await clock_and_reset(dut)
    taken = move_times(dut, "in"), move_times(dut, "out")
    async with watchdog(dut, 100 * count):
        cocotb.start_soon(roots.source.send(values()[:count]))
        await roots.sink.receive(count)
    assert [after - before for before, after in zip(*taken, strict=True)] == [CYCLES] * count
    steps = [after - before for before, after in pairwise(taken[1])]
    assert steps == [CYCLES] * (count - 1)


@cocotb.test()
async def reset_forgets_the_value(dut: Any) -> None:
    roots = Roots(dut)
    await clock_and_reset(dut)
    for cycles in (1, 9, CYCLES + 3):
        await roots.source.send([MOST])
        await ClockCycles(dut.clk_i, cycles)
        dut.rst_ni.value = 0
        await ClockCycles(dut.clk_i, 2)
        dut.rst_ni.value = 1
        async with watchdog(dut, 100):
            cocotb.start_soon(roots.source.send([LEAST]))
            assert await roots.sink.receive(1) == [2**16]
