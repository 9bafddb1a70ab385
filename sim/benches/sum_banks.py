"""sum_banks: banks granted, places of every row, words read in order; the memory is the bench."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from transfab.sim.bench import build_under_test, parameters_under_test
from transfab.sim.streams import Sink, clock_and_reset, watchdog

Place = tuple[int, int]
# Words between a memory's register and the port.
QUEUED = 1


class Banks:
    """The module, an accumulator with its two memories, and the consumer of the sums.

    A word that is written twice before it was read, or read before it was written, is an error; a
    bank that is written shows its last word no more.
    """

    def __init__(self, dut: Any, pause: float = 0.0, stall: float = 0.0) -> None:
        given = parameters_under_test()
        self.pe, self.tiles, self.bits = given["Pe"], given["Tiles"], given["SumBits"]
        self.dut, self.edge = dut, RisingEdge(dut.clk_i)
        self.memory: dict[Place, list[int]] = {}
        self.pause, self.random = pause, random.Random(pause)
        self.sums = Sink(dut, "sums", stall, 3, signed=True)
        self.granted, self.shown = 0, -1
        for name in ("request", "sequence_ends", "written", "rows", "row", "tile"):
            getattr(dut, f"{name}_i").value = 0
        cocotb.start_soon(self._read())

    async def add(self, sequences: Sequence[list[list[int]]]) -> None:
        """Write every word of each sequence, (rows * tiles) of lanes."""
        dut = self.dut
        for words in sequences:
            rows = len(words) // self.tiles
            dut.request_i.value, dut.rows_i.value = 1, rows
            await self.edge
            while not dut.granted_o.value:
                await self.edge
            self.granted += 1
            # Tile by tile, as the passes go.
            for tile in range(self.tiles):
                for row in range(rows):
                    while self.pause and self.random.random() < self.pause:
                        await self.edge
                    dut.row_i.value, dut.tile_i.value = row, tile
                    last = tile == self.tiles - 1 and row == rows - 1
                    dut.sequence_ends_i.value = int(last)
                    await self.edge
                    place = int(dut.bank_o.value), int(dut.address_o.value)
                    assert place not in self.memory, f"{place} is overwritten"
                    self.memory[place] = words[row * self.tiles + tile]
                    if place[0] == self.shown:
                        dut.read_word_i.value = self.random.getrandbits(self.pe * self.bits)
                    dut.sequence_ends_i.value = 0
            dut.request_i.value = 0
            cocotb.start_soon(self._written())
            await self.edge

    async def _written(self) -> None:
        """The last total comes later, maybe while the next sequence begins."""
        await ClockCycles(self.dut.clk_i, 6)
        self.dut.written_i.value = 1
        await self.edge
        self.dut.written_i.value = 0

    async def _read(self) -> None:
        """A word stands a cycle after its address until its bank's next."""
        dut = self.dut
        while True:
            await self.edge
            if dut.rst_ni.value and dut.read_o.value:
                place = int(dut.read_bank_o.value), int(dut.read_address_o.value)
                assert place in self.memory, f"{place} is read and was not written"
                lanes, self.shown = self.memory.pop(place), place[0]
                mask = (1 << self.bits) - 1
                dut.read_word_i.value = sum(
                    (lane & mask) << self.bits * at for at, lane in enumerate(lanes)
                )

    async def check(self, sequences: Sequence[list[list[int]]]) -> None:
        for number, words in enumerate(sequences):
            taken = await self.sums.receive(len(words))
            assert taken == words, f"sequence {number}: {taken} and not {words}"


def words_of(rows: int, seed: int) -> list[list[int]]:
    given, draw = parameters_under_test(), random.Random(seed)
    top = 1 << given["SumBits"] - 1
    words = rows * given["Tiles"]
    return [
        [draw.choice([-top, top - 1, draw.randrange(-top, top)]) for _ in range(given["Pe"])]
        for _ in range(words)
    ]


def longest() -> int:
    return build_under_test()[1].sequence


def lengths() -> list[int]:
    half = (longest() + 1) // 2
    made = [1, half, half, longest(), 1, longest(), half + 1, half, 1, 1, 1, longest()]
    return [max(1, min(one, longest())) for one in made]


@cocotb.test()
@cocotb.parametrize(stalls=[(0.0, 0.0), (0.6, 0.0), (0.0, 0.8), (0.5, 0.5)])
async def sums_leave_row_by_row(dut: Any, stalls: tuple[float, float]) -> None:
    banks = Banks(dut, *stalls)
    sequences = [words_of(rows, seed) for seed, rows in enumerate(lengths())]
    await clock_and_reset(dut)
    async with watchdog(dut, 1000 + 20 * sum(map(len, sequences))):
        cocotb.start_soon(banks.add(sequences))
        await banks.check(sequences)
        await ClockCycles(dut.clk_i, 20)
    assert not banks.memory


@cocotb.test()
async def a_bank_is_granted_when_its_sums_have_left(dut: Any) -> None:
    banks = Banks(dut)
    await clock_and_reset(dut)
    half, before = (longest() + 1) // 2, 0
    for rows in [(half, half, half), (longest(), 1)] if longest() > 1 else [(1, 1, 1)]:
        sequences = [words_of(one, one) for one in rows]
        cocotb.start_soon(banks.add(sequences))
        await ClockCycles(dut.clk_i, 50 + 2 * sum(map(len, sequences)))
        # A word stands at the port: it may be a whole sequence.
        ahead = len(rows) - 1 + QUEUED // len(sequences[0])
        assert banks.granted - before == min(ahead, len(rows))
        async with watchdog(dut, 1000):
            await banks.check(sequences)
        before += len(rows)
        assert banks.granted == before


@cocotb.test()
async def reset_forgets_both_banks(dut: Any) -> None:
    banks = Banks(dut)
    await clock_and_reset(dut)
    for after in (1, 2, 9, 40):
        adding = cocotb.start_soon(banks.add([words_of(one, after) for one in (1, longest(), 1)]))
        await ClockCycles(dut.clk_i, after)
        adding.cancel()
        dut.rst_ni.value = dut.request_i.value = dut.sequence_ends_i.value = 0
        # The last pulse of a sequence before comes no more.
        await ClockCycles(dut.clk_i, 8)
        dut.rst_ni.value = 1
        await ClockCycles(dut.clk_i, 1)
        banks.memory.clear()
        sequences = [words_of(one, after) for one in (2, 1, 1) if one <= longest()]
        async with watchdog(dut, 2000):
            cocotb.start_soon(banks.add(sequences))
            await banks.check(sequences)
