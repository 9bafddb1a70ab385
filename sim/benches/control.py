"""control: starts, done, ready, interrupts and accesses in any order, cycle by cycle."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from transfab.quant.contract.registers import OFFSETS, REGISTERS, build_hash_words
from transfab.sim.bench import build_under_test
from transfab.sim.benches.row_streams import move_times
from transfab.sim.streams import Sink, Source, clock_and_reset, watchdog

BIT = {field.name: 1 << field.low for field in REGISTERS[0].fields}
CHANNELS = "aw", "w", "b", "ar", "r"
# Sequences that can be counted under way, or done and not acknowledged.
COUNTED = 255


class Control:
    """The module, its AXI channels each at its own pace, and what takes its starts."""

    def __init__(self, dut: Any, stall: float = 0.0) -> None:
        self.dut, self.edge = dut, RisingEdge(dut.clk_i)
        self.aw = Source(dut, "aw", stall, 1, fields=("address",))
        self.w = Source(dut, "w", stall, 2, fields=("data", "strobe"))
        self.b = Sink(dut, "b", stall, 3, fields=())
        self.ar = Source(dut, "ar", stall, 4, fields=("address",))
        self.r = Sink(dut, "r", stall, 5)
        self.rows = Sink(dut, "rows", stall, 6)
        dut.finished_i.value = 0

    async def write(self, name: str, value: int, strobe: int = 15) -> None:
        async with watchdog(self.dut, 300):
            tasks = [
                cocotb.start_soon(self.aw.send([OFFSETS[name]])),
                cocotb.start_soon(self.w.send([{"data": value, "strobe": strobe}])),
            ]
            await self.b.receive(1)
            for task in tasks:
                await task
        await self.edge

    async def read(self, name: str) -> int:
        async with watchdog(self.dut, 300):
            cocotb.start_soon(self.ar.send([OFFSETS[name]]))
            (value,) = await self.r.receive(1)
        return int(value)

    async def finish(self, count: int = 1) -> None:
        for _ in range(count):
            self.dut.finished_i.value = 1
            await self.edge
        self.dut.finished_i.value = 0
        await self.edge

    async def start(self, length: int) -> None:
        await self.write("sequence", length)
        await self.write("control", BIT["start"])


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.6])
async def registers_keep_what_is_written(dut: Any, stall: float) -> None:
    control, draw = Control(dut, stall), random.Random(stall)
    await clock_and_reset(dut)
    low, high = build_hash_words(*build_under_test())
    held = dict.fromkeys(OFFSETS, 0) | {"build_hash_low": low, "build_hash_high": high}
    held["control"] = BIT["idle"]
    widths = {"global_interrupt_enable": 1, "interrupt_enable": 2, "sequence": 16}
    for _ in range(150):
        name = draw.choice(sorted(OFFSETS))
        if name not in ("control", "interrupt_status"):
            value, strobe = draw.getrandbits(32), draw.getrandbits(4)
            await control.write(name, value, strobe)
            if name in widths:
                mask = sum(255 << 8 * i for i in range(4) if strobe >> i & 1)
                mask &= (1 << widths[name]) - 1
                held[name] = held[name] & ~mask | value & mask
        name = draw.choice(sorted(OFFSETS))
        assert await control.read(name) == held[name], name


@cocotb.test()
async def an_address_waits_for_its_data_and_data_for_its_address(dut: Any) -> None:
    control = Control(dut)
    await clock_and_reset(dut)
    for first, value in (("aw", 21), ("w", 34), ("aw", 55)):
        sends = {
            "aw": control.aw.send([OFFSETS["sequence"]]),
            "w": control.w.send([{"data": value, "strobe": 15}]),
        }
        async with watchdog(dut, 100):
            await sends.pop(first)
            await ClockCycles(dut.clk_i, 9)
            assert not dut.b_valid_o.value
            (last,) = sends.values()
            await last
            # A second access waits until this one has its response.
            more = cocotb.start_soon(control.aw.send([OFFSETS["sequence"]] * 2))
            await ClockCycles(dut.clk_i, 9)
            assert not more.done()
            await control.b.receive(1)
        assert await control.read("sequence") == value
        cocotb.start_soon(control.w.send([{"data": value, "strobe": 15}] * 2))
        async with watchdog(dut, 100):
            await control.b.receive(2)
            await more


@cocotb.test()
async def a_start_sends_its_length_once(dut: Any) -> None:
    control, times = Control(dut), move_times(dut, "rows")
    await clock_and_reset(dut)
    for length in (5, 1, 7):
        await control.start(length)
        assert await control.read("control") == BIT["start"]
        async with watchdog(dut, 100):
            assert await control.rows.receive(1) == [length]
        cocotb.start_soon(control.rows.receive(1))
        await ClockCycles(dut.clk_i, 9)
        # Ready is cleared by its read, and so is nothing else.
        assert await control.read("control") == BIT["ready"]
        assert await control.read("control") == 0
        await control.finish()
        assert await control.read("control") == BIT["done"] | BIT["idle"]
        await control.write("control", BIT["continue"])
        assert await control.read("control") == BIT["idle"]
        # Nothing is done: there is nothing to acknowledge.
        await control.write("control", BIT["continue"])
        assert await control.read("control") == BIT["idle"]
        await control.start(1)
        await control.read("control")
        await control.finish()
        await control.write("control", BIT["continue"])
    assert len(times) == 6


@cocotb.test()
async def sequences_are_counted(dut: Any) -> None:
    control = Control(dut)
    await clock_and_reset(dut)
    await control.write("sequence", 3)
    taken = cocotb.start_soon(control.rows.receive(COUNTED + 2))
    await control.write("control", BIT["start"] | BIT["auto_restart"])
    await ClockCycles(dut.clk_i, COUNTED + 50)
    # No more starts than can be counted, under way or done.
    assert not dut.rows_valid_o.value and not taken.done()
    await control.finish(COUNTED)
    await ClockCycles(dut.clk_i, 9)
    assert not dut.rows_valid_o.value and not taken.done()
    assert await control.read("control") & BIT["done"]
    for _ in range(2):
        await control.write("control", BIT["auto_restart"] | BIT["continue"])
    async with watchdog(dut, 100):
        assert await taken == [3] * (COUNTED + 2)
    await control.write("control", 0)
    for _ in range(COUNTED - 2):
        assert await control.read("control") & BIT["done"]
        await control.write("control", BIT["continue"])
    assert not await control.read("control") & BIT["done"]


@cocotb.test()
async def an_offered_length_stays(dut: Any) -> None:
    control = Control(dut)
    await clock_and_reset(dut)
    await control.start(5)
    await control.write("sequence", 6)
    await control.write("control", 0)
    assert await control.read("control") & BIT["start"]
    assert await control.rows.receive(1) == [5]
    await ClockCycles(dut.clk_i, 2)
    await control.write("control", BIT["start"])
    assert await control.rows.receive(1) == [6]


@cocotb.test()
async def interrupts_are_events_that_are_enabled(dut: Any) -> None:
    control = Control(dut)
    await clock_and_reset(dut)
    for enabled in range(4):
        for line in (0, 1):
            await control.write("interrupt_enable", enabled)
            await control.write("global_interrupt_enable", line)
            await control.start(1)
            await control.rows.receive(1)
            await ClockCycles(dut.clk_i, 3)
            ready = enabled & 2
            assert await control.read("interrupt_status") == ready
            assert bool(dut.interrupt_o.value) == bool(line and ready)
            await control.finish()
            assert await control.read("interrupt_status") == enabled
            assert bool(dut.interrupt_o.value) == bool(line and enabled)
            # A one flips its bit, without its strobe it flips none.
            await control.write("interrupt_status", 3, strobe=14)
            await control.write("interrupt_status", 3)
            assert await control.read("interrupt_status") == enabled ^ 3
            await control.write("interrupt_status", enabled ^ 3)
            assert await control.read("interrupt_status") == 0 and not dut.interrupt_o.value
            await control.write("control", BIT["continue"])


@cocotb.test()
async def reset_stops_and_forgets(dut: Any) -> None:
    control = Control(dut)
    await clock_and_reset(dut)
    for name in ("sequence", "interrupt_enable", "global_interrupt_enable"):
        await control.write(name, 1)
    await control.write("control", BIT["start"] | BIT["auto_restart"])
    await control.rows.receive(3)
    await control.finish()
    assert dut.interrupt_o.value and dut.rows_valid_o.value
    dut.rst_ni.value = 0
    await ClockCycles(dut.clk_i, 2)
    dut.rst_ni.value = 1
    await ClockCycles(dut.clk_i, 1)
    assert not dut.interrupt_o.value and not dut.rows_valid_o.value
    for name in ("sequence", "interrupt_enable", "global_interrupt_enable", "interrupt_status"):
        assert await control.read(name) == 0
    assert await control.read("control") == BIT["idle"]
