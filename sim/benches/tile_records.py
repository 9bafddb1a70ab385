"""tile_records: scalars and a table once a sequence, then records a tile until its release."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from transfab.sim.bench import build_under_test, parameters_under_test
from transfab.sim.benches.row_streams import Packer, reset_during
from transfab.sim.streams import Source, clock_and_reset, get, watchdog

Lanes = list[int]
WIDTHS = 27, 18, 48


@dataclass
class Packet:
    """One sequence: its beats, and what must stand at the ports for each tile."""

    beats: list[int]
    scalars: Lanes
    table: Lanes
    first: list[Lanes]
    multiplier: list[list[Lanes]]
    offset: list[list[Lanes]]


def packet(seed: int) -> Packet:
    given = parameters_under_test()
    draw, packer = np.random.default_rng(seed), Packer(build_under_test()[1].beat_bytes, seed)
    scalars = draw.integers(0, 2**32, given["Scalars"]).tolist()
    table = draw.integers(-(2**15), 2**15, given["Entries"]).tolist()
    one = Packet(
        packer.integers(scalars, 4) + packer.integers(table, 2), scalars, table, [], [], []
    )
    for _ in range(given["Tiles"]):
        columns = [
            [
                draw.choice([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, -1, 12345], given["Pe"])
                for bits in WIDTHS
            ]
            for _ in range(given["Sections"])
        ]
        for first, multiplier, offset in columns:
            one.beats += packer.records(first, multiplier, offset)
        one.first.append(columns[0][0].tolist())
        one.multiplier.append([column[1].tolist() for column in columns])
        one.offset.append([column[2].tolist() for column in columns])
    return one


class Records:
    """The module with its stream; entries of the table as they are written."""

    def __init__(self, dut: Any, stall: float) -> None:
        self.dut, self.source, self.edge = dut, Source(dut, "records", stall), RisingEdge(dut.clk_i)
        self.written: list[tuple[int, int]] = []
        dut.release_i.value = 0
        cocotb.start_soon(self._write())

    async def _write(self) -> None:
        dut = self.dut
        while True:
            await self.edge
            if dut.rst_ni.value and dut.write_o.value:
                self.written.append((int(dut.write_index_o.value), get(dut.write_value_o, True)))

    async def check(self, packets: list[Packet], pause: int) -> None:
        """Each tile is released after `pause` cycles and compared before."""
        dut = self.dut
        for one in packets:
            for tile in range(len(one.first)):
                async with watchdog(dut, 3000):
                    while not dut.loaded_o.value:
                        await self.edge
                await ClockCycles(dut.clk_i, 1 + pause)
                assert dut.loaded_o.value
                assert get(dut.scalars_o) == one.scalars
                assert get(dut.first_o, True) == one.first[tile]
                assert get(dut.multiplier_o, True) == one.multiplier[tile]
                assert get(dut.offset_o, True) == one.offset[tile]
                assert self.written == list(enumerate(one.table))
                dut.release_i.value = 1
                await self.edge
                dut.release_i.value = 0
                await self.edge
                assert not dut.loaded_o.value
            self.written.clear()


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.5])
async def constants_stand_until_released(dut: Any, stall: float) -> None:
    records, packets = Records(dut, stall), [packet(seed) for seed in range(4)]
    await clock_and_reset(dut)
    beats = [beat for one in packets for beat in one.beats]
    cocotb.start_soon(records.source.send(beats))
    await records.check(packets, random.Random(stall).randint(0, 9))


@cocotb.test()
async def reset_waits_for_scalars(dut: Any) -> None:
    records = Records(dut, 0.0)
    await clock_and_reset(dut)
    whole = packet(1)
    for after in range(1, len(whole.beats), max(1, len(whole.beats) // 7)):
        sending = cocotb.start_soon(records.source.send(whole.beats))
        await ClockCycles(dut.clk_i, 1 + after)
        await reset_during(dut, [sending], ("records",))
        records.written.clear()
        clean = packet(after + 5)
        cocotb.start_soon(records.source.send(clean.beats))
        await records.check([clean], 0)
