"""score_rows: scores added tile by tile of keys leave row by row, head after head."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from transfab.quant.intmath import Array
from transfab.sim.bench import build_under_test
from transfab.sim.benches.row_streams import zero_padded
from transfab.sim.streams import Sink, clock_and_reset, put, watchdog

TURNAROUND = 3
TOP = (1 << 21) - 1


class Scores:
    """The module and what adds to it: dots (depth, row, key) of one head after the other."""

    def __init__(self, dut: Any, pause: float = 0.0, stall: float = 0.0) -> None:
        _, engine = build_under_test()
        self.pe, self.lanes = engine.attention.pe, min(8, engine.attention.simd)
        self.dut, self.edge, self.pause = dut, RisingEdge(dut.clk_i), pause
        self.random = random.Random(pause)
        self.out = Sink(dut, "scores", stall, 3, signed=True)
        self.sums: list[int] | None = None
        dut.claim_i.value = dut.next_valid_i.value = 0

    async def step(self, sums: list[int] | None) -> None:
        """A cycle: the sums of the step before stand beside this one."""
        now, self.sums = self.sums, sums
        put(self.dut.sum_i, now or [self.random.getrandbits(16) for _ in range(self.pe)])
        await self.edge
        self.dut.next_valid_i.value = 0

    async def head(self, dots: Array) -> None:
        dut, (depths, rows, keys) = self.dut, dots.shape
        async with watchdog(dut, 60 * longest() * (longest() + 9)):
            while not dut.free_o.value:
                await self.step(None)
        dut.claim_i.value, dut.claim_rows_i.value = 1, rows
        await self.step(None)
        # Noise while there is no claim.
        dut.claim_i.value, dut.claim_rows_i.value = 0, self.random.randint(1, rows)
        await self.step(None)
        assert not dut.free_o.value
        for tile in range(-(-keys // self.pe)):
            for depth in range(depths):
                for row in range(rows):
                    while self.random.random() < self.pause:
                        await self.step(None)
                    dut.next_valid_i.value, dut.next_first_i.value = 1, int(depth == 0)
                    dut.next_tile_i.value, dut.next_row_i.value = tile, row
                    ends = (tile + 1) * self.pe >= keys and (depth, row) == (depths - 1, rows - 1)
                    dut.next_ends_i.value = int(ends)
                    mine = dots[depth, row, tile * self.pe : (tile + 1) * self.pe].tolist()
                    noise = [self.random.getrandbits(15) for _ in range(self.pe - len(mine))]
                    await self.step(mine + noise)
                for _ in range(rows, TURNAROUND):
                    await self.step(None)
        await self.step(None)

    async def heads(self, many: list[Array]) -> None:
        for dots in many:
            await self.head(dots)

    async def check(self, many: list[Array]) -> None:
        for number, dots in enumerate(many):
            wanted = zero_padded(dots.sum(axis=0), self.lanes)
            got = await self.out.receive(len(wanted))
            assert got == wanted, f"head {number} of {len(dots[0])} rows"


def dots_of(rows: int, seed: int) -> Array:
    config, engine = build_under_test()
    depths = -(-config.head_size // engine.attention.simd)
    draw, top = np.random.default_rng(seed), 128 * 128 * engine.attention.simd
    # As large as a sum of its depth, and no larger than a score.
    top = min(top, TOP // depths)
    made = draw.integers(-top, top, (depths, rows, rows), endpoint=True)
    return np.where(draw.random(made.shape) < 0.2, draw.choice([-top, top], made.shape), made)


def longest() -> int:
    return build_under_test()[1].sequence


@cocotb.test()
@cocotb.parametrize(stalls=[(0.0, 0.0), (0.5, 0.0), (0.0, 0.7), (0.3, 0.3)])
async def scores_leave_row_by_row(dut: Any, stalls: tuple[float, float]) -> None:
    scores = Scores(dut, *stalls)
    many = [dots_of(rows, seed) for seed, rows in enumerate([1, longest(), longest(), 2, 1, 1, 9])]
    await clock_and_reset(dut)
    async with watchdog(dut, 30 * sum(one.size + one[0].size + 50 for one in many)):
        cocotb.start_soon(scores.heads(many))
        await scores.check(many)
    await ClockCycles(dut.clk_i, 2)
    assert dut.free_o.value


@cocotb.test()
async def is_not_free_before_its_last_word_left(dut: Any) -> None:
    scores, dots = Scores(dut), dots_of(longest(), 3)
    await clock_and_reset(dut)
    assert dut.free_o.value
    words = len(zero_padded(dots[0], scores.lanes))
    await scores.head(dots)
    async with watchdog(dut, 2000):
        await scores.out.receive(words - 1)
    await ClockCycles(dut.clk_i, 20)
    assert not dut.free_o.value
    await scores.out.receive(1)
    await ClockCycles(dut.clk_i, 2)
    assert dut.free_o.value


@cocotb.test()
async def reset_frees_it(dut: Any) -> None:
    scores = Scores(dut)
    await clock_and_reset(dut)
    for taken in (0, 1, 5):
        await scores.head(dots_of(longest(), taken))
        async with watchdog(dut, 500):
            await scores.out.receive(taken)
        await ClockCycles(dut.clk_i, taken)
        dut.rst_ni.value = 0
        await ClockCycles(dut.clk_i, 2)
        dut.rst_ni.value = 1
        await ClockCycles(dut.clk_i, 1)
        many = [dots_of(3, taken + 1), dots_of(longest(), taken + 2)]
        async with watchdog(dut, 5000):
            cocotb.start_soon(scores.heads(many))
            await scores.check(many)
