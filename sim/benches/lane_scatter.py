"""lane_scatter: bytes anywhere among the blocks of a row, read as blocks."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from transfab.sim.bench import parameters_under_test
from transfab.sim.benches.lane_words import start_clock
from transfab.sim.streams import put

Memory = dict[tuple[int, int], list[int | None]]


@cocotb.test()
async def blocks_are_read_as_written(dut: Any) -> None:
    given = parameters_under_test()
    lanes, block, banks, words = (given[name] for name in ("Lanes", "Block", "Banks", "Words"))
    draw, edge = random.Random(lanes), RisingEdge(dut.clk_i)
    memory: Memory = {(b, w): [None] * block for b in range(banks) for w in range(words)}
    pending: list[tuple[int, int, int, int]] = []
    wanted: list[int | None] | None = None
    dut.write_i.value = dut.read_i.value = 0
    start_clock(dut)
    await edge
    compared = 0
    for _ in range(1500):
        await edge
        # A word stands until the next read.
        if wanted is not None:
            got = int(dut.read_word_o.value).to_bytes(block, "little")
            for is_, byte in zip(got, wanted, strict=True):
                assert byte in (None, is_)
                compared += byte is not None
        if dut.read_i.value:
            place = int(dut.read_bank_i.value), int(dut.read_address_i.value)
            coming: list[int | None] | None = list(memory[place])
        else:
            coming = wanted
        # A write is in memory after the read of the next cycle.
        for bank, address, at, byte in pending:
            memory[bank, address][at] = byte
        pending = []
        if dut.write_i.value:
            begin, offset = int(dut.write_bank_i.value), int(dut.write_offset_i.value)
            addresses = [int(one.value) for one in dut.write_address_i]
            for lane, one in enumerate(dut.write_data_i):
                bank = (begin + (offset + lane) // block) % banks
                at = (offset + lane) % block
                pending.append((bank, addresses[bank], at, int(one.value) % 256))
        wanted = coming
        dut.write_i.value = int(draw.random() < 0.5)
        dut.write_bank_i.value, dut.write_offset_i.value = (
            draw.randrange(banks),
            draw.randrange(block),
        )
        put(dut.write_address_i, [draw.randrange(words) for _ in range(banks)])
        put(dut.write_data_i, [draw.randrange(-128, 128) for _ in range(lanes)])
        dut.read_i.value = int(draw.random() < 0.5)
        dut.read_bank_i.value, dut.read_address_i.value = (
            draw.randrange(banks),
            draw.randrange(words),
        )
    assert compared > 100 * block
