"""context_rows: both planes of exponentials times value to the int8 operand of the projection."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from transfab.quant.bert.softmax import normalize_context, row_reciprocal
from transfab.quant.intmath import Array, Requantize, requantize
from transfab.sim.bench import build_under_test
from transfab.sim.benches.products import int8
from transfab.sim.benches.row_streams import Packer, reset_during
from transfab.sim.streams import Source, clock_and_reset, put, watchdog

ENTRY, PLANE = (1 << 14) - 1, 7
TURNAROUND = 3
# Edges from that on which a read is driven to that on which its word is sampled.
READ = 3


class Head:
    """One head of S tokens: its records, exponentials (S, S), value (S, D), scales and context."""

    def __init__(self, rows: int, draw: np.random.Generator, packer: Packer, shift: int) -> None:
        size = build_under_test()[0].head_size
        self.entries = draw.choice([0, 1, 127, 128, ENTRY], (rows, rows))
        self.entries[:, 0] = draw.integers(1, ENTRY, rows)
        self.value = int8(draw, rows, size)
        total = self.entries.sum(axis=1).astype(np.int32)
        inverse, pre, post = row_reciprocal(total)
        self.scales = [
            int(a) << 8 | int(b) << 5 | int(c) for a, b, c in zip(inverse, pre, post, strict=True)
        ]
        multiplier = draw.integers(0, 1 << 17, size)
        offset = draw.integers(-100, 100, size) << shift
        self.records = packer.records(draw.integers(-(2**31), 2**31, size), multiplier, offset)
        _, mean = normalize_context((self.entries @ self.value).astype(np.int32), total)
        scale = Requantize(multiplier.astype(np.int32), offset, shift)
        self.context = requantize(mean, scale, 8).astype(np.int64)


def sequence(rows: int, seed: int) -> tuple[list[int], list[Head]]:
    """Scalars and heads."""
    config, engine = build_under_test()
    draw, packer = np.random.default_rng(seed), Packer(engine.beat_bytes, seed)
    shift = int(draw.integers(20, 30))
    scalars = draw.integers(-(2**31), 2**31, 7)
    scalars[1] = shift
    heads = [Head(rows, draw, packer, shift) for _ in range(config.heads)]
    return packer.integers(scalars.tolist(), 4), heads


class Context:
    """The module, what multiplies for it, the memory of its scales, and its reader."""

    def __init__(self, dut: Any, pause: float = 0.0) -> None:
        config, engine = build_under_test()
        self.pe, self.simd = engine.attention.pe, engine.attention.simd
        self.size = config.head_size
        self.dut, self.edge, self.pause = dut, RisingEdge(dut.clk_i), pause
        self.random = random.Random(pause)
        self.records = Source(dut, "records", pause, 1)
        self.scales: list[int] = [0]
        self.sums: list[int] | None = None
        self.written = 0
        dut.next_valid_i.value = dut.read_i.value = 0
        cocotb.start_soon(self._serve())

    async def _serve(self) -> None:
        """A scale a cycle after its row."""
        while True:
            await self.edge
            if self.dut.rst_ni.value:
                self.written += int(self.dut.written_o.value)
                if self.dut.scale_read_o.value:
                    self.dut.scale_i.value = self.scales[int(self.dut.scale_row_o.value)]

    async def step(self, sums: list[int] | None) -> None:
        """A cycle: the sums of the step before stand beside this one."""
        now, self.sums = self.sums, sums
        put(self.dut.sum_i, now or [self.random.getrandbits(15) for _ in range(self.pe)])
        await self.edge
        self.dut.next_valid_i.value = 0

    async def make(self, head: Head) -> None:
        """All products of a head, then nothing until its context is whole."""
        dut, rows = self.dut, len(head.entries)
        async with watchdog(dut, 3000):
            while not dut.loaded_o.value:
                await self.step(None)
        self.scales, before = head.scales, self.written
        tiles, words = -(-self.size // self.pe), -(-rows // self.simd)
        for tile in range(tiles):
            for word in range(words):
                for upper in (1, 0):
                    await self.plane(
                        head, tile, word, upper, (tile, word) == (tiles - 1, words - 1)
                    )
        async with watchdog(dut, 100):
            while self.written == before:
                await self.step(None)
        await self.step(None)
        assert self.written == before + 1

    async def plane(self, head: Head, tile: int, word: int, upper: int, final: bool) -> None:
        dut, rows = self.dut, len(head.entries)
        keys = slice(word * self.simd, (word + 1) * self.simd)
        entries = head.entries[:, keys] >> PLANE if upper else head.entries[:, keys] % (1 << PLANE)
        dots = entries @ head.value[keys, tile * self.pe : (tile + 1) * self.pe]
        last = (word + 1) * self.simd >= rows and not upper
        for row in range(rows):
            while self.random.random() < self.pause:
                await self.step(None)
            dut.next_valid_i.value, dut.next_plane_i.value = 1, upper
            dut.next_first_i.value, dut.next_last_i.value = int(word == 0 and upper), int(last)
            dut.next_ends_i.value = int(final and last and row == rows - 1)
            dut.next_tile_i.value, dut.next_row_i.value = tile, row
            mine: list[int] = dots[row].tolist()
            # Channels beyond the head make anything.
            await self.step(mine + [self.random.getrandbits(9) for _ in range(self.pe - len(mine))])
        for _ in range(rows, TURNAROUND):
            await self.step(None)

    async def check(self, head: Head) -> None:
        """Every word once, in any order, and some again."""
        dut, rows = self.dut, len(head.entries)
        tiles = -(-self.size // self.simd)
        padded = np.zeros((rows, tiles * self.simd), np.int64)
        padded[:, : self.size] = head.context
        places = [(row, tile) for row in range(rows) for tile in range(tiles)]
        places += self.random.choices(places, k=9)
        self.random.shuffle(places)
        coming: deque[tuple[int, Array]] = deque()
        for cycle in range(len(places) + READ + 1):
            if coming and coming[0][0] == cycle:
                word = int(dut.read_data_o.value).to_bytes(self.simd, "little")
                got, wanted = np.frombuffer(word, np.int8), coming.popleft()[1]
                assert np.array_equal(got, wanted), f"{got} and not {wanted}"
            reads = cycle < len(places)
            row, tile = places[cycle] if reads else (0, 0)
            dut.read_i.value = int(reads)
            dut.read_row_i.value, dut.read_tile_i.value = row, tile
            if reads:
                mine = padded[row, tile * self.simd : (tile + 1) * self.simd]
                coming.append((cycle + READ, mine))
            await self.edge
        assert not coming


def longest() -> int:
    return build_under_test()[1].sequence


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.4])
async def contexts_are_exact(dut: Any, pause: float) -> None:
    context = Context(dut, pause)
    made = [sequence(rows, seed) for seed, rows in enumerate([1, longest(), 2, 1, 7, longest()])]
    beats = [
        beat
        for scalars, heads in made
        for beat in (*scalars, *(one for head in heads for one in head.records))
    ]
    await clock_and_reset(dut)
    cocotb.start_soon(context.records.send(beats))
    for _, heads in made:
        for head in heads:
            await context.make(head)
            await context.check(head)


@cocotb.test()
async def reset_waits_for_records(dut: Any) -> None:
    context = Context(dut)
    await clock_and_reset(dut)
    for after in (3, 30, 60):
        scalars, (head, *_) = sequence(longest(), after)
        sending = cocotb.start_soon(context.records.send([*scalars, *head.records]))
        making = cocotb.start_soon(context.make(head))
        await ClockCycles(dut.clk_i, after)
        making.cancel()
        dut.next_valid_i.value = 0
        await reset_during(dut, [sending], ("records",))
        assert not dut.loaded_o.value
        scalars, (head, *_) = sequence(3, after + 1)
        cocotb.start_soon(context.records.send([*scalars, *head.records]))
        await context.make(head)
        await context.check(head)
        await reset_during(dut, [], ("records",))
