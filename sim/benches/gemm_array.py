"""gemm_array: sums of held weights, while the next ones are written by beat, row and column."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from transfab.sim.bench import build_under_test, parameters_under_test
from transfab.sim.streams import clock_and_reset, get

# Edges from that on which a row is driven to that on which its sums are sampled.
LATENCY = 8
CYCLES = 400
Lanes = list[int]


class Array:
    """The module and its model: shadow, weights in use, sums to come."""

    def __init__(self, dut: Any, seed: int) -> None:
        given = parameters_under_test()
        self.pe, self.simd = given["Pe"], given["Simd"]
        self.groups = build_under_test()[1].beat_bytes // self.simd
        self.dut, self.draw = dut, random.Random(seed)
        self.shadow = [[0] * self.simd for _ in range(self.pe)]
        self.weights = [row[:] for row in self.shadow]
        self.coming: deque[tuple[int, Lanes]] = deque()
        self.used = False
        for name in ("write_beat", "write_row", "write_column", "row_valid"):
            getattr(dut, f"{name}_i").value = 0

    def lanes(self, count: int) -> Lanes:
        """int8, often all of them at one end."""
        draw = self.draw
        ends = draw.random() < 0.3 and draw.choice([-128, 127])
        return [ends or draw.choice([-128, 127, draw.randint(-128, 127)]) for _ in range(count)]

    def write(self) -> None:
        """One of the three ways, or none; what it leaves in the shadow."""
        dut, draw = self.dut, self.draw
        way = draw.choice(["beat", "row", "column", "none"])
        for name in ("beat", "row", "column"):
            getattr(dut, f"write_{name}_i").value = int(name == way)
        width = self.groups * self.simd
        # What is not written stands on the other port.
        data, column = self.lanes(width), self.lanes(self.pe)
        dut.write_data_i.value = packed(data)
        dut.write_lanes_i.value = packed(column)
        if way == "beat":
            index = draw.randrange(-(-self.pe // self.groups))
            for g in range(min(self.groups, self.pe - index * self.groups)):
                at = g * self.simd
                self.shadow[index * self.groups + g] = data[at : at + self.simd]
        elif way == "row":
            index = draw.randrange(self.pe)
            self.shadow[index] = data[: self.simd]
        else:
            index = draw.randrange(self.simd)
            if way == "column":
                for row, value in zip(self.shadow, column, strict=True):
                    row[index] = value
        dut.write_index_i.value = index

    def row(self, cycle: int, share: float) -> None:
        """A row that uses the weights, or first swaps in what the shadow was before this write."""
        dut, draw = self.dut, self.draw
        valid = draw.random() < share
        swap = not self.used or draw.random() < 0.2
        row = self.lanes(self.simd)
        dut.row_valid_i.value, dut.row_swap_i.value = int(valid), int(swap)
        dut.row_i.value = packed(row)
        if valid:
            self.used = True
            if swap:
                self.weights = [one[:] for one in self.shadow]
            sums = [sum(w * x for w, x in zip(one, row, strict=True)) for one in self.weights]
            self.coming.append((cycle + LATENCY, sums))

    def check(self, cycle: int) -> None:
        due = bool(self.coming) and self.coming[0][0] == cycle
        assert bool(self.dut.sum_valid_o.value) == due
        if due:
            assert get(self.dut.sum_o, signed=True) == self.coming.popleft()[1]

    async def fill(self) -> None:
        """All of the shadow, beat by beat; what a tile's last beat has too much is not written."""
        dut, edge = self.dut, RisingEdge(self.dut.clk_i)
        for index in range(-(-self.pe // self.groups)):
            data = self.lanes(self.groups * self.simd)
            dut.write_beat_i.value, dut.write_index_i.value = 1, index
            dut.write_data_i.value = packed(data)
            for g in range(min(self.groups, self.pe - index * self.groups)):
                at = g * self.simd
                self.shadow[index * self.groups + g] = data[at : at + self.simd]
            await edge
        dut.write_beat_i.value = 0


def packed(lanes: Lanes) -> int:
    return int.from_bytes(bytes(one % 256 for one in lanes), "little")


@cocotb.test()
@cocotb.parametrize(share=[1.0, 0.5])
async def sums_are_exact_while_weights_change(dut: Any, share: float) -> None:
    array, edge = Array(dut, int(10 * share)), RisingEdge(dut.clk_i)
    await clock_and_reset(dut)
    await array.fill()
    for cycle in range(CYCLES):
        await edge
        array.check(cycle)
        array.row(cycle, share)
        array.write()
    assert array.coming


@cocotb.test()
async def extremes_do_not_overflow(dut: Any) -> None:
    array, edge = Array(dut, 1), RisingEdge(dut.clk_i)
    await clock_and_reset(dut)
    for weight in (-128, 127):
        for neighbour in (-128, 127):
            # Of a pair that shares a multiplier, one at this end and one at that.
            dut.write_row_i.value = 1
            for row in range(array.pe):
                value = neighbour if row % 2 else weight
                dut.write_index_i.value = row
                dut.write_data_i.value = packed([value] * (array.groups * array.simd))
                await edge
            dut.write_row_i.value = 0
            for x in (-128, 127):
                dut.row_valid_i.value = dut.row_swap_i.value = 1
                dut.row_i.value = packed([x] * array.simd)
                await edge
                dut.row_valid_i.value = 0
                for _ in range(LATENCY - 1):
                    await edge
                assert dut.sum_valid_o.value
                wanted = [
                    (neighbour if row % 2 else weight) * x * array.simd for row in range(array.pe)
                ]
                assert get(dut.sum_o, signed=True) == wanted


@cocotb.test()
async def reset_drops_the_rows_under_way(dut: Any) -> None:
    array, edge = Array(dut, 2), RisingEdge(dut.clk_i)
    await clock_and_reset(dut)
    await array.fill()
    for cycle in range(LATENCY):
        array.row(cycle, 1.0)
        await edge
    dut.row_valid_i.value = dut.rst_ni.value = 0
    await edge
    await edge
    dut.rst_ni.value = 1
    for _ in range(LATENCY + 2):
        await edge
        assert not dut.sum_valid_o.value
