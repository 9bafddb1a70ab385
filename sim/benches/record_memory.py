"""record_memory: records come out as written, two enabled cycles after their word is read."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from transfab.sim.bench import build_under_test, parameters_under_test
from transfab.sim.benches.lane_words import start_clock
from transfab.sim.streams import get

LATENCY, READS = 2, 150
FIRST, MULTIPLIER, OFFSET = 27, 18, 48
Record = tuple[int, int, int]


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def record(draw: random.Random) -> Record:
    bits = (FIRST, MULTIPLIER, OFFSET)
    pick = [(-(1 << b - 1), (1 << b - 1) - 1, signed(draw.getrandbits(b), b)) for b in bits]
    first, multiplier, offset = (draw.choice(values) for values in pick)
    return first, multiplier, offset


async def write(dut: Any, draw: random.Random, words: list[list[Record]]) -> None:
    """Every group of every word, in any order, with noise where there is no record."""
    width, lanes = build_under_test()[1].beat_bytes, parameters_under_test()["Lanes"]
    per_beat = width // 16
    groups = -(-lanes // per_beat)
    order = [(word, group) for word in range(len(words)) for group in range(groups)]
    draw.shuffle(order)
    for word, group in order:
        beat = draw.getrandbits(8 * width)
        for i, one in enumerate(words[word][group * per_beat : (group + 1) * per_beat]):
            first, multiplier, offset = one
            value = first % 2**32 | multiplier % 2**32 << 32 | offset % 2**64 << 64
            beat = beat & ~(((1 << 128) - 1) << 128 * i) | value << 128 * i
        dut.write_word_i.value, dut.write_group_i.value = word, group
        dut.write_beat_i.value, dut.write_i.value = beat, 1
        await RisingEdge(dut.clk_i)
        # What is at the port without a write must not enter.
        dut.write_i.value, dut.write_beat_i.value = 0, draw.getrandbits(8 * width)
        await RisingEdge(dut.clk_i)


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.4])
async def reads_what_was_written(dut: Any, stall: float) -> None:
    given, draw = parameters_under_test(), random.Random(3)
    dut.enable_i.value, dut.read_i.value, dut.write_i.value = 0, 0, 0
    start_clock(dut)
    for _ in range(2):
        words = [[record(draw) for _ in range(given["Lanes"])] for _ in range(given["Words"])]
        await write(dut, draw, words)
        shown: list[int | None] = [None] * (LATENCY + 1)  # word at the outputs, newest first
        for _ in range(READS):
            enable, read = draw.random() >= stall, draw.random() < 0.7
            word = draw.randrange(given["Words"])
            dut.enable_i.value, dut.read_i.value, dut.read_word_i.value = enable, read, word
            await RisingEdge(dut.clk_i)
            if (now := shown[LATENCY - 1]) is not None:
                ports = (dut.first_o, dut.multiplier_o, dut.offset_o)
                seen = list(zip(*(get(port, signed=True) for port in ports), strict=True))
                assert seen == words[now]
            if enable:
                shown = [word if read else shown[0], *shown[:LATENCY]]
