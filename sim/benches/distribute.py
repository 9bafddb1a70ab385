"""distribute: each output gets the beats of its sections, those of shared sections all of them."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from transfab.sim.bench import parameters_under_test
from transfab.sim.benches.bits import Slice
from transfab.sim.benches.row_streams import move_times, reset_during
from transfab.sim.streams import Sink, Source, clock_and_reset, watchdog

COUNTS = 3, 0, 1, 4, 2, 1
TARGETS = 0b011, 0b001, 0b010, 0b100, 0b001, 0b111
OUTPUTS = 3


def packet() -> list[int]:
    """The targets of every beat."""
    given = parameters_under_test()
    first, body, repeat, steps = (given[name] for name in ("First", "Body", "Repeat", "Steps"))
    order = [*range(first), *list(range(first, first + body)) * repeat, *range(first + body, steps)]
    return [TARGETS[step] for step in order for _ in range(COUNTS[step])]


class Distribute:
    """The module, and for each output the number of the beat that it took."""

    def __init__(self, dut: Any, stalls: tuple[float, float]) -> None:
        shared: dict[str, int] = {}
        self.dut, self.taken = dut, [list[int]() for _ in range(OUTPUTS)]
        self.source = Source(dut, "in", stalls[0], 1, fields=())
        slices = [Slice(dut, i, shared) for i in range(OUTPUTS)]
        self.sinks = [Sink(one, "out", stalls[1], i, fields=()) for i, one in enumerate(slices)]
        self.sent = 0
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        dut, edge = self.dut, RisingEdge(self.dut.clk_i)
        while True:
            await edge
            if not dut.rst_ni.value:
                continue
            moved = int(dut.out_valid_o.value) & int(dut.out_ready_i.value)
            for output, taken in enumerate(self.taken):
                if moved >> output & 1:
                    taken.append(self.sent)
            self.sent += int(dut.in_valid_i.value) & int(dut.in_ready_o.value)

    async def run(self, packets: int) -> None:
        """All outputs want all that is theirs, and one beat of a packet more."""
        beats = packet() * packets
        self.sent = 0
        for taken in self.taken:
            taken.clear()
        wanted = [[at for at, one in enumerate(beats) if one >> i & 1] for i in range(OUTPUTS)]
        async with watchdog(self.dut, 100 + 50 * len(beats)):
            tasks = [
                cocotb.start_soon(sink.receive(len(mine)))
                for sink, mine in zip(self.sinks, wanted, strict=True)
            ]
            await self.source.send(beats)
            for task in tasks:
                await task
        assert self.taken == wanted


@cocotb.test()
@cocotb.parametrize(stalls=[(0.0, 0.0), (0.5, 0.0), (0.0, 0.6), (0.4, 0.4)])
async def each_output_gets_its_sections(dut: Any, stalls: tuple[float, float]) -> None:
    unit = Distribute(dut, stalls)
    await clock_and_reset(dut)
    await unit.run(4)


@cocotb.test()
async def a_beat_a_cycle_beside_empty_steps(dut: Any) -> None:
    unit = Distribute(dut, (0.0, 0.0))
    await clock_and_reset(dut)
    times = move_times(dut, "in")
    await unit.run(2)
    given = parameters_under_test()
    inside = given["First"] <= 1 < given["First"] + given["Body"]
    pauses = 1 if not inside else given["Repeat"]
    assert times[-1] - times[0] == len(times) - 1 + 2 * pauses


@cocotb.test()
async def reset_begins_a_packet(dut: Any) -> None:
    unit = Distribute(dut, (0.0, 0.0))
    await clock_and_reset(dut)
    for beats in range(1, len(packet())):
        mine = packet()[:beats]
        for i, sink in enumerate(unit.sinks):
            cocotb.start_soon(sink.receive(sum(one >> i & 1 for one in mine)))
        await unit.source.send(mine)
        await ClockCycles(dut.clk_i, 1)
        await reset_during(dut, [], ("in",))
        await unit.run(1)
