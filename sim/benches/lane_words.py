"""Words of lanes through arithmetic of a fixed latency under an enable, with noise while it is low.

A port that is an unpacked array takes a list of lanes, any other an integer.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from transfab.sim.streams import PERIOD, get, put

Word = Mapping[str, Any]


async def through(
    dut: Any, words: Sequence[Word], out: str, latency: int, stall: float, signed: bool = True
) -> list[Any]:
    """What leaves port `out` for each word, `latency` enabled cycles after it entered.

    words  values of input ports, one word an enabled cycle
    stall  share of cycles in [0, 1) that are not enabled and show other words at the inputs
    """
    draw, edge, left = random.Random(f"{stall} enable"), RisingEdge(dut.clk_i), []
    for cycle in range(len(words) + latency):
        while stall and draw.random() < stall:
            drive(dut, draw.choice(words))
            dut.enable_i.value = 0
            await edge
        drive(dut, words[min(cycle, len(words) - 1)])
        dut.enable_i.value = 1
        await edge
        if cycle >= latency:
            left.append(get(getattr(dut, out), signed))
    dut.enable_i.value = 0
    return left


def start_clock(dut: Any) -> None:
    """For modules without a reset."""
    Clock(dut.clk_i, PERIOD, "ns").start()


def drive(dut: Any, word: Word) -> None:
    for name, value in word.items():
        put(getattr(dut, name), value)
