"""gemm_by_channel: 27-bit sums of every tile and row, and no partial sum lost between passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from transfab.sim.bench import build_under_test, parameters_under_test
from transfab.sim.benches.products import Pulses, Tiles, int8
from transfab.sim.benches.row_streams import Packer, reset_during
from transfab.sim.streams import Source, clock_and_reset, watchdog

INPUTS = "rows", "operand", "weights"
# From a row's issue to its sum: ring, array, accumulator.
LATENCY = 9


@dataclass
class Packet:
    """One sequence: beats of each input, sums (tile, row) with the lanes that are channels."""

    rows: list[int]
    operand: list[int]
    weights: list[int]
    sums: list[dict[str, Any]]
    row_beats: int


def packet(length: int, seed: int) -> Packet:
    """Noise in weights outside of the matrix, zeros behind an operand's row, as `narrow` sends."""
    width = build_under_test()[1].beat_bytes
    given = parameters_under_test()
    pe, simd, depth, channels = (given[name] for name in ("Pe", "Simd", "Depth", "Channels"))
    draw, packer = np.random.default_rng(seed), Packer(width, seed)
    rows, matrix = int8(draw, length, depth), int8(draw, channels, depth)
    tiles = Tiles(packer, draw, matrix, pe, simd)
    row_beats = -(-depth // width)
    padded = np.zeros((length, row_beats * width), np.int64)
    padded[:, :depth] = rows
    totals = rows @ matrix.T
    return Packet(
        [length],
        [beat for row in padded.tolist() for beat in packer.integers(row, 1)],
        [
            beat
            for n in range(tiles.rows)
            for k in range(tiles.columns)
            for beat in tiles.beats(n, k)
        ],
        [
            {"row": row, "last": int(row == length - 1), "data": total[n : n + pe]}
            for n in range(0, channels, pe)
            for row, total in enumerate(totals.tolist())
        ],
        row_beats,
    )


class Gemm:
    """The module with its streams; every tile is permitted as the stall says."""

    def __init__(self, dut: Any, stall: float = 0.0) -> None:
        self.sources = {name: Source(dut, name, stall, 1) for name in INPUTS}
        self.permit = Source(dut, "permit", stall, 2, fields=())
        self.sums = Pulses(dut, "sums", ("row", "last", "data"))

    def send(self, packets: Sequence[Packet]) -> list[Any]:
        channels, pe = (parameters_under_test()[name] for name in ("Channels", "Pe"))
        tiles = len(packets) * -(-channels // pe)
        return [
            cocotb.start_soon(self.permit.send(range(tiles))),
            *(
                cocotb.start_soon(
                    source.send([beat for one in packets for beat in getattr(one, name)])
                )
                for name, source in self.sources.items()
            ),
        ]

    async def check(self, packets: Sequence[Packet]) -> None:
        for number, one in enumerate(packets):
            for place, wanted in enumerate(one.sums):
                (got,) = await self.sums.receive(1)
                # Lanes beyond the channels hold what the weights there make.
                got["row"] %= 1 << longest().bit_length()
                got["last"] = abs(got["last"])
                got["data"] = got["data"][: len(wanted["data"])]
                assert got == wanted, f"sequence {number} sum {place}: {got} and not {wanted}"


def longest() -> int:
    return build_under_test()[1].sequence


def cycles(packets: Sequence[Packet]) -> int:
    """Many more than a run takes."""
    return 500 + 30 * sum(len(one.operand + one.weights + one.sums) for one in packets)


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.5])
async def sums_are_exact(dut: Any, stall: float) -> None:
    gemm = Gemm(dut, stall)
    lengths = [1, longest(), longest(), 5, 1, 1, longest() - 1, 2, 3, 4]
    packets = [packet(one, seed) for seed, one in enumerate(lengths)]
    await clock_and_reset(dut)
    async with watchdog(dut, cycles(packets)):
        gemm.send(packets)
        await gemm.check(packets)


@cocotb.test()
async def a_row_that_pauses_loses_no_partial_sum(dut: Any) -> None:
    gemm = Gemm(dut)
    await clock_and_reset(dut)
    for pause in range(20):
        # The first row's passes end before the second comes: its own follow each other closely.
        length = 1 + pause % 3
        one = packet(length, pause)
        early = (length - 1) * one.row_beats
        async with watchdog(dut, cycles([one])):
            for name in ("rows", "weights"):
                cocotb.start_soon(gemm.sources[name].send(getattr(one, name)))
            permits = gemm.permit.send(range(len(one.sums) // length))
            cocotb.start_soon(permits)
            await gemm.sources["operand"].send(one.operand[:early])
            await ClockCycles(dut.clk_i, 5 + pause)
            cocotb.start_soon(gemm.sources["operand"].send(one.operand[early:]))
            await gemm.check([one])


@cocotb.test()
async def a_pass_costs_its_rows_or_its_tile(dut: Any) -> None:
    width = build_under_test()[1].beat_bytes
    given = parameters_under_test()
    gemm = Gemm(dut)
    await clock_and_reset(dut)
    beats = -(-given["Pe"] * given["Simd"] // width)
    passes = -(-given["Depth"] // given["Simd"])
    for length in (longest(), 1, 2, beats + 3, beats + 4):
        length = min(length, longest())
        one = packet(length, length)
        gemm.sums.cycles.clear()
        async with watchdog(dut, cycles([one])):
            gemm.send([one])
            await gemm.check([one])
        firsts = gemm.sums.cycles[::length]
        step = max(length, beats + 3)
        assert [b - a for a, b in pairwise(firsts)] == [passes * step] * (len(firsts) - 1)
        ends = gemm.sums.cycles[length - 1 :: length]
        assert ends[0] - firsts[0] == length - 1


@cocotb.test()
async def without_a_permit_no_tile_ends(dut: Any) -> None:
    gemm, one = Gemm(dut), packet(3, 7)
    await clock_and_reset(dut)
    for name in INPUTS:
        cocotb.start_soon(gemm.sources[name].send(getattr(one, name)))
    for tile in range(len(one.sums) // 3):
        await ClockCycles(dut.clk_i, 100)
        assert len(gemm.sums.cycles) == 3 * tile
        async with watchdog(dut, 100):
            await gemm.permit.send([0])
    await ClockCycles(dut.clk_i, 100)
    await gemm.check([one])


@cocotb.test()
async def reset_forgets_the_sequence(dut: Any) -> None:
    gemm = Gemm(dut)
    await clock_and_reset(dut)
    for after in (2, 5, 12, 30, 70):
        tasks = gemm.send([packet(longest(), after), packet(5, after)])
        await ClockCycles(dut.clk_i, after)
        await reset_during(dut, tasks, (*INPUTS, "permit"))
        gemm.sums.taken.clear()
        clean = packet(5, after + 1)
        async with watchdog(dut, cycles([clean])):
            gemm.send([clean])
            await gemm.check([clean])
