"""Streams of the row operators as integers a beat, with noise wherever a reader must not look.

Constants are packed here from the document, not by `quant.contract`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from transfab.quant.intmath import Array
from transfab.sim.streams import wire

Task = cocotb.task.Task[Any]


class Packer:
    """Makes beats of `width` bytes; padding is random."""

    def __init__(self, width: int, seed: int) -> None:
        self.width, self._draw = width, random.Random(f"{seed} padding")

    def beats(self, data: bytes) -> list[int]:
        """A section: whole beats, the last one filled with noise."""
        data += self._draw.randbytes(-len(data) % self.width)
        step = self.width
        return [int.from_bytes(data[i : i + step], "little") for i in range(0, len(data), step)]

    def integers(self, values: Sequence[int], size: int) -> list[int]:
        """A section of integers of `size` bytes, two's complement."""
        return self.beats(b"".join((v % 256**size).to_bytes(size, "little") for v in values))

    def records(self, first: Array, multiplier: Array, offset: Array) -> list[int]:
        """A section of records: int32, int32, int64."""
        columns = zip(first.tolist(), multiplier.tolist(), offset.tolist(), strict=True)
        return self.integers(
            [a % 2**32 | b % 2**32 << 32 | c % 2**64 << 64 for a, b, c in columns], 16
        )

    def residual(self, mask: Array, rows: Array) -> tuple[list[int], list[int]]:
        """A residual packet (S,) and (S, E): beats of its mask, beats of its rows."""
        size = rows.dtype.itemsize
        beats = [beat for row in rows.tolist() for beat in self.integers(row, size)]
        return self.integers(mask.tolist(), 1), beats

    def words(self, rows: Array, lanes: int, bits: int) -> list[list[int]]:
        """Rows (S, E) as words of lanes, noise of `bits` bits in the surplus lanes."""
        surplus = -rows.shape[1] % lanes
        made = []
        for row in rows.tolist():
            row += [self._draw.getrandbits(bits) for _ in range(surplus)]
            made += [row[i : i + lanes] for i in range(0, len(row), lanes)]
        return made


def zero_padded(rows: Array, lanes: int) -> list[list[int]]:
    """Rows (S, E) as words of lanes, zero in the surplus lanes."""
    return [
        [*row[i : i + lanes], *[0] * (i + lanes - len(row))]
        for row in rows.tolist()
        for i in range(0, len(row), lanes)
    ]


def move_times(dut: Any, name: str) -> list[int]:
    """A list that grows by the cycle of each beat of a stream, into the module or out of it."""
    out = hasattr(dut, f"{name}_valid_o")
    valid = wire(dut, name, "valid_o" if out else "valid_i")
    ready = wire(dut, name, "ready_i" if out else "ready_o")
    times: list[int] = []

    async def watch() -> None:
        edge, cycle = RisingEdge(dut.clk_i), 0
        while True:
            await edge
            if valid.value and ready.value:
                times.append(cycle)
            cycle += 1

    cocotb.start_soon(watch())
    return times


async def reset_during(dut: Any, tasks: Sequence[Task], inputs: Sequence[str]) -> None:
    """Reset while the tasks still drive their inputs, which end with it."""
    dut.rst_ni.value = 0
    await ClockCycles(dut.clk_i, 1)
    for task in tasks:
        task.cancel()
    for name in inputs:
        wire(dut, name, "valid_i").value = 0
    await ClockCycles(dut.clk_i, 2)
    dut.rst_ni.value = 1
    await ClockCycles(dut.clk_i, 1)
