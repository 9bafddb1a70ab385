"""context_requantize: sums of every length of the row sum, up to 127 times it, to int8."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np

from transfab.quant.bert.softmax import normalize_context, row_reciprocal
from transfab.quant.intmath import round_shift, saturate
from transfab.sim.bench import parameters_under_test
from transfab.sim.benches.lane_words import start_clock, through

LATENCY, MOST_BITS = 9, 23


def word(draw: random.Random, total: int, shift: int) -> tuple[dict[str, Any], list[int]]:
    """A row's word with the records of its channels, and what must come of it."""
    lanes, ends = parameters_under_test()["Lanes"], (127 * total, -127 * total, 0)
    sums = [draw.choice([*ends, draw.randint(-127 * total, 127 * total)]) for _ in range(lanes)]
    inverse, pre, post = row_reciprocal(np.array([total], np.int32))
    _, mean = normalize_context(np.array([sums], np.int32), np.array([total], np.int32))
    multipliers = [draw.choice([0, (1 << 17) - 1, draw.randrange(1 << 17)]) for _ in range(lanes)]
    # Offsets that bring sums to the clamp, to a tie, and to where one step of the mean shows.
    offsets = [
        draw.choice(
            [0, 1 << (shift - 1), draw.randint(-200, 200) << shift, near(draw, m * x, shift)]
        )
        for m, x in zip(multipliers, mean[0].tolist(), strict=True)
    ]
    given = {
        "sum_i": sums,
        "reciprocal_i": int(inverse[0]),
        "pre_shift_i": int(pre[0]),
        "post_shift_i": int(post[0]),
        "multiplier_i": multipliers,
        "offset_i": offsets,
        "shift_i": shift,
    }
    product = mean[0].astype(np.int64) * np.array(multipliers, np.int64) + np.array(offsets)
    return given, saturate(round_shift(product, shift), 8).tolist()


def near(draw: random.Random, product: int, shift: int) -> int:
    """The offset that makes a product a value of int8."""
    return (draw.randint(-100, 100) << shift) - product


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.5])
async def gives_the_context_as_int8(dut: Any, stall: float) -> None:
    start_clock(dut)
    for shift in (1, 14, 26, 33):
        draw = random.Random(shift)
        totals = [1, 16383, (1 << MOST_BITS) - 1, *(1 << bit for bit in range(MOST_BITS))]
        totals += [(1 << bit) - 1 for bit in range(1, MOST_BITS)]
        totals += [draw.randrange(1 << bit, 2 << bit) for bit in range(13, MOST_BITS)] * 3
        draw.shuffle(totals)
        words, wanted = zip(*(word(draw, total, shift) for total in totals), strict=True)
        assert await through(dut, words, "value_o", LATENCY, stall) == list(wanted)
