"""softmax: exponentials and scales of every head, sequences of all lengths behind each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from transfab.quant.bert.softmax import exponentials, row_reciprocal
from transfab.quant.config import EXPONENTIAL_ENTRIES
from transfab.quant.intmath import exponential_table
from transfab.sim.bench import build_under_test
from transfab.sim.benches.row_streams import Packer, move_times, reset_during, zero_padded
from transfab.sim.streams import Sink, Source, clock_and_reset, watchdog

INPUTS = "rows", "parameters", "mask", "scores"
SCALE = "reciprocal", "pre_shift", "post_shift"
SCORE, DIVISION = 22, 17
FIRST_WORD, FIRST_SCALE = 11, 21
Beats = list[Any]


@dataclass
class Packet:
    """One sequence: what each input takes and what each output gives."""

    rows: Beats
    parameters: Beats
    mask: Beats
    scores: Beats
    exponentials: Beats
    scale: Beats


def packet(length: int, seed: int) -> Packet:
    """Scores of a wide or a narrow spread, a true table or one of noise; noise in every padding."""
    config, engine = build_under_test()
    draw, packer = np.random.default_rng(seed), Packer(engine.beat_bytes, seed)
    lanes, top = min(8, engine.attention.simd), 1 << SCORE - 1
    spread = int(draw.choice([top, 1 << 12, 2]))
    scores = draw.integers(-spread, spread, (1, config.heads, length, length)).astype(np.int32)
    scores[draw.random(scores.shape) < 0.05] = -top
    scores[draw.random(scores.shape) < 0.02] = top - 1
    scores[:, :, -1] = -top
    mask = (draw.random((1, length)) < draw.choice([0.2, 0.9, 1.0])).astype(np.uint8)
    mask[0, draw.integers(length)] = 1
    # Distances of a row reach over all of the table, or over its first entries, or beyond it.
    shift = int(draw.integers(1, 40)) if seed % 3 else SCORE + 4
    multiplier = draw.integers(0, 1 << 17, config.heads).astype(np.int32)
    if seed % 3 == 2:  # an index is a distance: about the table's end
        shift, multiplier = 16, np.full(config.heads, 1 << 16, np.int32)
        scores = 5000 - draw.choice([0, 1, 2, 4094, 4095, 4096, 4097], scores.shape)
        scores = scores.astype(np.int32)
    table = draw.integers(0, 1 << 14, EXPONENTIAL_ENTRIES).astype(np.int16)
    table = exponential_table() if seed % 2 else np.array([16383, *table[1:]], np.int16)
    made = exponentials(scores, mask, multiplier, shift, table)
    inverse, pre, post = row_reciprocal(made["exponential_sum"])
    scales = zip(inverse.ravel().tolist(), pre.ravel().tolist(), post.ravel().tolist(), strict=True)
    scalars = [shift, *draw.integers(-(2**31), 2**31, 6).tolist()]
    return Packet(
        [length],
        packer.integers(scalars, 4)
        + packer.integers(multiplier.tolist(), 4)
        + packer.integers(table.tolist(), 2),
        packer.integers((mask[0] + 2 * draw.integers(0, 128, length)).tolist(), 1),
        packer.words(scores.reshape(-1, length), lanes, SCORE),
        zero_padded(made["exponential"].reshape(-1, length), lanes),
        [dict(zip(SCALE, one, strict=True)) for one in scales],
    )


class Softmax:
    """The module with its streams."""

    def __init__(self, dut: Any, stalls: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> None:
        self.sources = {name: Source(dut, name, stalls[0], 1) for name in INPUTS}
        self.exponentials = Sink(dut, "exponentials", stalls[1], 2)
        self.scale = Sink(dut, "scale", stalls[2], 3, SCALE)

    def send(self, packets: Sequence[Packet]) -> list[Any]:
        return [
            cocotb.start_soon(source.send(joined(packets, name)))
            for name, source in self.sources.items()
        ]

    async def check(self, packets: Sequence[Packet]) -> None:
        wanted = joined(packets, "scale")
        scales = cocotb.start_soon(self.scale.receive(len(wanted)))
        for one in packets:
            assert await self.exponentials.receive(len(one.exponentials)) == one.exponentials
        assert await scales == wanted


def joined(packets: Sequence[Packet], name: str) -> Beats:
    return [beat for one in packets for beat in getattr(one, name)]


def cycles(packets: Sequence[Packet]) -> int:
    """Many more than a run without stalls takes."""
    steps = joined(packets, "exponentials") + DIVISION * joined(packets, "scale")
    return 20 * (len(steps) + EXPONENTIAL_ENTRIES * len(packets))


def longest() -> int:
    return build_under_test()[1].sequence


@cocotb.test()
@cocotb.parametrize(stalls=[(0.0, 0.0, 0.0), (0.4, 0.4, 0.4), (0.0, 0.0, 0.97)])
async def gives_exponentials_and_scales(dut: Any, stalls: tuple[float, float, float]) -> None:
    softmax = Softmax(dut, stalls)
    lengths = [1, 19, longest(), 2, 1, 33, 8]
    packets = [packet(length, seed) for seed, length in enumerate(lengths)]
    await clock_and_reset(dut)
    async with watchdog(dut, cycles(packets)):
        softmax.send(packets)
        await softmax.check(packets)


@cocotb.test()
async def a_row_costs_its_words_or_its_division(dut: Any) -> None:
    softmax = Softmax(dut)
    await clock_and_reset(dut)
    for length in (longest(), 16):
        one = packet(length, length)
        entered, left = move_times(dut, "scores"), move_times(dut, "exponentials")
        scaled = move_times(dut, "scale")
        async with watchdog(dut, cycles([one])):
            softmax.send([one])
            await softmax.check([one])
        words = len(one.scores) // len(one.scale)
        # 4 cycles to the maximum, 7 to the first word; 3 to the row's sum, 18 of its division.
        assert left[0] - entered[words - 1] == FIRST_WORD
        assert scaled[0] - left[words - 1] == FIRST_SCALE
        steps = {after - before for before, after in pairwise(scaled)}
        assert steps == {max(words, DIVISION)}


@cocotb.test()
async def reset_forgets_the_sequence(dut: Any) -> None:
    softmax = Softmax(dut)
    await clock_and_reset(dut)
    loading = 1100
    for seed, after in enumerate((30, 700, loading, loading + 40, loading + 300)):
        tasks = softmax.send([packet(longest(), seed)])
        await ClockCycles(dut.clk_i, after)
        await reset_during(dut, tasks, INPUTS)
        clean = packet(9, seed + 50)
        async with watchdog(dut, cycles([clean])):
            softmax.send([clean])
            await softmax.check([clean])
