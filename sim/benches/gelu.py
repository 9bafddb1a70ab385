"""gelu: every int16 at the ends of the fraction bits, GELU's own table and one of noise."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from transfab.quant.bert.gelu import gelu
from transfab.quant.config import GELU_ENTRIES
from transfab.quant.intmath import Int16Array, gelu_table
from transfab.sim.bench import parameters_under_test
from transfab.sim.benches.lane_words import start_clock, through

LATENCY, INDEX_SHIFT = 3, 6


async def write(dut: Any, table: Int16Array, draw: random.Random) -> None:
    """An entry a cycle, in any order; what stands at the port before and after must not enter."""
    dut.enable_i.value, dut.write_i.value = 0, 1
    for index in draw.sample(range(GELU_ENTRIES), GELU_ENTRIES):
        dut.write_index_i.value, dut.write_value_i.value = index, int(table[index])
        await RisingEdge(dut.clk_i)
    dut.write_i.value, dut.write_index_i.value, dut.write_value_i.value = 0, 3, 0x5A5A


@cocotb.test()
@cocotb.parametrize((("fraction_bits", "stall"), [(6, 0.0), (9, 0.3), (14, 0.0)]))
async def gives_gelu_of_every_value(dut: Any, fraction_bits: int, stall: float) -> None:
    lanes, draw = parameters_under_test()["Lanes"], random.Random(fraction_bits)
    noise = np.array([draw.randrange(1 << 15) for _ in range(GELU_ENTRIES)], np.int16)
    values = np.arange(-32767, 32768, dtype=np.int16)
    # Every value once, or 2000 of them.
    some = np.array([-32767, -1, 0, 1, 32767, *draw.sample(range(-32767, 32768), 2000)], np.int16)
    start_clock(dut)
    for table, given in ((gelu_table(fraction_bits), values), (noise, some)):
        padded = np.pad(given, (0, -len(given) % lanes)).reshape(-1, lanes)
        if stall:
            padded = padded[:: max(1, len(padded) // 500)]
        await write(dut, table, draw)
        shift = fraction_bits - INDEX_SHIFT
        words = [{"value_i": word, "shift_i": shift} for word in padded.tolist()]
        wanted = gelu(padded, table, fraction_bits).tolist()
        assert await through(dut, words, "value_o", LATENCY, stall) == wanted
