"""layernorm: rows of totals to a residual packet, against `quant.bert.layernorm`."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from transfab.quant.bert.layernorm import LayerNorm, layernorm
from transfab.quant.intmath import Array
from transfab.sim.bench import build_under_test, parameters_under_test
from transfab.sim.benches.row_streams import Packer, move_times, reset_during, zero_padded
from transfab.sim.streams import Sink, Source, clock_and_reset, watchdog

INPUTS = ("rows", "parameters", "mask", "totals")
TOP = 2**17 - 1
FIRST_BEAT = 60  # cycles from a row's last totals to its first beat, beside RowBeats
ROW = 17  # cycles of a row of few beats


@dataclass
class Sequence:
    """What one sequence sends and what must come out: beats with their `last`."""

    rows: int
    parameters: list[int]
    mask: list[int]
    totals: list[list[int]]
    out: list[dict[str, int]]


def row(kind: int, size: int, draw: random.Random) -> list[int]:
    """Spread, quiet, constant, at both ends, some channels alone, ends of one sign."""
    top = 2**15 - 1
    sign = draw.choice((-1, 1))
    if kind == 0:
        return [draw.randint(-top, top) for _ in range(size)]
    if kind == 1:
        return [sign * 20 + draw.randint(-3, 3) for _ in range(size)]
    if kind == 2:
        return [draw.choice((-top, top, 0, draw.randint(-top, top)))] * size
    if kind == 3:
        return [draw.choice((-top, top)) for _ in range(size)]
    if kind == 4:
        # Eight channels that are summed first: their squares are as large as any.
        alone = draw.choice((1, 8))
        at = draw.randrange(size) // alone
        return [sign * top if channel // alone == at else -sign * top for channel in range(size)]
    return [sign * (top - draw.randint(0, 1)) for _ in range(size)]


def sequence(rows: int, seed: int, kind: str = "plain") -> Sequence:
    """kind: plain, or +1 or -1 for every constant at its edge with this sign."""
    config, _ = build_under_test()
    draw, size, bits = random.Random(seed), config.hidden, config.residual_bits
    if kind == "plain":
        gain = [draw.randint(-TOP, TOP) for _ in range(size)]
        # Typical rows fill the output, others saturate or vanish.
        shift = min(46, max(1, 41 - bits - size.bit_length() // 2 + draw.randint(-4, 4)))
        offset = [draw.randint(-(2 ** (shift + bits - 2)), 2 ** (shift + bits - 2)) for _ in gain]
        offset = [max(1 - 2**46, min(2**46 - 1, value)) for value in offset]
        # Every length of epsilon, so that quiet rows reach every shift.
        epsilon = draw.getrandbits(draw.randint(1, 40)) | 1
    else:
        sign = int(kind)
        gain, offset, shift = [sign * TOP] * size, [sign * (2**46 - 1)] * size, 45
        epsilon = 2**40 - 1 if sign > 0 else 1
    params = LayerNorm(np.array(gain, np.int32), np.array(offset, np.int64), shift, epsilon)
    totals = np.array([row(draw.randrange(6), size, draw) for _ in range(rows)], np.int16)
    mask = np.array([draw.randrange(2) for _ in range(rows)], np.uint8)
    return packed(params, mask, totals, seed)


def packed(params: LayerNorm, mask: Array, totals: Array, seed: int) -> Sequence:
    config, engine = build_under_test()
    at, count = (parameters_under_test()[name] for name in ("FirstScalar", "Scalars"))
    pack, draw = Packer(engine.beat_bytes, seed), random.Random(seed)
    lanes, rows = 8 * engine.beat_bytes // config.residual_bits, len(mask)
    scalars = [draw.getrandbits(32) for _ in range(count)]
    low, high = params.epsilon % 2**32, params.epsilon >> 32
    # Of the last scalar only 8 bits count.
    scalars[at : at + 3] = [params.shift, low, high | draw.getrandbits(24) << 8]
    skip_multiplier = np.array([draw.getrandbits(32) for _ in params.gain], object)
    parameters = pack.integers(scalars, 4)
    parameters += pack.records(skip_multiplier, params.gain, params.offset)
    zeros = np.zeros(-rows % engine.beat_bytes, np.uint8)
    out = pack.integers(np.append(mask, zeros).tolist(), 1)
    top = 2**config.residual_bits - 1
    for word in zero_padded(layernorm(config, params, totals)["output"], lanes):
        out += pack.integers([lane & top for lane in word], config.residual_bits // 8)
    return Sequence(
        rows,
        parameters,
        pack.integers(mask.tolist(), 1),
        zero_padded(totals, lanes),
        [{"data": beat, "last": int(i == len(out) - 1)} for i, beat in enumerate(out)],
    )


class Layernorm:
    """The module with all its streams, each stalled by its own random numbers."""

    def __init__(self, dut: Any, stall: float = 0.0, seed: int = 0, late: float = 0.0) -> None:
        self.sources = {name: Source(dut, name, stall, seed) for name in INPUTS}
        self.out = Sink(dut, "out", max(stall, late), seed, fields=("data", "last"))

    def send(self, sequences: list[Sequence]) -> list[Any]:
        """Every stream runs ahead as far as the module lets it."""
        beats: dict[str, list[Any]] = {name: [] for name in INPUTS}
        for one in sequences:
            beats["rows"].append(one.rows)
            beats["parameters"] += one.parameters
            beats["mask"] += one.mask
            beats["totals"] += one.totals
        return [cocotb.start_soon(self.sources[name].send(beats[name])) for name in INPUTS]

    async def check(self, sequences: list[Sequence]) -> None:
        for number, one in enumerate(sequences):
            got = await self.out.receive(len(one.out))
            for place, (is_, wanted) in enumerate(zip(got, one.out, strict=True)):
                assert is_ == wanted, f"sequence {number} beat {place}: {is_} and not {wanted}"


def lengths() -> list[int]:
    _, engine = build_under_test()
    return [5, 1, engine.sequence, engine.beat_bytes, engine.beat_bytes + 1, 2]


@cocotb.test()
@cocotb.parametrize(stalls=[(0.0, 0.0), (0.2, 0.0), (0.0, 0.5), (0.0, 0.9), (0.7, 0.7)])
async def rows_are_exact(dut: Any, stalls: tuple[float, float]) -> None:
    unit = Layernorm(dut, stalls[0], int(10 * sum(stalls)), late=stalls[1])
    sequences = [sequence(rows, 100 + rows) for rows in lengths()]
    sequences += [sequence(9, 5, "+1"), sequence(9, 6, "-1")]
    sequences += [sequence(3, 200 + seed) for seed in range(8)]
    await clock_and_reset(dut)
    async with watchdog(dut, 60000):
        unit.send(sequences)
        await unit.check(sequences)


@cocotb.test()
async def a_row_costs_its_beats_or_a_root(dut: Any) -> None:
    unit, one = Layernorm(dut), sequence(lengths()[2], 9)
    await clock_and_reset(dut)
    out = move_times(dut, "out")
    async with watchdog(dut, 8000):
        unit.send([one])
        await unit.check([one])
    row_beats = len(one.totals) // one.rows
    firsts = out[len(one.mask) :: row_beats]
    steps = [after - before for before, after in pairwise(firsts)]
    # The first rows have waited for the parameters.
    assert steps[8:] == [max(row_beats, ROW)] * len(steps[8:]), steps


@cocotb.test()
async def a_lone_row_takes_its_latency(dut: Any) -> None:
    unit, one = Layernorm(dut), sequence(1, 10)
    await clock_and_reset(dut)
    into, out = move_times(dut, "totals"), move_times(dut, "out")
    streams = {name: getattr(one, name) for name in ("parameters", "mask")}
    async with watchdog(dut, 4000):
        cocotb.start_soon(unit.sources["rows"].send([one.rows]))
        checking = cocotb.start_soon(unit.check([one]))
        for name, beats in streams.items():
            await unit.sources[name].send(beats)
            await ClockCycles(dut.clk_i, 20)  # a wait must leave nothing in the steps
        await unit.sources["totals"].send(one.totals)
        await checking
    assert out[len(one.mask)] - into[-1] == len(one.totals) + FIRST_BEAT
    assert out[-1] - out[len(one.mask)] == len(one.totals) - 1


@cocotb.test()
async def reset_in_mid_packet_leaves_nothing(dut: Any) -> None:
    unit, first, then = Layernorm(dut), sequence(20, 31), sequence(19, 32)
    await clock_and_reset(dut)
    async with watchdog(dut, 12000):
        for taken in (0, 1, len(first.mask), len(first.mask) + 7):
            sending = unit.send([first])
            await unit.out.receive(taken)
            await reset_during(dut, sending, INPUTS)
            unit.send([then])
            await unit.check([then])
