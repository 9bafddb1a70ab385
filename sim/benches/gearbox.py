"""gearbox: rows of every length come out in order, filled with zeros, a word a cycle."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from transfab.sim.bench import parameters_under_test
from transfab.sim.benches.row_streams import move_times, reset_during
from transfab.sim.streams import Sink, Source, clock_and_reset, watchdog

LATENCY = 2
Words = list[list[int]]


class Rows:
    """The module with its streams, and rows of noise as words on both sides."""

    def __init__(self, dut: Any, stalls: tuple[float, float] = (0.0, 0.0), seed: int = 1) -> None:
        given = parameters_under_test()
        self.dut, self.draw = dut, random.Random(seed)
        self.lanes = given["InLanes"], given["OutLanes"]
        self.width, self.most = given["Width"], given["Total"]
        self.source, self.sink = Source(dut, "in", stalls[0], seed), Sink(dut, "out", stalls[1], 2)
        dut.total_i.value = 1

    def words(self, total: int, rows: int) -> tuple[Words, Words]:
        """What goes in, noise in the surplus lanes, and what must come out."""
        sent: Words = []
        wanted: Words = []
        for _ in range(rows):
            row = [self.draw.getrandbits(self.width) for _ in range(total)]
            noise = [self.draw.getrandbits(self.width) for _ in range(self.lanes[0])]
            sent += cut(row, self.lanes[0], noise)
            wanted += cut(row, self.lanes[1], [0] * self.lanes[1])
        return sent, wanted

    def counts(self, total: int) -> tuple[int, int]:
        """Words of a row, in and out."""
        return -(-total // self.lanes[0]), -(-total // self.lanes[1])

    async def send(self, sequences: Iterable[tuple[int, Words]]) -> None:
        for total, words in sequences:
            self.dut.total_i.value = total
            await self.source.send(words)


def cut(row: list[int], lanes: int, filling: list[int]) -> Words:
    words = [row[i : i + lanes] for i in range(0, len(row), lanes)]
    words[-1] = words[-1] + filling[: lanes - len(words[-1])]
    return words


@cocotb.test()
@cocotb.parametrize(stalls=[(0.0, 0.0), (0.6, 0.0), (0.0, 0.6), (0.3, 0.3)])
async def keeps_rows_apart(dut: Any, stalls: tuple[float, float]) -> None:
    rows = Rows(dut, stalls)
    await clock_and_reset(dut)
    totals = [*range(1, rows.most + 1), rows.most, 1]
    rows.draw.shuffle(totals)
    packets = [(total, *rows.words(total, rows.draw.randint(1, 3))) for total in totals]
    wanted = [word for _, _, words in packets for word in words]
    async with watchdog(dut, 5 * len(wanted) * max(rows.lanes) + 100):
        cocotb.start_soon(rows.send((total, words) for total, words, _ in packets))
        assert await rows.sink.receive(len(wanted)) == wanted


@cocotb.test()
async def moves_a_word_a_cycle_on_the_busier_side(dut: Any) -> None:
    rows, count = Rows(dut), 12
    await clock_and_reset(dut)
    for total in range(1, rows.most + 1):
        sent, wanted = rows.words(total, count)
        taken = move_times(dut, "in"), move_times(dut, "out")
        async with watchdog(dut, 10 * len(sent + wanted) + 100):
            cocotb.start_soon(rows.send([(total, sent)]))
            assert await rows.sink.receive(len(wanted)) == wanted
        busier, (first, last) = max(rows.counts(total)), (taken[0][0], taken[1][-1])
        # A row begins to leave when its first word out is whole, and ends after its last word in.
        assert count * busier < last - first + 1 <= count * busier + LATENCY + 1, total


@cocotb.test()
async def reset_forgets_what_is_inside(dut: Any) -> None:
    rows = Rows(dut, (0.0, 0.5))
    await clock_and_reset(dut)
    for cycles in (1, 2, 5, 9):
        sent, _ = rows.words(rows.most, 30)
        sending = cocotb.start_soon(rows.send([(rows.most, sent)]))
        await ClockCycles(dut.clk_i, cycles)
        await reset_during(dut, [sending], ["in"])
        sent, wanted = rows.words(rows.most, 3)
        async with watchdog(dut, 1000):
            cocotb.start_soon(rows.send([(rows.most, sent)]))
            assert await rows.sink.receive(len(wanted)) == wanted
