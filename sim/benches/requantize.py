"""requantize: sums of 48 bits at every rounding and saturation edge, a shift a lane."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np

from transfab.quant.intmath import limit, round_shift, saturate
from transfab.sim.bench import parameters_under_test
from transfab.sim.benches.lane_words import Word, start_clock, through

LATENCY, WORDS = 4, 60
SHIFTS = (0, 1, 2, 17, 30, 46, 47)


def sums(draw: random.Random, shift: int, bits: int) -> int:
    """A sum before rounding: next to a step, to the clamp, to the ends of 48 bits, or anywhere."""
    half, bound = (1 << shift) >> 1, (1 << 47) - ((1 << shift) >> 1) - 1
    step = draw.choice([limit(bits), -limit(bits), 0, 1, -1, draw.randint(-200, 200)])
    near = (step << shift) + draw.choice([-half, half, 0]) + draw.randint(-2, 2)
    wanted = draw.choice([near, near, bound, -bound, draw.randint(-bound, bound)])
    return max(-bound, min(bound, wanted))


def word(draw: random.Random, shifts: list[int], bits: int) -> dict[str, Any]:
    """A lane's value and multiplier at random or at their ends, its offset what makes the sum."""
    made: dict[str, Any] = {"value_i": [], "multiplier_i": [], "offset_i": [], "shift_i": shifts}
    for shift in shifts:
        value = draw.choice([-(1 << 26), (1 << 26) - 1, 0, draw.randrange(-(1 << 26), 1 << 26)])
        multiplier = draw.choice([-(1 << 17), (1 << 17) - 1, draw.randrange(-(1 << 17), 1 << 17)])
        offset = sums(draw, shift, bits) - value * multiplier
        offset = max(-(1 << 47) + (1 << 44), min((1 << 47) - (1 << 44) - 1, offset))
        if abs(value * multiplier + offset) + ((1 << shift) >> 1) >= 1 << 47:
            offset = -value * multiplier
        made["value_i"].append(value)
        made["multiplier_i"].append(multiplier)
        made["offset_i"].append(offset)
    return made


def expected(one: Word, bits: int) -> list[int]:
    ports = ("value_i", "multiplier_i", "offset_i", "shift_i")
    value, multiplier, offset, shift = (np.array(one[name], np.int64) for name in ports)
    out: list[int] = saturate(round_shift(value * multiplier + offset, shift), bits).tolist()
    return out


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.5])
async def gives_the_rounded_saturated_value(dut: Any, stall: float) -> None:
    given = parameters_under_test()
    start_clock(dut)
    for first in range(len(SHIFTS)):
        draw = random.Random(first)
        # Every lane has a shift of its own.
        shifts = [SHIFTS[(first + lane) % len(SHIFTS)] for lane in range(given["Lanes"])]
        words = [word(draw, shifts, given["OutBits"]) for _ in range(WORDS)]
        wanted = [expected(one, given["OutBits"]) for one in words]
        assert await through(dut, words, "value_o", LATENCY, stall) == wanted
        for shift, lane in zip(shifts, zip(*wanted, strict=True), strict=True):
            assert shift > 30 or {limit(given["OutBits"]), -limit(given["OutBits"])} <= {*lane}
