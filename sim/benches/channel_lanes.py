"""channel_lanes: sums of every tile to int8, each tile with its own constants."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from transfab.quant.bert.gelu import gelu
from transfab.quant.config import GELU_ENTRIES
from transfab.quant.intmath import Array, Requantize, requantize
from transfab.sim.bench import build_under_test, parameters_under_test
from transfab.sim.benches.products import Pulses
from transfab.sim.benches.row_streams import Packer, reset_during
from transfab.sim.streams import Source, clock_and_reset, put, watchdog

# From a row's sums to its lanes: bias, requantize; then GELU, requantize.
LATENCY, ACTIVATION = 5, 7
TOP = 2**26 - 1


@dataclass
class Packet:
    """One sequence: beats of its records, sums of each tile and row, lanes of them."""

    records: list[int]
    rows: int
    sums: list[list[list[int]]] = field(default_factory=list)
    lanes: list[dict[str, Any]] = field(default_factory=list)


def constants(draw: np.random.Generator, size: int, bits: int, shift: int) -> Requantize:
    """Scales by which some sums saturate, some vanish and most do neither."""
    multiplier = draw.integers(0, 1 << 17, size).astype(np.int32)
    return Requantize(multiplier, draw.integers(-(1 << bits), 1 << bits, size) << shift, shift)


def packet(length: int, seed: int) -> Packet:
    """Noise in every constant that is not read."""
    _, engine = build_under_test()
    given = parameters_under_test()
    pe, channels, block = (given[name] for name in ("Pe", "Channels", "Block"))
    draw, packer = np.random.default_rng(seed), Packer(engine.beat_bytes, seed)
    tiles = -(-channels // pe)
    size = tiles * pe
    top = draw.choice([TOP, 1 << 20, 1 << 12], size)
    total = draw.integers(-top, top + 1, (length, size))
    total[draw.random(total.shape) < 0.1] = TOP
    bias = draw.integers(-(1 << 25), 1 << 25, size)
    # Sums and biases are of 27 bits, and so is what they make.
    bias = np.clip(bias, total.max(axis=0) - TOP, total.min(axis=0) + TOP)
    shifts = draw.integers(24, 35, 3).tolist()
    scalars = [int(draw.integers(1 << 31)), *shifts]
    if given["Activation"]:
        fraction = int(draw.integers(6, 15))
        scalars[3] = fraction
        table = draw.integers(0, 1 << 15, GELU_ENTRIES).astype(np.int16)
        one = Packet(packer.integers(scalars, 4) + packer.integers(table.tolist(), 2), length)
        first, second = constants(draw, size, 12, shifts[0]), constants(draw, size, 6, shifts[1])
        activation = gelu(requantize(total, first, 16), table, fraction)
        lanes = requantize(activation.astype(np.int32), second, 8)
        scales = [first, second]
    else:
        one = Packet(packer.integers(scalars, 4), length)
        by_shift = [constants(draw, size, 6, shift) for shift in shifts]
        part = np.arange(size) // block % 3
        multiplier = by_shift[0].multiplier
        offset = np.choose(part, [scale.offset for scale in by_shift])
        scales = [Requantize(multiplier, offset, shifts[0])]
        made = [requantize(total, Requantize(multiplier, offset, shift), 8) for shift in shifts]
        lanes = np.choose(part, made)
    for n in range(0, size, pe):
        mine = slice(n, n + pe)
        firsts: Array = bias[mine]
        for scale in scales:
            one.records += packer.records(firsts, scale.multiplier[mine], scale.offset[mine])
            firsts = draw.integers(-(2**31), 2**31, pe)
        one.sums.append((total - bias)[:, mine].tolist())
        one.lanes += [
            {"row": row, "last": int(row == length - 1), "data": values}
            for row, values in enumerate(lanes[:, mine].tolist())
        ]
    return one


class Lanes:
    """The module, what waits for its permits and sends the sums, and its lanes."""

    def __init__(self, dut: Any, stall: float = 0.0, pause: float = 0.0) -> None:
        self.dut, self.edge = dut, RisingEdge(dut.clk_i)
        self.records = Source(dut, "records", stall, 1)
        self.lanes = Pulses(dut, "lanes", ("row", "last", "data"))
        self.pause, self.random = pause, random.Random(pause)
        self.entered: list[int] = []
        self.cycle = 0
        dut.permit_ready_i.value = dut.sums_valid_i.value = 0
        cocotb.start_soon(self._count())

    async def _count(self) -> None:
        while True:
            await self.edge
            self.cycle += 1
            if self.dut.sums_valid_i.value:
                self.entered.append(self.cycle)

    def send(self, packets: Sequence[Packet]) -> list[Any]:
        beats = [beat for one in packets for beat in one.records]
        return [
            cocotb.start_soon(self.records.send(beats)),
            cocotb.start_soon(self._sums(packets)),
        ]

    async def _sums(self, packets: Sequence[Packet]) -> None:
        dut = self.dut
        for one in packets:
            for tile in one.sums:
                dut.permit_ready_i.value = 1
                await self.edge
                while not dut.permit_valid_o.value:
                    await self.edge
                dut.permit_ready_i.value = 0
                for row, sums in enumerate(tile):
                    while self.pause and self.random.random() < self.pause:
                        await self.edge
                    dut.sums_valid_i.value = 1
                    dut.sums_row_i.value = row
                    dut.sums_last_i.value = int(row == one.rows - 1)
                    put(dut.sums_data_i, sums)
                    await self.edge
                    dut.sums_valid_i.value = 0
                # Noise while there is no sum.
                put(dut.sums_data_i, [self.random.getrandbits(26) for _ in tile[0]])
                dut.sums_last_i.value = 1

    async def check(self, packets: Sequence[Packet]) -> None:
        rows = 1 << build_under_test()[1].sequence.bit_length()
        for number, one in enumerate(packets):
            for place, wanted in enumerate(one.lanes):
                (got,) = await self.lanes.receive(1)
                got["row"], got["last"] = got["row"] % rows, abs(got["last"])
                assert got == wanted, f"sequence {number} row {place}: {got} and not {wanted}"


def longest() -> int:
    return build_under_test()[1].sequence


def cycles(packets: Sequence[Packet]) -> int:
    """Many more than a run takes."""
    return 1000 + 20 * sum(len(one.records) + GELU_ENTRIES + len(one.lanes) for one in packets)


@cocotb.test()
@cocotb.parametrize(stalls=[(0.0, 0.0), (0.6, 0.0), (0.0, 0.6)])
async def lanes_are_exact(dut: Any, stalls: tuple[float, float]) -> None:
    unit = Lanes(dut, *stalls)
    packets = [packet(rows, seed) for seed, rows in enumerate([1, longest(), 2, 1, 1, 7])]
    await clock_and_reset(dut)
    async with watchdog(dut, cycles(packets)):
        unit.send(packets)
        await unit.check(packets)


@cocotb.test()
async def a_row_takes_its_latency(dut: Any) -> None:
    unit, one = Lanes(dut), packet(longest(), 3)
    await clock_and_reset(dut)
    async with watchdog(dut, cycles([one])):
        unit.send([one])
        await unit.check([one])
    latency = LATENCY + (ACTIVATION if parameters_under_test()["Activation"] else 0)
    steps = [b - a for a, b in zip(unit.entered, unit.lanes.cycles, strict=True)]
    assert set(steps) == {latency}


@cocotb.test()
async def reset_waits_for_constants(dut: Any) -> None:
    unit = Lanes(dut)
    await clock_and_reset(dut)
    for after in (3, 9, 30, 300):
        tasks = unit.send([packet(longest(), after)])
        await ClockCycles(dut.clk_i, after)
        dut.rst_ni.value = 0
        await reset_during(dut, tasks, ("records",))
        dut.permit_ready_i.value = dut.sums_valid_i.value = 0
        await ClockCycles(dut.clk_i, 20)
        unit.lanes.taken.clear()
        clean = packet(3, after + 1)
        async with watchdog(dut, cycles([clean])):
            unit.send([clean])
            await unit.check([clean])
