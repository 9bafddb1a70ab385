"""head_split: beats of a qkv packet to query, key and value, head after head."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from transfab.sim.bench import build_under_test
from transfab.sim.benches.bits import Slice
from transfab.sim.benches.row_streams import move_times, reset_during
from transfab.sim.streams import Sink, Source, clock_and_reset, watchdog

PARTS = 3


def parts(length: int) -> list[int]:
    """The part of every beat of a packet."""
    config, engine = build_under_test()
    beats = length * -(-config.head_size // engine.beat_bytes)
    return [part for _ in range(config.heads) for part in range(PARTS) for _ in range(beats)]


class Split:
    """The module; `taken` says where each beat went, in order."""

    def __init__(self, dut: Any, stalls: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> None:
        shared: dict[str, int] = {}
        self.dut, self.taken = dut, list[int]()
        self.rows = Source(dut, "rows", stalls[0], 1)
        self.beats = Source(dut, "in", stalls[1], 2, fields=())
        slices = [Slice(dut, i, shared) for i in range(PARTS)]
        self.sinks = [Sink(one, "part", stalls[2], i, fields=()) for i, one in enumerate(slices)]
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        dut, edge = self.dut, RisingEdge(self.dut.clk_i)
        while True:
            await edge
            moved = int(dut.part_valid_o.value) & int(dut.part_ready_i.value)
            if dut.rst_ni.value and moved:
                assert moved in (1, 2, 4) and dut.in_valid_i.value and dut.in_ready_o.value
                self.taken.append(moved.bit_length() - 1)

    async def run(self, lengths: list[int]) -> None:
        wanted = [part for length in lengths for part in parts(length)]
        self.taken.clear()
        for part, sink in enumerate(self.sinks):
            cocotb.start_soon(sink.receive(wanted.count(part)))
        async with watchdog(self.dut, 200 + 30 * len(wanted)):
            rows = cocotb.start_soon(self.rows.send(lengths))
            await self.beats.send(wanted)
            # A length is taken with its packet's last beat.
            await rows
        await ClockCycles(self.dut.clk_i, 1)
        assert self.taken == wanted


@cocotb.test()
@cocotb.parametrize(stalls=[(0.0, 0.0, 0.0), (0.9, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.6)])
async def every_beat_goes_to_its_part(dut: Any, stalls: tuple[float, float, float]) -> None:
    split, longest = Split(dut, stalls), build_under_test()[1].sequence
    await clock_and_reset(dut)
    await split.run([1, longest, 2, 1, 1, 5])


@cocotb.test()
async def a_beat_a_cycle(dut: Any) -> None:
    split, longest = Split(dut), build_under_test()[1].sequence
    await clock_and_reset(dut)
    times = move_times(dut, "in")
    await split.run([longest])
    assert times[-1] - times[0] == len(parts(longest)) - 1


@cocotb.test()
async def reset_begins_a_packet(dut: Any) -> None:
    split = Split(dut)
    await clock_and_reset(dut)
    for beats in (1, 2, len(parts(2)) // 2, len(parts(2)) - 1):
        tasks = [
            cocotb.start_soon(split.rows.send([2])),
            cocotb.start_soon(split.beats.send(range(beats))),
        ]
        for part, sink in enumerate(split.sinks):
            cocotb.start_soon(sink.receive(parts(2)[:beats].count(part)))
        await ClockCycles(dut.clk_i, beats + 2)
        await reset_during(dut, tasks, ("rows", "in"))
        await split.run([1, 3])
