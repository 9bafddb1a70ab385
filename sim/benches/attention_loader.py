"""attention_loader: the shadow that each job's tiles make, out of keys, values and weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from transfab.quant.intmath import Array
from transfab.sim.bench import build_under_test
from transfab.sim.benches.products import Tiles, int8
from transfab.sim.benches.row_streams import Packer, reset_during
from transfab.sim.streams import Source, clock_and_reset, watchdog

INPUTS = "key", "value", "weights"
SCORES, CONTEXT, PROJECTION = range(3)


@dataclass
class Head:
    """One head: beats of each input, and its jobs with the tiles that each must make."""

    rows: int
    key: list[int] = field(default_factory=list)
    value: list[int] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    jobs: list[tuple[int, list[Array]]] = field(default_factory=list)


def tiles_of(matrix: Array, pe: int, simd: int) -> dict[tuple[int, int], Array]:
    """Tiles (n, k) of a matrix (N, K), zero outside of it."""
    rows, columns = -(-matrix.shape[0] // pe), -(-matrix.shape[1] // simd)
    padded = np.zeros((rows * pe, columns * simd), np.int64)
    padded[: matrix.shape[0], : matrix.shape[1]] = matrix
    return {
        (n, k): padded[n * pe : (n + 1) * pe, k * simd : (k + 1) * simd]
        for n in range(rows)
        for k in range(columns)
    }


def head(rows: int, seed: int) -> Head:
    """Noise behind the rows of key and value."""
    config, engine = build_under_test()
    draw, packer = np.random.default_rng(seed), Packer(engine.beat_bytes, seed)
    size, pe, simd = config.head_size, engine.attention.pe, engine.attention.simd
    one = Head(rows)
    key, value = int8(draw, rows, size), int8(draw, rows, size)
    for name, part in (("key", key), ("value", value)):
        for row in part.tolist():
            getattr(one, name).extend(packer.integers(row, 1))
    # By tile of keys, then by depth; by tile of channels, then by keys; by depth, then by channel.
    scores, context = tiles_of(key, pe, simd), tiles_of(value.T, pe, simd)
    # Channels beyond the head may be anything: their sums are not used.
    channels = {place: tile[: size - place[0] * pe] for place, tile in context.items()}
    one.jobs = [(SCORES, list(scores.values())), (CONTEXT, list(channels.values()))]
    matrix = int8(draw, config.hidden, size)
    # Weights are taken as they come: what is outside of the matrix, too.
    weights = Tiles(packer, draw, matrix, pe, simd)
    made = []
    for k in range(weights.columns):
        for n in range(weights.rows):
            beats = weights.beats(n, k)
            one.weights += beats
            data = b"".join(beat.to_bytes(engine.beat_bytes, "little") for beat in beats)
            tile = np.frombuffer(data, np.int8)[: pe * simd].reshape(pe, simd)
            made.append(tile.astype(np.int64))
    one.jobs.append((PROJECTION, made))
    return one


class Loader:
    """The module, its streams, and the shadow that its writes make."""

    def __init__(self, dut: Any, stall: float = 0.0) -> None:
        _, engine = build_under_test()
        self.pe, self.simd = engine.attention.pe, engine.attention.simd
        self.width = engine.beat_bytes
        self.dut, self.edge = dut, RisingEdge(dut.clk_i)
        self.sources = {name: Source(dut, name, stall, 1) for name in INPUTS}
        self.jobs = Source(dut, "job", 0.0, 2, fields=("kind", "rows"))
        self.shadow = np.zeros((self.pe, self.simd), np.int64)
        dut.swap_i.value = 0
        cocotb.start_soon(self._write())

    async def _write(self) -> None:
        dut = self.dut
        groups = self.width // self.simd
        while True:
            await self.edge
            ways = [
                int(getattr(dut, f"write_{name}_o").value) for name in ("beat", "row", "column")
            ]
            assert sum(ways) < 2
            index = int(dut.write_index_o.value)
            data = int8s(int(dut.write_data_o.value), self.width)
            if ways[0]:
                for g in range(min(groups, self.pe - index * groups)):
                    self.shadow[index * groups + g] = data[g * self.simd : (g + 1) * self.simd]
            if ways[1]:
                self.shadow[index] = data[: self.simd]
            if ways[2]:
                self.shadow[:, index] = int8s(int(dut.write_lanes_o.value), self.pe)

    def send(self, heads: Sequence[Head]) -> list[Any]:
        jobs = [{"kind": kind, "rows": one.rows} for one in heads for kind, _ in one.jobs]
        beats = {name: [beat for one in heads for beat in getattr(one, name)] for name in INPUTS}
        return [
            cocotb.start_soon(self._jobs(heads, jobs)),
            *(cocotb.start_soon(self.sources[name].send(beats[name])) for name in INPUTS),
        ]

    async def _jobs(self, heads: Sequence[Head], jobs: list[dict[str, int]]) -> None:
        """A job is given when its rows are there."""
        for job in jobs:
            loaded = {SCORES: self.dut.key_loaded_o, CONTEXT: self.dut.value_loaded_o}
            while job["kind"] in loaded and int(loaded[job["kind"]].value) < job["rows"]:
                await self.edge
            await self.jobs.send([job])
            # The count falls a cycle after the last tile.
            await self.edge

    async def check(self, heads: Sequence[Head], pause: int) -> None:
        dut = self.dut
        for number, one in enumerate(heads):
            for kind, tiles in one.jobs:
                for place, tile in enumerate(tiles):
                    async with watchdog(dut, 2000):
                        while not dut.full_o.value:
                            await self.edge
                    shadow = self.shadow[: len(tile)]
                    same = np.array_equal(shadow, tile)
                    assert same, f"head {number} job {kind} tile {place}: {shadow} not {tile}"
                    # It is held until it is put in place.
                    await ClockCycles(dut.clk_i, pause)
                    assert np.array_equal(shadow, tile) and dut.full_o.value
                    dut.swap_i.value = 1
                    await self.edge
                    dut.swap_i.value = 0
                    await self.edge


def int8s(word: int, count: int) -> Array:
    return np.frombuffer(word.to_bytes(count, "little"), np.int8).astype(np.int64)


def longest() -> int:
    return build_under_test()[1].sequence


@cocotb.test()
@cocotb.parametrize(given=[(0.0, 0), (0.5, 1), (0.0, 9)])
async def tiles_are_exact(dut: Any, given: tuple[float, int]) -> None:
    loader = Loader(dut, given[0])
    heads = [head(rows, seed) for seed, rows in enumerate([1, longest(), longest(), 2, 1, 5, 1])]
    await clock_and_reset(dut)
    loader.send(heads)
    await loader.check(heads, given[1])


@cocotb.test()
async def a_tile_costs_its_rows_columns_or_beats(dut: Any) -> None:
    config, engine = build_under_test()
    loader, one = Loader(dut), head(longest(), 1)
    await clock_and_reset(dut)
    loader.send([one])
    row_beats = -(-config.head_size // engine.beat_bytes)
    # Two cycles more for what the rings have read last.
    tile_beats = -(-loader.pe * loader.simd // engine.beat_bytes)
    costs = {SCORES: loader.pe + 2, CONTEXT: loader.simd * row_beats + 2, PROJECTION: tile_beats}
    for kind, tiles in one.jobs:
        for place in range(len(tiles)):
            cycles = 0
            async with watchdog(dut, 3000):
                while not dut.full_o.value:
                    await loader.edge
                    cycles += 1
            # The first of a job waits for the job.
            assert place == 0 or cycles == costs[kind], (kind, place, cycles)
            dut.swap_i.value = 1
            await loader.edge
            dut.swap_i.value = 0
            await loader.edge


@cocotb.test()
async def reset_forgets_the_job(dut: Any) -> None:
    loader = Loader(dut)
    await clock_and_reset(dut)
    for after in (3, 20, 45, 100):
        tasks = loader.send([head(longest(), after)])
        await ClockCycles(dut.clk_i, after)
        dut.swap_i.value = 1
        await ClockCycles(dut.clk_i, after)
        dut.swap_i.value = 0
        await reset_during(dut, tasks, (*INPUTS, "job"))
        heads = [head(3, after + 1), head(longest(), after + 2)]
        loader.send(heads)
        await loader.check(heads, 0)
