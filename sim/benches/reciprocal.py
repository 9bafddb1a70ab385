"""reciprocal: floor((2**(16 + bits) - 1) / value) at the edges of every length and at random."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any, ClassVar

import cocotb
from cocotb.triggers import ClockCycles

from transfab.sim.benches.row_streams import move_times
from transfab.sim.streams import Sink, Source, clock_and_reset, watchdog

BITS, CYCLES, LATENCY = 24, 17, 18


class Ports:
    """The ports of the module, its value and results as the data of its streams."""

    NAMES: ClassVar[dict[str, str]] = {
        "in_data_i": "value_i",
        "out_reciprocal_o": "reciprocal_o",
        "out_bits_o": "bits_o",
    }

    def __init__(self, dut: Any) -> None:
        self._dut = dut

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dut, self.NAMES.get(name, name))


def source_and_sink(dut: Any, stalls: tuple[float, float] = (0.0, 0.0)) -> tuple[Source, Sink]:
    ports = Ports(dut)
    sink = Sink(ports, "out", stalls[1], 2, ("reciprocal", "bits"))
    return Source(ports, "in", stalls[0], 1), sink


def values() -> list[int]:
    """Both ends of every bit length, the least and the largest value, and random ones."""
    draw = random.Random(5)
    edges = [(1 << bit) + step for bit in range(BITS + 1) for step in (-1, 0, 1)]
    randoms = [draw.randrange(1, 1 << draw.randint(1, BITS)) for _ in range(400)]
    return [value for value in edges + randoms if 1 <= value < 1 << BITS]


def expected(value: int) -> dict[str, int]:
    bits = value.bit_length()
    return {"reciprocal": ((1 << (16 + bits)) - 1) // value, "bits": bits}


@cocotb.test()
@cocotb.parametrize(stalls=[(0.0, 0.0), (0.5, 0.0), (0.0, 0.95), (0.9, 0.9)])
async def divides_exactly(dut: Any, stalls: tuple[float, float]) -> None:
    (source, sink), sent = source_and_sink(dut, stalls), values()
    await clock_and_reset(dut)
    async with watchdog(dut, 80 * len(sent)):
        cocotb.start_soon(source.send(sent))
        assert await sink.receive(len(sent)) == [expected(value) for value in sent]


@cocotb.test()
async def a_result_costs_17_cycles(dut: Any) -> None:
    (source, sink), count = source_and_sink(dut), 20
    await clock_and_reset(dut)
    taken = move_times(dut, "in"), move_times(dut, "out")
    async with watchdog(dut, 100 * count):
        cocotb.start_soon(source.send(values()[:count]))
        await sink.receive(count)
    assert [after - before for before, after in zip(*taken, strict=True)] == [LATENCY] * count
    steps = [after - before for before, after in pairwise(taken[1])]
    assert steps == [CYCLES] * (count - 1)


@cocotb.test()
async def reset_forgets_the_value(dut: Any) -> None:
    source, sink = source_and_sink(dut)
    await clock_and_reset(dut)
    for cycles in (1, 9, LATENCY + 3):
        await source.send([3])
        await ClockCycles(dut.clk_i, cycles)
        dut.rst_ni.value = 0
        await ClockCycles(dut.clk_i, 2)
        dut.rst_ni.value = 1
        async with watchdog(dut, 100):
            cocotb.start_soon(source.send([1 << 23]))
            assert await sink.receive(1) == [expected(1 << 23)]
