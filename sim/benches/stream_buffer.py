"""stream_buffer: what enters leaves, in order, two cycles later at the earliest."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from transfab.sim.bench import parameters_under_test
from transfab.sim.benches.row_streams import move_times, reset_during
from transfab.sim.streams import Sink, Source, clock_and_reset, watchdog

COUNT = 200
LATENCY = 2


def beats(seed: int = 7) -> list[int]:
    draw, width = random.Random(seed), parameters_under_test()["Width"]
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
async def moves_a_beat_a_cycle_two_cycles_later(dut: Any) -> None:
    source, sink = Source(dut, "in"), Sink(dut, "out")
    await clock_and_reset(dut)
    into, out = move_times(dut, "in"), move_times(dut, "out")
    async with watchdog(dut, 3 * COUNT):
        cocotb.start_soon(source.send(beats()))
        await sink.receive(COUNT)
    # Of depth 1, its word must be read before the next one enters.
    step = 1 if parameters_under_test()["Depth"] > 1 else 2
    assert out == [into[0] + LATENCY + step * at for at in range(COUNT)]


@cocotb.test()
async def holds_its_depth_beside_the_one_that_is_offered(dut: Any) -> None:
    source, sink, depth = Source(dut, "in"), Sink(dut, "out"), parameters_under_test()["Depth"]
    await clock_and_reset(dut)
    for seed in range(3):
        sent = beats(seed)
        sending = cocotb.start_soon(source.send(sent[: depth + 1]))
        await ClockCycles(dut.clk_i, depth + 8)
        assert sending.done() and dut.in_ready_o.value == 0
        async with watchdog(dut, 20 * COUNT):
            assert await sink.receive(depth + 1) == sent[: depth + 1]


@cocotb.test()
async def reset_empties_it(dut: Any) -> None:
    source, sink = Source(dut, "in"), Sink(dut, "out")
    await clock_and_reset(dut)
    for taken in (0, 1, 3):
        sending = cocotb.start_soon(source.send(beats(taken)))
        await sink.receive(taken)
        await ClockCycles(dut.clk_i, 5)
        await reset_during(dut, [sending], ("in",))
        assert dut.out_valid_o.value == 0
        sent = beats(taken + 9)[:20]
        async with watchdog(dut, 200):
            cocotb.start_soon(source.send(sent))
            assert await sink.receive(20) == sent
