"""narrow: rows of a residual packet as int8 beats, several sequences one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from transfab.quant.intmath import Array, limit, round_shift, saturate
from transfab.sim.bench import build_under_test, parameters_under_test
from transfab.sim.benches.row_streams import Packer, move_times, reset_during
from transfab.sim.streams import Sink, Source, clock_and_reset, watchdog

INPUTS = "rows", "parameters", "hidden"


@dataclass
class Packet:
    """One sequence: beats of each input, beats of the operand."""

    rows: list[int]
    parameters: list[int]
    hidden: list[int]
    operand: list[int]
    mask_beats: int


def packet(length: int, seed: int) -> Packet:
    """Rows and constants at random, some at their ends, noise wherever nothing stands."""
    config, engine = build_under_test()
    draw, packer = np.random.default_rng(seed), Packer(engine.beat_bytes, seed)
    bits, size = config.residual_bits, config.hidden
    most = limit(bits)
    dtype = np.int16 if bits == 16 else np.int8
    rows = draw.integers(-most, most, (length, size), endpoint=True)
    rows = np.where(draw.random(rows.shape) < 0.2, most * draw.choice([-1, 1], rows.shape), rows)
    rows = rows.astype(dtype)
    mask, beats = packer.residual(draw.integers(0, 2, length), rows)
    shift = int(draw.integers(10, 24))
    scalars = [shift, *draw.integers(-(2**31), 2**31, parameters_under_test()["Scalars"] - 1)]
    parameters = packer.integers([int(one) for one in scalars], 4)
    operand = rows.astype(np.int64)
    if bits == 16:
        multiplier = draw.integers(0, 1 << 17, size)
        offset = draw.integers(-200, 200, size) << shift
        noise = draw.integers(-(2**31), 2**31, size)
        parameters += packer.records(noise, multiplier, offset)
        operand = saturate(round_shift(rows * multiplier + offset, shift), 8)
    return Packet(
        [length],
        parameters,
        mask + beats,
        whole_beats(operand, engine.beat_bytes),
        len(mask),
    )


def whole_beats(rows: Array, width: int) -> list[int]:
    data = [row.astype(np.int8).tobytes() for row in rows]
    data = [row + bytes(-len(row) % width) for row in data]
    return [
        int.from_bytes(row[i : i + width], "little")
        for row in data
        for i in range(0, len(row), width)
    ]


class Narrow:
    """The module with its streams."""

    def __init__(self, dut: Any, stall: float = 0.0) -> None:
        self.sources = {name: Source(dut, name, stall, 1) for name in INPUTS}
        self.sink = Sink(dut, "operand", stall, 2)

    def send(self, packets: Sequence[Packet]) -> list[Any]:
        return [
            cocotb.start_soon(source.send([beat for one in packets for beat in getattr(one, name)]))
            for name, source in self.sources.items()
        ]


def lengths() -> list[int]:
    longest = build_under_test()[1].sequence
    return [1, 19, longest, longest, 2, 16, 1, 1]


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.5])
async def gives_int8_rows(dut: Any, stall: float) -> None:
    narrow, packets = Narrow(dut, stall), [packet(one, i) for i, one in enumerate(lengths())]
    wanted = [beat for one in packets for beat in one.operand]
    await clock_and_reset(dut)
    beats = sum(len(one.parameters + one.hidden) for one in packets)
    async with watchdog(dut, 10 * beats + 500):
        narrow.send(packets)
        assert await narrow.sink.receive(len(wanted)) == wanted


@cocotb.test()
async def keeps_constants_until_the_last_beat_left(dut: Any) -> None:
    narrow, packets = Narrow(dut), [packet(5, seed) for seed in range(4)]
    await clock_and_reset(dut)
    narrow.send(packets)
    for one in packets:
        # The next sequence's parameters and mask come while beats of this one wait inside.
        held = min(3, len(one.operand))
        async with watchdog(dut, 2000):
            early = await narrow.sink.receive(len(one.operand) - held)
            await ClockCycles(dut.clk_i, 2 * len(one.parameters) + 20)
            assert early + await narrow.sink.receive(held) == one.operand


@cocotb.test()
async def takes_a_beat_a_cycle(dut: Any) -> None:
    narrow, packets = Narrow(dut), [packet(build_under_test()[1].sequence, i) for i in range(3)]
    await clock_and_reset(dut)
    taken, left = move_times(dut, "hidden"), move_times(dut, "operand")
    async with watchdog(dut, 10000):
        narrow.send(packets)
        await narrow.sink.receive(sum(len(one.operand) for one in packets))
    begin = 0
    for one, after in zip(packets, [*packets[1:], None], strict=True):
        end = begin + len(one.hidden)
        # Mask beats and rows without a gap: the rows' parameters are there before.
        assert taken[end - 1] - taken[begin] == len(one.hidden) - 1
        if after is not None:
            assert taken[end] - taken[end - 1] <= len(after.parameters) + 8
        begin = end
    assert left[-1] - taken[-1] <= 7


@cocotb.test()
async def reset_forgets_the_sequence(dut: Any) -> None:
    narrow = Narrow(dut)
    await clock_and_reset(dut)
    first = packet(build_under_test()[1].sequence, 1)
    loading = len(first.parameters) + 2
    for cycles in (2, loading // 2, loading + 1, loading + first.mask_beats + 9):
        tasks = narrow.send([first])
        await ClockCycles(dut.clk_i, cycles)
        await reset_during(dut, tasks, INPUTS)
        after = packet(5, cycles)
        async with watchdog(dut, 2000):
            narrow.send([after])
            assert await narrow.sink.receive(len(after.operand)) == after.operand
