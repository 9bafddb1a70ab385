"""rows_fork: every output gets every length, as far ahead of the others as its queue is deep."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from transfab.sim.bench import build_under_test, parameters_under_test
from transfab.sim.benches.bits import Slice
from transfab.sim.benches.row_streams import reset_during
from transfab.sim.streams import Sink, Source, clock_and_reset, watchdog

COUNT = 100


def lengths() -> list[int]:
    draw, longest = random.Random(2), build_under_test()[1].sequence
    return [draw.randint(1, longest) for _ in range(COUNT)]


def sinks(dut: Any, stall: float) -> list[Sink]:
    shared: dict[str, int] = {}
    outputs = parameters_under_test()["Outputs"]
    return [Sink(Slice(dut, i, shared), "rows", stall, i) for i in range(outputs)]


@cocotb.test()
@cocotb.parametrize(stalls=[(0.0, 0.0), (0.5, 0.0), (0.0, 0.6)])
async def every_output_gets_every_length(dut: Any, stalls: tuple[float, float]) -> None:
    source, outputs, sent = Source(dut, "rows", stalls[0]), sinks(dut, stalls[1]), lengths()
    await clock_and_reset(dut)
    async with watchdog(dut, 20 * COUNT):
        cocotb.start_soon(source.send(sent))
        tasks = [cocotb.start_soon(one.receive(COUNT)) for one in outputs]
        for task in tasks:
            assert await task == sent


@cocotb.test()
async def one_waits_while_the_others_run_ahead(dut: Any) -> None:
    source, outputs, sent = Source(dut, "rows"), sinks(dut, 0.0), lengths()
    depth = parameters_under_test()["Depth"]
    await clock_and_reset(dut)
    for slow, other in enumerate(outputs):
        others = [one for one in outputs if one is not other]
        tasks = [cocotb.start_soon(one.receive(depth + 1)) for one in others]
        filling = cocotb.start_soon(source.send(sent[:depth]))
        await ClockCycles(dut.clk_i, 3 * depth + 20)
        assert filling.done(), f"output {slow} holds up the others before its queue is full"
        # An element more goes to the others and waits for the slow one.
        sending = cocotb.start_soon(source.send(sent[depth : depth + 1]))
        await ClockCycles(dut.clk_i, 20)
        assert not sending.done(), f"the queue of output {slow} holds more than its depth"
        assert all(task.done() for task in tasks)
        async with watchdog(dut, 100):
            assert await other.receive(depth + 1) == sent[: depth + 1]
            await sending


@cocotb.test()
async def reset_empties_the_queues(dut: Any) -> None:
    source, outputs, sent = Source(dut, "rows"), sinks(dut, 0.0), lengths()
    await clock_and_reset(dut)
    sending = cocotb.start_soon(source.send(sent))
    await outputs[0].receive(1)
    await ClockCycles(dut.clk_i, 10)
    await reset_during(dut, [sending], ("rows",))
    cocotb.start_soon(source.send(sent[50:]))
    for one in outputs:
        async with watchdog(dut, 200):
            assert await one.receive(2) == sent[50:52]
