"""block_order: lanes tile by tile into blocks, whatever divides what, and permits only for room."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from transfab.sim.bench import build_under_test, parameters_under_test
from transfab.sim.benches.products import int8
from transfab.sim.benches.row_streams import move_times, reset_during
from transfab.sim.streams import Sink, Source, clock_and_reset, put, watchdog

# What lies between a permit and the tile's first lanes in a stage, at the least.
DELAY = 3


@dataclass
class Packet:
    """One sequence: lanes of each tile and row, beats of the blocks."""

    rows: int
    tiles: list[list[list[int]]]
    beats: list[dict[str, int]]


def packet(length: int, seed: int) -> Packet:
    """Noise in the lanes beyond the channels."""
    given = parameters_under_test()
    pe, block, channels = (given[name] for name in ("Pe", "Block", "Channels"))
    width, draw = build_under_test()[1].beat_bytes, np.random.default_rng(seed)
    tiles = -(-channels // pe)
    lanes = int8(draw, length, tiles * pe)
    beats = []
    for at in range(0, channels, block):
        for row in lanes[:, at : min(at + block, channels)].tolist():
            data = bytes(value % 256 for value in row)
            data += bytes(-(-block // width) * width - len(data))
            beats += [data[i : i + width] for i in range(0, len(data), width)]
    return Packet(
        length,
        [lanes[:, n * pe : (n + 1) * pe].tolist() for n in range(tiles)],
        [
            {"data": int.from_bytes(beat, "little"), "last": int(place == len(beats) - 1)}
            for place, beat in enumerate(beats)
        ],
    )


class Order:
    """The module with its streams and what takes its permits.

    pause  share of cycles in [0, 1) in which neither a permit is taken nor a row of lanes comes
    """

    def __init__(self, dut: Any, stall: float = 0.0, pause: float = 0.0) -> None:
        self.rows, self.blocks = (
            Source(dut, "rows"),
            Sink(dut, "blocks", stall, 2, ("data", "last")),
        )
        self._dut, self._pause, self._random = dut, pause, random.Random(pause)
        self._edge = RisingEdge(dut.clk_i)
        self.permits = 0
        dut.lanes_valid_i.value = dut.permit_ready_i.value = 0

    def send(self, packets: Sequence[Packet]) -> list[Any]:
        return [
            cocotb.start_soon(self.rows.send([one.rows for one in packets])),
            cocotb.start_soon(self._tiles(packets)),
        ]

    async def _tiles(self, packets: Sequence[Packet]) -> None:
        dut = self._dut
        for one in packets:
            for tile in one.tiles:
                await self._wait()
                dut.permit_ready_i.value = 1
                await self._edge
                while not dut.permit_valid_o.value:
                    await self._edge
                dut.permit_ready_i.value = 0
                self.permits += 1
                for _ in range(DELAY):
                    await self._edge
                for row, lanes in enumerate(tile):
                    await self._wait()
                    dut.lanes_valid_i.value = 1
                    dut.lanes_row_i.value = row
                    dut.lanes_last_i.value = int(row == one.rows - 1)
                    put(dut.lanes_data_i, lanes)
                    await self._edge
                    dut.lanes_valid_i.value = 0

    async def _wait(self) -> None:
        while self._pause and self._random.random() < self._pause:
            await self._edge

    async def check(self, packets: Sequence[Packet]) -> None:
        for number, one in enumerate(packets):
            taken = await self.blocks.receive(len(one.beats))
            for place, (got, beat) in enumerate(zip(taken, one.beats, strict=True)):
                assert got == beat, f"sequence {number} beat {place}: {got} and not {beat}"


def longest() -> int:
    return build_under_test()[1].sequence


def cycles(packets: Sequence[Packet]) -> int:
    """Many more than a run takes."""
    return 500 + 20 * sum(len(one.beats) + (one.rows + 9) * len(one.tiles) for one in packets)


@cocotb.test()
@cocotb.parametrize(stalls=[(0.0, 0.0), (0.7, 0.0), (0.0, 0.6), (0.4, 0.4)])
async def blocks_are_whole_and_in_order(dut: Any, stalls: tuple[float, float]) -> None:
    order = Order(dut, *stalls)
    lengths = [1, longest(), longest(), 2, 1, 1, 5, 1, longest() - 1]
    packets = [packet(length, seed) for seed, length in enumerate(lengths)]
    await clock_and_reset(dut)
    async with watchdog(dut, cycles(packets)):
        order.send(packets)
        await order.check(packets)


@cocotb.test()
async def a_tile_waits_until_its_blocks_have_left(dut: Any) -> None:
    given = parameters_under_test()
    pe, block = given["Pe"], given["Block"]
    banks = -(-(pe + block - 1) // block)
    order, packets = Order(dut), [packet(longest(), seed) for seed in range(3)]
    await clock_and_reset(dut)
    order.send(packets)
    await ClockCycles(dut.clk_i, cycles(packets) // 10)
    # Nothing left but what fits behind the memory: as many tiles as the banks hold.
    held, tiles = 0, 0
    for one in packets:
        for n in range(len(one.tiles)):
            begin, end = n * pe, min((n + 1) * pe, given["Channels"])
            whole = end == given["Channels"]
            reach = -(-((n + 1) * pe) // block) - begin // block
            if held + reach > banks:
                break
            held += -(-end // block) - begin // block if whole else end // block - begin // block
            tiles += 1
        else:
            continue
        break
    # A row or two may stand in the queue behind: of short blocks a whole one.
    queued = 4 // (-(-block // build_under_test()[1].beat_bytes) * longest())
    assert queued == 0 and order.permits == tiles
    async with watchdog(dut, cycles(packets)):
        await order.check(packets)


@cocotb.test()
async def a_block_leaves_a_beat_a_cycle(dut: Any) -> None:
    order, one = Order(dut), packet(longest(), 3)
    await clock_and_reset(dut)
    left = move_times(dut, "blocks")
    async with watchdog(dut, cycles([one])):
        order.send([one])
        await order.check([one])
    given, width = parameters_under_test(), build_under_test()[1].beat_bytes
    step = longest() * -(-given["Block"] // width)
    for at in range(0, len(left), step):
        assert left[at + step - 1] - left[at] == step - 1


@cocotb.test()
async def reset_forgets_the_sequence(dut: Any) -> None:
    order = Order(dut)
    await clock_and_reset(dut)
    for after, taken in ((2, 0), (9, 0), (20, 1), (33, 5)):
        tasks = order.send([packet(longest(), after), packet(5, after)])
        await order.blocks.receive(taken)
        await ClockCycles(dut.clk_i, after)
        dut.lanes_valid_i.value = dut.permit_ready_i.value = 0
        await reset_during(dut, tasks, ("rows",))
        dut.lanes_valid_i.value = dut.permit_ready_i.value = 0
        packets = [packet(3, after + 1), packet(longest(), after + 2)]
        async with watchdog(dut, cycles(packets)):
            order.send(packets)
            await order.check(packets)
