"""mask_fork: the whole packet one way, its mask beats the other as well."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from transfab.sim.bench import build_under_test
from transfab.sim.benches.row_streams import move_times, reset_during
from transfab.sim.streams import Sink, Source, clock_and_reset, watchdog


def beats(length: int) -> list[bool]:
    """Whether each beat of a packet is one of the mask."""
    config, engine = build_under_test()
    row = -(-config.hidden * config.residual_bits // 8 // engine.beat_bytes)
    return [True] * -(-length // engine.beat_bytes) + [False] * (length * row)


class Fork:
    """The module; the numbers of the beats that each way took."""

    def __init__(self, dut: Any, stalls: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> None:
        self.dut, self.taken = dut, {"packet": list[int](), "mask": list[int]()}
        self.rows = Source(dut, "rows", stalls[0], 1)
        self.beats = Source(dut, "in", stalls[0], 2, fields=())
        self.sinks = {
            name: Sink(dut, name, stall, 3, fields=())
            for name, stall in zip(self.taken, stalls[1:], strict=True)
        }
        self.sent = 0
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        dut, edge = self.dut, RisingEdge(self.dut.clk_i)
        while True:
            await edge
            if not dut.rst_ni.value:
                continue
            for name, taken in self.taken.items():
                valid, ready = getattr(dut, f"{name}_valid_o"), getattr(dut, f"{name}_ready_i")
                if valid.value and ready.value:
                    taken.append(self.sent)
            self.sent += int(dut.in_valid_i.value) & int(dut.in_ready_o.value)

    async def run(self, lengths: list[int]) -> None:
        sent = [one for length in lengths for one in beats(length)]
        wanted = {
            "packet": list(range(len(sent))),
            "mask": [at for at, is_mask in enumerate(sent) if is_mask],
        }
        self.sent = 0
        for taken in self.taken.values():
            taken.clear()
        for name, sink in self.sinks.items():
            cocotb.start_soon(sink.receive(len(wanted[name])))
        async with watchdog(self.dut, 200 + 30 * len(sent)):
            rows = cocotb.start_soon(self.rows.send(lengths))
            await self.beats.send(sent)
            # A length is taken with its packet's last beat.
            await rows
        await ClockCycles(self.dut.clk_i, 1)
        assert self.taken == wanted


def lengths() -> list[int]:
    _, engine = build_under_test()
    return [1, engine.sequence, engine.beat_bytes, 2, 1, 1, engine.beat_bytes + 1]


@cocotb.test()
@cocotb.parametrize(stalls=[(0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.0, 0.6, 0.0), (0.0, 0.0, 0.8)])
async def the_mask_goes_both_ways(dut: Any, stalls: tuple[float, float, float]) -> None:
    fork = Fork(dut, stalls)
    await clock_and_reset(dut)
    await fork.run(lengths())


@cocotb.test()
async def a_beat_a_cycle(dut: Any) -> None:
    fork, longest = Fork(dut), build_under_test()[1].sequence
    await clock_and_reset(dut)
    times = move_times(dut, "in")
    await fork.run([longest])
    assert times[-1] - times[0] == len(beats(longest)) - 1


@cocotb.test()
async def reset_begins_a_packet(dut: Any) -> None:
    fork = Fork(dut)
    await clock_and_reset(dut)
    whole = beats(20)
    for count in (1, 2, 3, len(whole) - 1):
        for name, sink in fork.sinks.items():
            mine = count if name == "packet" else sum(whole[:count])
            cocotb.start_soon(sink.receive(mine))
        tasks = [
            cocotb.start_soon(fork.rows.send([20])),
            cocotb.start_soon(fork.beats.send(whole[:count])),
        ]
        await ClockCycles(dut.clk_i, count + 3)
        await reset_during(dut, tasks, ("rows", "in"))
        await fork.run([3, 1])
