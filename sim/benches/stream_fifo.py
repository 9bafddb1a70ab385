"""stream_fifo: what enters leaves, in order, whatever stalls; it holds as many as its depth."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from transfab.sim.bench import parameters_under_test
from transfab.sim.streams import Sink, Source, clock_and_reset, watchdog

COUNT = 200


def beats() -> list[int]:
    draw, width = random.Random(7), parameters_under_test()["Width"]
    return [draw.getrandbits(width) for _ in range(COUNT)]


@cocotb.test()
@cocotb.parametrize(stalls=[(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.3, 0.3)])
async def keeps_order(dut: Any, stalls: tuple[float, float]) -> None:
    source, sink = Source(dut, "in", stalls[0], 1), Sink(dut, "out", stalls[1], 2)
    await clock_and_reset(dut)
    sent = beats()
    async with watchdog(dut, 20 * COUNT):
        cocotb.start_soon(source.send(sent))
        assert await sink.receive(COUNT) == sent


@cocotb.test()
async def moves_a_beat_a_cycle(dut: Any) -> None:
    source, sink = Source(dut, "in"), Sink(dut, "out")
    await clock_and_reset(dut)
    # Of depth 1, it is full or empty and never both ready and valid.
    least = COUNT if parameters_under_test()["Depth"] > 1 else 2 * COUNT
    async with watchdog(dut, least + 5):
        cocotb.start_soon(source.send(beats()))
        await sink.receive(COUNT)


@cocotb.test()
async def holds_its_depth_and_no_more(dut: Any) -> None:
    source, sink, depth = Source(dut, "in"), Sink(dut, "out"), parameters_under_test()["Depth"]
    await clock_and_reset(dut)
    sent = beats()
    sending = cocotb.start_soon(source.send(sent[:depth]))
    await ClockCycles(dut.clk_i, depth + 3)
    assert sending.done() and dut.in_ready_o.value == 0
    async with watchdog(dut, 20 * COUNT):
        assert await sink.receive(depth) == sent[:depth]
