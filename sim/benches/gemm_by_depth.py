"""gemm_by_depth: sums of all rows and channels over blocks that come one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from transfab.sim.bench import build_under_test, parameters_under_test
from transfab.sim.benches.products import Tiles, int8
from transfab.sim.benches.row_streams import Packer, move_times, reset_during
from transfab.sim.streams import Sink, Source, clock_and_reset, watchdog

INPUTS = "rows", "operand", "weights"


@dataclass
class Packet:
    """One sequence: beats of each input, sums row by row and tile by tile."""

    rows: list[int]
    operand: list[int]
    weights: list[int]
    sums: list[list[int]]
    passes: int


def packet(length: int, seed: int) -> Packet:
    """Noise behind the rows of every block, and in weights outside of the matrix."""
    width = build_under_test()[1].beat_bytes
    given = parameters_under_test()
    pe, simd, channels = (given[name] for name in ("Pe", "Simd", "Channels"))
    sizes = [given["Block"]] * (given["Blocks"] - 1) + [given["LastBlock"]]
    draw, packer = np.random.default_rng(seed), Packer(width, seed)
    row_bytes = -(-given["Block"] // width) * width
    operand, weights, passes = [], [], 0
    totals = np.zeros((length, channels), np.int64)
    for size in sizes:
        block, matrix = int8(draw, length, size), int8(draw, channels, size)
        totals += block @ matrix.T
        padded = int8(draw, length, row_bytes, lowest=-128)
        padded[:, :size] = block
        operand += [beat for row in padded.tolist() for beat in packer.integers(row, 1)]
        tiles = Tiles(packer, draw, matrix, pe, simd)
        for k in range(tiles.columns):
            for n in range(tiles.rows):
                weights += tiles.beats(n, k)
                passes += 1
    sums = [row[n : n + pe] for row in totals.tolist() for n in range(0, channels, pe)]
    return Packet([length], operand, weights, sums, passes)


class Gemm:
    """The module with its streams."""

    def __init__(self, dut: Any, stall: float = 0.0) -> None:
        self.sources = {name: Source(dut, name, stall, 1) for name in INPUTS}
        self.sums = Sink(dut, "sums", stall, 2, signed=True)

    def send(self, packets: Sequence[Packet]) -> list[Any]:
        return [
            cocotb.start_soon(source.send([beat for one in packets for beat in getattr(one, name)]))
            for name, source in self.sources.items()
        ]

    async def check(self, packets: Sequence[Packet]) -> None:
        for number, one in enumerate(packets):
            taken = await self.sums.receive(len(one.sums))
            for place, (got, wanted) in enumerate(zip(taken, one.sums, strict=True)):
                # Lanes beyond the channels hold what the weights there make.
                same = got[: len(wanted)] == wanted
                assert same, f"sequence {number} sum {place}: {got} and not {wanted}"


def longest() -> int:
    return build_under_test()[1].sequence


def half() -> int:
    return (longest() + 1) // 2


def cycles(packets: Sequence[Packet]) -> int:
    """Many more than a run takes."""
    return 500 + 30 * sum(len(one.operand + one.weights + one.sums) for one in packets)


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.5])
async def sums_are_exact(dut: Any, stall: float) -> None:
    gemm = Gemm(dut, stall)
    # One bank, both, the next one in either; three short ones follow each other closely.
    lengths = [1, longest(), half(), half() + 1, half(), 1, 2, 3, longest(), longest(), 1, 1]
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
        length = 1 + pause % 3
        one = packet(length, pause)
        beats = len(one.operand) // (length * parameters_under_test()["Blocks"])
        early = (length - 1) * beats
        async with watchdog(dut, cycles([one])):
            for name in ("rows", "weights"):
                cocotb.start_soon(gemm.sources[name].send(getattr(one, name)))
            checking = cocotb.start_soon(gemm.check([one]))
            # The last row of every block comes late.
            step = length * beats
            for at in range(0, len(one.operand), step):
                await gemm.sources["operand"].send(one.operand[at : at + early])
                await ClockCycles(dut.clk_i, 5 + pause)
                await gemm.sources["operand"].send(one.operand[at + early : at + step])
            await checking


@cocotb.test()
async def the_next_is_added_while_a_short_one_waits(dut: Any) -> None:
    gemm = Gemm(dut)
    await clock_and_reset(dut)
    for length, ahead in ((half(), 2), (half() + 1, 1)):
        packets = [packet(length, seed) for seed in range(3)]
        busy = 0
        gemm.send(packets)
        for _ in range(cycles(packets) // 10):
            await ClockCycles(dut.clk_i, 1)
            busy += int(dut.busy_o.value)
        assert busy == ahead * length * packets[0].passes
        async with watchdog(dut, cycles(packets)):
            await gemm.check(packets)


@cocotb.test()
async def a_pass_costs_its_rows_or_its_tile(dut: Any) -> None:
    given = parameters_under_test()
    gemm = Gemm(dut)
    await clock_and_reset(dut)
    beats = -(-given["Pe"] * given["Simd"] // build_under_test()[1].beat_bytes)
    for length in (longest(), 1, 2, min(beats + 4, longest())):
        one = packet(length, length)
        left = move_times(dut, "sums")
        busy: list[int] = []
        async with watchdog(dut, cycles([one])):
            gemm.send([one])
            checking = cocotb.start_soon(gemm.check([one]))
            cycle = 0
            while not checking.done():
                await ClockCycles(dut.clk_i, 1)
                busy += [cycle] * int(dut.busy_o.value)
                cycle += 1
        begins = busy[::length]
        # A block's rows arrive as its first pass takes them, its later passes find them there.
        step = max(length, beats + 3)
        least = [b - a for a, b in pairwise(begins)]
        assert all(one >= step for one in least) and (len(least) == 0 or min(least) == step)
        assert left[-1] - left[0] == len(one.sums) - 1


@cocotb.test()
async def reset_forgets_the_sequence(dut: Any) -> None:
    gemm = Gemm(dut)
    await clock_and_reset(dut)
    for after in (2, 5, 12, 30, 70, 300):
        tasks = gemm.send([packet(longest(), after), packet(half(), after)])
        await ClockCycles(dut.clk_i, after)
        await reset_during(dut, tasks, INPUTS)
        packets = [packet(5, after + 1), packet(longest(), after + 2)]
        async with watchdog(dut, cycles(packets)):
            gemm.send(packets)
            await gemm.check(packets)
