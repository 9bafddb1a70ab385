"""tile_loader: beats are counted into a tile, which waits for its swap."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from transfab.sim.bench import build_under_test, parameters_under_test
from transfab.sim.streams import clock_and_reset


@cocotb.test()
@cocotb.parametrize(share=[1.0, 0.5])
async def a_tile_is_full_until_its_swap(dut: Any, share: float) -> None:
    given, draw, edge = parameters_under_test(), random.Random(share), RisingEdge(dut.clk_i)
    beats = -(-given["Pe"] * given["Simd"] // build_under_test()[1].beat_bytes)
    dut.weights_valid_i.value = dut.swap_i.value = 0
    await clock_and_reset(dut)
    index, full, tiles = 0, False, 0
    for cycle in range(600):
        await edge
        valid, swap = bool(dut.weights_valid_i.value), bool(dut.swap_i.value)
        assert bool(dut.full_o.value) == full and bool(dut.weights_ready_o.value) != full
        assert bool(dut.write_o.value) == (valid and not full)
        assert int(dut.write_index_o.value) == index
        if valid and not full:
            full = index == beats - 1
            index = 0 if full else index + 1
        elif swap:
            full = False
            tiles += 1
        dut.weights_valid_i.value = int(draw.random() < share)
        # In the cycle after a swap, and only of a full tile.
        dut.swap_i.value = int(full and draw.random() < share)
        if cycle in (200, 203):
            dut.rst_ni.value, index, full = 0, 0, False
            dut.weights_valid_i.value = dut.swap_i.value = 0
            await edge
            dut.rst_ni.value = 1
    assert tiles > 10
