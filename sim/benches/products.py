"""What benches of matrix units share: int8 operands and tiles as beats, ports without ready.

Tiles are packed here from the document, with noise wherever a reader must not look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from transfab.quant.intmath import Array
from transfab.sim.benches.row_streams import Packer
from transfab.sim.streams import get, wire

Generator = np.random.Generator


def int8(draw: Generator, *shape: int, lowest: int = -127) -> Array:
    """Integers in [lowest, 127], many at the ends."""
    made = draw.integers(lowest, 127, shape, endpoint=True)
    return np.where(draw.random(shape) < 0.3, draw.choice([lowest, 127], shape), made)


class Tiles:
    """A weight matrix (N, K) in tiles of pe x simd, noise outside of it."""

    def __init__(self, packer: Packer, draw: Generator, matrix: Array, pe: int, simd: int) -> None:
        rows, columns = matrix.shape
        self.rows, self.columns = -(-rows // pe), -(-columns // simd)
        padded = int8(draw, self.rows * pe, self.columns * simd, lowest=-128)
        padded[:rows, :columns] = matrix
        self._padded, self._packer, self._pe, self._simd = padded, packer, pe, simd

    def beats(self, n: int, k: int) -> list[int]:
        """Tile (n, k)."""
        pe, simd = self._pe, self._simd
        tile = self._padded[n * pe : (n + 1) * pe, k * simd : (k + 1) * simd]
        return self._packer.integers(tile.ravel().tolist(), 1)


class Pulses:
    """What a unit without back-pressure gives: its fields in every cycle that is valid.

    fields  `name_{field}_o`, several
    taken   a dict of them each
    cycles  of each, counted from the first edge
    """

    def __init__(self, dut: Any, name: str, fields: Sequence[str]) -> None:
        self.taken: list[dict[str, Any]] = []
        self.cycles: list[int] = []
        self._edge = RisingEdge(dut.clk_i)
        self._valid, self._reset = wire(dut, name, "valid_o"), dut.rst_ni
        self._fields = {field: wire(dut, name, f"{field}_o") for field in fields}
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        cycle = 0
        while True:
            await self._edge
            cycle += 1
            if self._reset.value and self._valid.value:
                made = {field: get(handle, True) for field, handle in self._fields.items()}
                self.taken.append(made)
                self.cycles.append(cycle)

    async def receive(self, count: int) -> list[dict[str, Any]]:
        """The next `count` of them."""
        while len(self.taken) < count:
            await self._edge
        made, self.taken = self.taken[:count], self.taken[count:]
        return made
