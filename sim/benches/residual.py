"""residual: projection and skip input summed with one rounding, against `quant.bert.residual`."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np

from transfab.quant.bert.residual import ResidualLinear, residual
from transfab.quant.intmath import Array, Int32Array, limit
from transfab.sim.bench import build_under_test, parameters_under_test
from transfab.sim.benches.row_streams import Packer, move_times, reset_during, zero_padded
from transfab.sim.streams import Sink, Source, clock_and_reset, watchdog

INPUTS = ("rows", "parameters", "sums", "skip")
TOP = 2**17 - 1
LATENCY = 7


@dataclass
class Sequence:
    """What one sequence sends and what must come out."""

    rows: int
    parameters: list[int]
    sums: list[list[int]]
    skip: list[int]
    mask: list[int]
    totals: list[list[int]]


def sequence(rows: int, seed: int, kind: str = "plain") -> Sequence:
    """kind: plain, or +1 or -1 for every constant and value at its edge with this sign."""
    config, _ = build_under_test()
    draw = np.random.default_rng(seed)
    size, bits = config.hidden, config.residual_bits
    dtype = np.int16 if bits == 16 else np.int8
    mask = draw.integers(0, 2, rows)
    if kind == "plain":
        # |acc m| < 2**43, |skip n| << k and |o| < 2**44, half <= 2**46.
        skip_shift = int(draw.integers(0, 19))
        skip_top = min(TOP, 2 ** (45 - bits - skip_shift) - 1)
        multiplier, skip_multiplier = (
            draw.integers(0, TOP + 1, size),
            draw.integers(0, skip_top + 1, size),
        )
        shift = int(draw.choice([1, 2, 12, 24, 30, 40, 47]))
        offset = draw.integers(-1, 2, size) * draw.integers(0, 2 ** min(44, shift + 15), size)
        # Rows of every size: some saturate, some stay near the halves.
        tops = 2 ** draw.integers(1, 27, (rows, 1)) - 1
        acc = draw.integers(-tops, tops + 1, (rows, size))
        skip = draw.integers(-limit(bits), limit(bits) + 1, (rows, size))
        skip >>= draw.integers(0, bits, (rows, 1))
    else:
        sign = int(kind)
        skip_shift, shift = 0, 40
        multiplier = skip_multiplier = np.full(size, TOP)
        used = (2**26 - 1) * TOP + limit(bits) * TOP + 2**39
        offset = np.full(size, sign * (2**47 - 1 - used))
        acc = np.full((rows, size), sign * (2**26 - 1))
        skip = np.full((rows, size), sign * limit(bits))
    bias = draw.integers(-(2**25), 2**25, size)
    params = ResidualLinear(
        np.zeros((size, 1), np.int8),
        bias.astype(np.int32),
        multiplier.astype(np.int32),
        skip_multiplier.astype(np.int32),
        offset.astype(np.int64),
        shift,
        skip_shift,
    )
    params.check_skip(bits)
    return packed(params, mask, acc.astype(np.int32), skip.astype(dtype), seed)


def packed(
    params: ResidualLinear, mask: Array, acc: Int32Array, skip: Array, seed: int
) -> Sequence:
    config, engine = build_under_test()
    at, count = (parameters_under_test()[name] for name in ("ResidualScalars", "Scalars"))
    pack, draw = Packer(engine.beat_bytes, seed), random.Random(seed)
    lanes = 8 * engine.beat_bytes // config.residual_bits
    scalars = [draw.getrandbits(32) for _ in range(count)]
    scalars[at : at + 2] = [params.shift, params.skip_shift]
    gain, beta = (np.array([draw.getrandbits(bits) for _ in acc[0]], object) for bits in (32, 64))
    parameters = pack.integers(scalars, 4)
    parameters += pack.records(params.bias, params.multiplier, params.offset)
    parameters += pack.records(params.skip_multiplier, gain, beta)
    mask_beats, skip_rows = pack.residual(mask, skip)
    return Sequence(
        len(acc),
        parameters,
        pack.words(acc - params.bias, lanes, 27),
        mask_beats + skip_rows,
        mask_beats,
        zero_padded(residual(params, acc, skip), lanes),
    )


class Residual:
    """The module with all its streams, each stalled by its own random numbers."""

    def __init__(self, dut: Any, stall: float = 0.0, seed: int = 0) -> None:
        self.sources = {name: Source(dut, name, stall, seed) for name in INPUTS}
        self.mask = Sink(dut, "mask", stall, seed)
        self.totals = Sink(dut, "totals", stall, seed, signed=True)

    def send(self, sequences: list[Sequence]) -> list[Any]:
        """Every stream runs ahead as far as the module lets it."""
        beats: dict[str, list[Any]] = {name: [] for name in INPUTS}
        for one in sequences:
            beats["rows"].append(one.rows)
            beats["parameters"] += one.parameters
            beats["sums"] += one.sums
            beats["skip"] += one.skip
        return [cocotb.start_soon(self.sources[name].send(beats[name])) for name in INPUTS]

    async def check(self, sequences: list[Sequence]) -> None:
        """Masks are taken as they come, so that only the order within a stream matters."""
        masks = [beat for one in sequences for beat in one.mask]
        taking = cocotb.start_soon(self.mask.receive(len(masks)))
        for number, one in enumerate(sequences):
            got = await self.totals.receive(len(one.totals))
            for place, (is_, wanted) in enumerate(zip(got, one.totals, strict=True)):
                assert is_ == wanted, f"sequence {number} word {place}: {is_} and not {wanted}"
        assert await taking == masks


def lengths() -> list[int]:
    _, engine = build_under_test()
    return [5, 1, engine.sequence, engine.beat_bytes, engine.beat_bytes + 1, 2]


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.2, 0.7])
async def sums_are_exact(dut: Any, stall: float) -> None:
    unit = Residual(dut, stall, int(10 * stall))
    sequences = [sequence(rows, 100 + rows) for rows in lengths()]
    sequences += [sequence(3, 5, "+1"), sequence(3, 6, "-1"), sequence(2, 7)]
    await clock_and_reset(dut)
    async with watchdog(dut, 40000):
        unit.send(sequences)
        await unit.check(sequences)


@cocotb.test()
async def a_word_a_cycle_seven_cycles_later(dut: Any) -> None:
    unit, one = Residual(dut), sequence(lengths()[2], 9)
    await clock_and_reset(dut)
    into, out = move_times(dut, "sums"), move_times(dut, "totals")
    async with watchdog(dut, 4000):
        unit.send([one])
        await unit.check([one])
    assert [after - before for before, after in zip(into, out, strict=True)] == [LATENCY] * len(out)
    assert out[-1] - out[0] == len(one.totals) - 1


@cocotb.test()
async def reset_in_mid_packet_leaves_nothing(dut: Any) -> None:
    unit, first, then = Residual(dut), sequence(20, 31), sequence(19, 32)
    await clock_and_reset(dut)
    async with watchdog(dut, 8000):
        for taken in (0, 1, 7):
            sending = unit.send([first])
            await unit.mask.receive(len(first.mask))
            await unit.totals.receive(taken)
            await reset_during(dut, sending, INPUTS)
            unit.send([then])
            await unit.check([then])
