"""Tops as a host sees them: AXI4-Lite registers, AXI4-Stream packets, an interrupt line.

The packets are those of the file that TRANSFAB_RUNS names: a list of objects with the name, the
sequence length, the inputs in the order of the ports, and the output, as hex.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamSink, AxiStreamSource

from transfab.quant.contract.registers import CONTROL_BITS as BIT
from transfab.quant.contract.registers import OFFSETS, build_hash_words
from transfab.quant.contract.tops import TOPS
from transfab.sim.bench import build_under_test
from transfab.sim.streams import PERIOD

RUNS = "TRANSFAB_RUNS"
DONE, READY = 1, 2
# Of simulated time, in ms: many more than any of these tests takes.
LIMIT = 20


@dataclass(frozen=True)
class Run:
    """One sequence."""

    name: str
    sequence: int
    inputs: list[bytes]
    expected: bytes


def runs() -> list[Run]:
    made = json.loads(Path(os.environ[RUNS]).read_text(encoding="utf-8"))
    return [
        Run(
            one["name"],
            one["sequence"],
            [bytes.fromhex(text) for text in one["inputs"]],
            bytes.fromhex(one["expected"]),
        )
        for one in made
    ]


def short_runs() -> list[Run]:
    return sorted(runs(), key=lambda one: one.sequence)[:3]


def pauses(share: float, seed: int) -> Iterator[bool]:
    draw = random.Random(seed)
    return (draw.random() < share for _ in itertools.count())


class Host:
    """All ports of a top.

    idle          share of cycles in which an input offers nothing, of each input
    back_pressure share of cycles in which the output takes nothing
    """

    def __init__(self, dut: Any, idle: float = 0.0, back_pressure: float = 0.0) -> None:
        name = json.loads(Path(os.environ[RUNS]).read_text(encoding="utf-8"))[0]["top"]
        self.dut, self.top = dut, TOPS[name]
        dut.ap_rst_n.value = 0
        Clock(dut.ap_clk, PERIOD, "ns").start()
        at = dut.ap_clk, dut.ap_rst_n, False
        self.registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi_control"), *at)
        self.sources = [
            AxiStreamSource(AxiStreamBus.from_prefix(dut, packet), *at)
            for packet in self.top.inputs
        ]
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, self.top.output), *at)
        for seed, source in enumerate(self.sources):
            if idle:
                source.set_pause_generator(pauses(idle, seed))
        if back_pressure:
            self.sink.set_pause_generator(pauses(back_pressure, 99))
        cocotb.start_soon(self._stable())

    async def reset(self) -> None:
        """What was sent and not taken is forgotten."""
        self.dut.ap_rst_n.value = 0
        await ClockCycles(self.dut.ap_clk, 3)
        for port in (*self.sources, self.sink):
            port.clear()
        await ClockCycles(self.dut.ap_clk, 1)
        self.dut.ap_rst_n.value = 1
        await ClockCycles(self.dut.ap_clk, 2)

    async def _stable(self) -> None:
        """Valid stays with its beat until ready."""
        dut, name = self.dut, self.top.output
        valid, ready = getattr(dut, f"{name}_TVALID"), getattr(dut, f"{name}_TREADY")
        fields = [getattr(dut, f"{name}_{field}") for field in ("TDATA", "TKEEP", "TLAST")]
        held: list[int] | None = None
        edge = RisingEdge(dut.ap_clk)
        while True:
            await edge
            if not dut.ap_rst_n.value:
                held = None
            elif valid.value or held is not None:
                beat = [int(field.value) for field in fields]
                assert valid.value, f"{name}: valid fell before ready"
                assert held in (None, beat), f"{name}: a beat changed before it was taken"
                held = None if ready.value else beat

    async def read(self, name: str) -> int:
        return int(await self.registers.read_dword(OFFSETS[name]))

    async def write(self, name: str, value: int) -> None:
        await self.registers.write_dword(OFFSETS[name], value)

    def send(self, run: Run) -> None:
        for source, packet in zip(self.sources, run.inputs, strict=True):
            source.send_nowait(packet)

    async def start(self, run: Run) -> None:
        """Returns when the next one may be started."""
        await self.write("sequence", run.sequence)
        await self.write("control", BIT["start"])
        while await self.read("control") & BIT["start"]:
            pass

    async def receive(self, run: Run) -> None:
        """The next packet, to its TLAST: bytes without TKEEP are none."""
        frame = await self.sink.recv()
        got = bytes(frame.tdata)
        if got != run.expected:
            assert len(got) == len(run.expected), f"{run.name}: {len(got)} bytes"
            at = next(i for i, (a, b) in enumerate(zip(got, run.expected, strict=True)) if a != b)
            raise AssertionError(f"{run.name}: byte {at} is {got[at]} and not {run.expected[at]}")

    async def acknowledge(self, count: int) -> None:
        """`done` stands until each of `count` sequences has been acknowledged."""
        for _ in range(count):
            assert await self.read("control") & BIT["done"]
            await self.write("control", BIT["continue"])
        assert await self.read("control") & (BIT["done"] | BIT["idle"]) == BIT["idle"]


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
async def registers_read_as_documented(dut: Any) -> None:
    host = Host(dut)
    await host.reset()
    low, high = build_hash_words(*build_under_test())
    wanted = dict.fromkeys(OFFSETS, 0) | {"control": BIT["idle"]}
    wanted |= {"build_hash_low": low, "build_hash_high": high}
    for name, value in wanted.items():
        assert await host.read(name) == value, name
    for offset in {*range(0, 64, 4)} - set(OFFSETS.values()):
        await host.registers.write_dword(offset, 0xFFFF_FFFF)
        assert await host.registers.read_dword(offset) == 0
    for name in ("build_hash_low", "build_hash_high"):
        await host.write(name, 0)
        assert await host.read(name) == wanted[name]
    # Bytes without their strobe stay.
    await host.write("sequence", 0xFFFF_1234)
    await host.registers.write(OFFSETS["sequence"] + 1, b"\x56")
    assert await host.read("sequence") == 0x5634
    await host.write("global_interrupt_enable", 1)
    await host.write("interrupt_enable", 0xFFFF_FFFF)
    assert await host.read("global_interrupt_enable") == 1
    assert await host.read("interrupt_enable") == DONE | READY
    assert await host.read("control") == BIT["idle"] and not dut.interrupt.value


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
@cocotb.parametrize(stalls=[(0.0, 0.0), (0.5, 0.0), (0.0, 0.7), (0.3, 0.3)])
async def every_byte_is_as_expected(dut: Any, stalls: tuple[float, float]) -> None:
    host, given = Host(dut, *stalls), runs()
    await host.reset()
    given = given if stalls == (0.0, 0.0) else given[:5]

    async def start_all() -> None:
        for run in given:
            await host.start(run)

    for run in given:
        host.send(run)
    starting = cocotb.start_soon(start_all())
    for run in given:
        await host.receive(run)
    await starting
    await host.acknowledge(len(given))


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
async def nothing_leaves_before_a_start(dut: Any) -> None:
    host, (one, *_) = Host(dut), short_runs()
    await host.reset()
    host.send(one)
    await ClockCycles(dut.ap_clk, 2000)
    assert host.sink.empty() and await host.read("control") == BIT["idle"]
    await host.start(one)
    await host.receive(one)
    await host.acknowledge(1)


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
async def interrupts_when_done_and_when_ready(dut: Any) -> None:
    host, (one, *_) = Host(dut), short_runs()
    await host.reset()
    await host.write("interrupt_enable", READY)
    await host.write("sequence", one.sequence)
    await host.write("control", BIT["start"])
    await ClockCycles(dut.ap_clk, 20)
    # The line follows the status only while it is enabled.
    assert await host.read("interrupt_status") == READY and not dut.interrupt.value
    await host.write("global_interrupt_enable", 1)
    assert dut.interrupt.value
    control = await host.read("control")
    assert control & (BIT["ready"] | BIT["idle"]) == BIT["ready"], "ready and running"
    assert not await host.read("control") & BIT["ready"], "a read clears ready"
    await host.write("interrupt_status", READY)
    assert await host.read("interrupt_status") == 0 and not dut.interrupt.value
    host.send(one)
    await host.receive(one)
    # Done was not enabled.
    assert await host.read("interrupt_status") == 0
    await host.write("interrupt_enable", DONE)
    host.send(one)
    await host.write("control", BIT["start"])
    assert await host.read("interrupt_status") == 0 and not dut.interrupt.value
    await host.receive(one)
    await ClockCycles(dut.ap_clk, 2)
    assert dut.interrupt.value and await host.read("interrupt_status") == DONE
    # Toggled, not cleared: a one sets what stood at zero.
    await host.write("interrupt_status", DONE | READY)
    assert await host.read("interrupt_status") == READY and dut.interrupt.value
    await host.write("interrupt_status", READY)
    assert not dut.interrupt.value
    await host.acknowledge(2)


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
async def restarts_until_it_is_told_not_to(dut: Any) -> None:
    host, (one, *_) = Host(dut), short_runs()
    await host.reset()
    await host.write("sequence", one.sequence)
    await host.write("control", BIT["start"] | BIT["auto_restart"])
    for _ in range(3):
        host.send(one)
        await host.receive(one)
    assert await host.read("control") & BIT["auto_restart"]
    await host.write("control", 0)
    count = 3
    # Those that were started already wait for their packets.
    while not await host.read("control") & BIT["idle"]:
        host.send(one)
        await host.receive(one)
        count += 1
    assert 3 < count < 20
    await host.acknowledge(count)


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
async def reset_in_mid_packet_leaves_nothing(dut: Any) -> None:
    host, given = Host(dut), runs()
    longest = max(given, key=lambda one: one.sequence)
    await host.reset()
    beats = max(map(len, longest.inputs)) // build_under_test()[1].beat_bytes
    for part in (0.1, 0.5, 0.9, 1.3, 2.0):
        for _ in range(2):
            host.send(longest)
        await host.start(longest)
        await host.start(longest)
        await ClockCycles(dut.ap_clk, int(part * beats))
        await host.reset()
        assert await host.read("control") == BIT["idle"] and await host.read("sequence") == 0
        for clean in short_runs():
            host.send(clean)
            await host.start(clean)
            await host.receive(clean)
        await host.acknowledge(len(short_runs()))
