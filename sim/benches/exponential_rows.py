"""exponential_rows: a head's exponentials and scales, written by row and read by word."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from transfab.quant.intmath import Array
from transfab.sim.bench import build_under_test
from transfab.sim.benches.row_streams import reset_during, zero_padded
from transfab.sim.streams import Source, clock_and_reset, watchdog

INPUTS = "rows", "exponentials", "scale"
BITS, SCALE_BITS = 14, 25
# Edges from that on which a read is driven to that on which its answer is sampled.
WORD, SCALE = 3, 2


class Rows:
    """The module with its streams and its reader."""

    def __init__(self, dut: Any, stall: float = 0.0) -> None:
        _, engine = build_under_test()
        self.simd, self.lanes = engine.attention.simd, min(8, engine.attention.simd)
        self.dut, self.edge, self.random = dut, RisingEdge(dut.clk_i), random.Random(stall)
        self.sources = {name: Source(dut, name, stall, 1) for name in INPUTS}
        for name in ("release", "read", "scale_read"):
            getattr(dut, f"{name}_i").value = 0

    async def write(self, entries: Array, scales: list[int]) -> None:
        """A row's scale comes after its exponentials, maybe many rows later."""
        beats = zero_padded(entries, self.lanes)
        step = len(beats) // len(scales)
        late: list[int] = []
        for row, scale in enumerate(scales):
            await self.sources["exponentials"].send(beats[row * step : (row + 1) * step])
            late.append(scale)
            if self.random.random() < 0.5:
                await self.sources["scale"].send(late)
                late = []
        assert not self.dut.full_o.value or not late
        await self.sources["scale"].send(late)

    async def check(self, entries: Array, scales: list[int]) -> None:
        """Read words and scales in any order, one of each a cycle; keys beyond S are anything."""
        dut, rows = self.dut, len(scales)
        async with watchdog(dut, 200):
            while not dut.full_o.value:
                await self.edge
        words: deque[tuple[int, list[int]]] = deque()
        wanted: deque[tuple[int, int]] = deque()
        for cycle in range(6 * rows + 20):
            if words and words[0][0] == cycle:
                data, keys = int(dut.read_data_o.value), words.popleft()[1]
                got = [data >> BITS * at & (1 << BITS) - 1 for at in range(len(keys))]
                assert got == keys
            if wanted and wanted[0][0] == cycle:
                assert int(dut.scale_o.value) == wanted.popleft()[1]
            row, word = self.random.randrange(rows), self.random.randrange(-(-rows // self.simd))
            reads, other = self.random.random() < 0.7, self.random.randrange(rows)
            dut.read_i.value = int(reads)
            dut.read_row_i.value, dut.read_word_i.value = row, word
            dut.scale_read_i.value, dut.scale_row_i.value = 1, other
            if reads:
                keys = entries[row, word * self.simd : (word + 1) * self.simd].tolist()
                words.append((cycle + WORD, keys))
            wanted.append((cycle + SCALE, scales[other]))
            await self.edge
            assert dut.full_o.value
        dut.read_i.value = dut.scale_read_i.value = 0
        dut.release_i.value = 1
        await self.edge
        dut.release_i.value = 0
        await self.edge
        assert not dut.full_o.value


def head(rows: int, seed: int) -> tuple[Array, list[int]]:
    draw = np.random.default_rng(seed)
    scales: list[int] = draw.integers(0, 1 << SCALE_BITS, rows).tolist()
    return draw.integers(0, 1 << BITS, (rows, rows)), scales


def longest() -> int:
    return build_under_test()[1].sequence


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.5])
async def words_are_read_as_written(dut: Any, stall: float) -> None:
    rows, heads = Rows(dut, stall), build_under_test()[0].heads
    await clock_and_reset(dut)
    lengths = [1, longest(), 2, longest(), 1, 1]
    cocotb.start_soon(rows.sources["rows"].send(lengths))
    for number, length in enumerate(lengths):
        for at in range(heads):
            entries, scales = head(length, 9 * number + at)
            async with watchdog(dut, 100 + 20 * length * (length + 3)):
                await rows.write(entries, scales)
            await rows.check(entries, scales)


@cocotb.test()
async def the_next_head_waits_for_the_release(dut: Any) -> None:
    rows, (entries, scales) = Rows(dut), head(5, 1)
    await clock_and_reset(dut)
    cocotb.start_soon(rows.sources["rows"].send([5, 5]))
    await rows.write(entries, scales)
    early = cocotb.start_soon(rows.sources["exponentials"].send([[0] * rows.lanes]))
    scale = cocotb.start_soon(rows.sources["scale"].send([0]))
    await ClockCycles(dut.clk_i, 20)
    assert not early.done() and not scale.done() and dut.full_o.value
    early.cancel()
    scale.cancel()
    await reset_during(dut, [], INPUTS)
    assert not dut.full_o.value
    entries, scales = head(3, 2)
    cocotb.start_soon(rows.sources["rows"].send([3]))
    await rows.write(entries, scales)
    await rows.check(entries, scales)
