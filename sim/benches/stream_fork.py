"""stream_fork: every output gets every element once, each at its own pace."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from transfab.sim.bench import parameters_under_test
from transfab.sim.streams import Source, clock_and_reset, watchdog

COUNT = 200


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.5])
async def gives_each_output_each_element_once(dut: Any, stall: float) -> None:
    outputs, draw = parameters_under_test()["Outputs"], random.Random(3)
    source = Source(dut, "in", stall, 1, fields=())
    dut.out_ready_i.value = 0
    await clock_and_reset(dut)
    sending = cocotb.start_soon(source.send(range(COUNT)))
    taken, sent, ready, held = [0] * outputs, 0, 0, 0
    async with watchdog(dut, 50 * COUNT):
        while not sending.done():
            await RisingEdge(dut.clk_i)
            valid = int(dut.out_valid_o.value)
            assert valid & held == held, "valid fell before ready"
            held = valid & ~ready
            for output in range(outputs):
                taken[output] += (valid & ready) >> output & 1
            sent += int(dut.in_valid_i.value) & int(dut.in_ready_o.value)
            # None is ahead of the input by more than the element that waits for the others.
            assert all(sent <= count <= sent + 1 for count in taken), (taken, sent)
            ready = draw.getrandbits(outputs) if stall else (1 << outputs) - 1
            dut.out_ready_i.value = ready
    assert sent == COUNT and taken == [COUNT] * outputs
