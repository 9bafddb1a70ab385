"""row_ring: rows are read as they were written, until and while they are released."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from transfab.sim.bench import build_under_test, parameters_under_test
from transfab.sim.streams import clock_and_reset

# Edges from that on which a read is driven to that on which its beat is sampled.
LATENCY = 3


class Ring:
    """The module and its model, a cycle at a time."""

    def __init__(self, dut: Any, seed: int) -> None:
        given = parameters_under_test()
        self.rows, self.row_beats = given["Rows"], given["RowBeats"]
        self.bits = 8 * build_under_test()[1].beat_bytes
        self.dut, self.draw, self.edge = dut, random.Random(seed), RisingEdge(dut.clk_i)
        self.clear()

    def clear(self) -> None:
        self.held: deque[list[int]] = deque()
        self.part: list[int] = []
        self.coming: deque[tuple[int, int]] = deque()
        self.entering: int | None = None
        self.releasing = self.cycle = self.entered = 0
        for name in ("in_valid", "read", "release"):
            getattr(self.dut, f"{name}_i").value = 0

    async def step(self, fill: float, read: float, release: float) -> None:
        """One cycle: what the last one drove has its effect, then something new is driven."""
        dut, draw = self.dut, self.draw
        await self.edge
        self.cycle += 1
        if self.entering is not None and dut.in_ready_o.value:
            self.part.append(self.entering)
            self.entering = None
            self.entered += 1
            if len(self.part) == self.row_beats:
                self.held.append(self.part)
                self.part = []
                assert len(self.held) <= self.rows + self.releasing
        assert int(dut.loaded_o.value) == self.loaded, "rows that are whole"
        for _ in range(self.releasing):
            self.held.popleft()
        self.releasing = 0
        self.loaded = len(self.held)
        if self.coming and self.coming[0][0] == self.cycle:
            assert int(dut.read_data_o.value) == self.coming.popleft()[1]

        if self.entering is None:
            valid = draw.random() < fill
            self.entering = draw.getrandbits(self.bits) if valid else None
            dut.in_data_i.value = self.entering if valid else draw.getrandbits(self.bits)
            dut.in_valid_i.value = int(valid)
        reads = self.loaded > 0 and draw.random() < read
        dut.read_i.value = int(reads)
        # Noise while there is no read.
        row = draw.randrange(max(1, self.loaded))
        beat = draw.randrange(self.row_beats)
        dut.read_row_i.value, dut.read_beat_i.value = row, beat
        if reads:
            self.coming.append((self.cycle + LATENCY, self.held[row][beat]))
        releases = self.loaded > 0 and draw.random() < release
        self.releasing = draw.randint(1, self.loaded) if releases else 0
        dut.release_i.value = int(releases)
        dut.release_count_i.value = self.releasing or draw.randint(0, self.rows)

    loaded = 0


@cocotb.test()
@cocotb.parametrize(
    rates=[(1.0, 1.0, 0.1), (1.0, 0.5, 0.02), (0.5, 1.0, 0.5), (1.0, 1.0, 1.0), (0.2, 0.5, 0.2)]
)
async def rows_are_read_as_written(dut: Any, rates: tuple[float, float, float]) -> None:
    ring = Ring(dut, 3)
    await clock_and_reset(dut)
    ring.loaded = 0
    for _ in range(1200):
        await ring.step(*rates)
    assert ring.entered > 2 * ring.rows * ring.row_beats


@cocotb.test()
async def holds_its_rows_and_no_more(dut: Any) -> None:
    ring = Ring(dut, 4)
    await clock_and_reset(dut)
    beats = ring.rows * ring.row_beats
    for _ in range(beats + 20):
        await ring.step(1.0, 1.0, 0.0)
    # A beat a cycle until it is full.
    assert ring.entered == beats and not dut.in_ready_o.value
    assert int(dut.loaded_o.value) == ring.rows
    # A row that is read as it is released keeps its place until the read has come.
    dut.read_i.value, dut.release_i.value, dut.release_count_i.value = 1, 1, 1
    await ring.edge
    dut.read_i.value = dut.release_i.value = 0
    for _ in range(LATENCY - 1):
        assert not dut.in_ready_o.value
        await ring.edge


@cocotb.test()
async def reset_forgets_the_rows(dut: Any) -> None:
    ring = Ring(dut, 5)
    await clock_and_reset(dut)
    for cycles in (3, 17, 60):
        for _ in range(cycles):
            await ring.step(1.0, 0.7, 0.1)
        dut.rst_ni.value = 0
        ring.clear()
        await ring.edge
        await ring.edge
        dut.rst_ni.value = 1
        await ring.edge
        ring.loaded = 0
        for _ in range(100):
            await ring.step(0.8, 0.7, 0.1)
