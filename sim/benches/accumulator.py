"""accumulator: totals of every bank and address, an address again three cycles later."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from transfab.sim.bench import parameters_under_test
from transfab.sim.streams import clock_and_reset, get, put

TURNAROUND = 3
# Edges from that on which an address is driven: its sum is driven, its total is sampled, written.
SUM, TOTAL = 1, 3
READ = 2
Place = tuple[int, int]


class Accumulator:
    """The module and its model."""

    def __init__(self, dut: Any, seed: int) -> None:
        given = parameters_under_test()
        names = "Pe", "SumBits", "Bits", "Words", "Banks", "Shift"
        self.pe, self.sum_bits, self.bits, self.words, self.banks, self.shift = (
            given[name] for name in names
        )
        self.dut, self.draw, self.edge = dut, random.Random(seed), RisingEdge(dut.clk_i)
        self.memory: dict[Place, list[int]] = {}
        self.recent: deque[Place | None] = deque([None] * TURNAROUND, TURNAROUND)
        self.sums: list[int] | None = None
        self.totals: deque[tuple[int, list[int]]] = deque()
        self.word: tuple[int, list[int]] | None = None
        self.again = 0
        dut.next_valid_i.value = dut.read_i.value = 0

    def lanes(self, bits: int) -> list[int]:
        top = 1 << bits - 1
        ends = [-top, top - 1]
        return [self.draw.choice([*ends, self.draw.randrange(-top, top)]) for _ in range(self.pe)]

    def wrapped(self, value: int) -> int:
        top = 1 << self.bits - 1
        return (value + top) % (2 * top) - top

    async def step(self, cycle: int, share: float) -> None:
        await self.edge
        dut, draw = self.dut, self.draw
        due = bool(self.totals) and self.totals[0][0] == cycle
        assert bool(dut.total_valid_o.value) == due
        if due:
            assert get(dut.total_o, signed=True) == self.totals.popleft()[1]
        if self.word and self.word[0] <= cycle:
            word = int(dut.read_word_o.value)
            mask = (1 << self.bits) - 1
            assert word == sum((v & mask) << self.bits * i for i, v in enumerate(self.word[1]))
        put(dut.sum_i, self.sums or self.lanes(self.sum_bits))
        self.sums = None

        place = draw.randrange(self.banks), draw.randrange(self.words)
        free = place not in list(self.recent)[-(TURNAROUND - 1) :]
        first = place not in self.memory or draw.random() < 0.2
        valid = free and draw.random() < share
        dut.next_valid_i.value, dut.next_first_i.value = int(valid), int(first)
        dut.next_bank_i.value, dut.next_address_i.value = place
        shifted = draw.random() < 0.5
        dut.next_shift_i.value = int(shifted)
        # Of an earlier total that is not on its way: written three cycles after its address.
        known = [one for one in self.memory if one not in self.recent and one != place]
        read = draw.choice(known) if known and draw.random() < 0.5 else None
        if read and valid and not first and read[0] == place[0]:
            read = None
        dut.read_i.value = int(read is not None)
        if read:
            dut.read_bank_i.value, dut.read_address_i.value = read
            self.word = cycle + READ, self.memory[read]
        elif valid and not first and self.word_bank == place[0]:
            # The bank's one port has been used: its word is another now.
            self.word = None
        if read:
            self.word_bank = read[0]
        if valid:
            self.again += self.recent[0] == place and not first
            self.sums = self.lanes(self.sum_bits)
            start = [0] * self.pe if first else self.memory[place]
            by = self.shift if shifted else 0
            self.memory[place] = [
                self.wrapped(a + (b << by)) for a, b in zip(start, self.sums, strict=True)
            ]
            self.totals.append((cycle + TOTAL, self.memory[place]))
        self.recent.append(place if valid else None)

    word_bank = -1


@cocotb.test()
@cocotb.parametrize(share=[1.0, 0.6])
async def totals_are_exact(dut: Any, share: float) -> None:
    unit = Accumulator(dut, int(10 * share))
    await clock_and_reset(dut)
    for cycle in range(1500):
        await unit.step(cycle, share)
    assert unit.again > 20


@cocotb.test()
async def reset_drops_what_was_under_way(dut: Any) -> None:
    unit = Accumulator(dut, 5)
    await clock_and_reset(dut)
    for cycle in range(3):
        await unit.step(cycle, 1.0)
    dut.rst_ni.value = dut.next_valid_i.value = dut.read_i.value = 0
    await unit.edge
    await unit.edge
    dut.rst_ni.value = 1
    for _ in range(5):
        await unit.edge
        assert not dut.total_valid_o.value
