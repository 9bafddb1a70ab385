"""attention_engine: scores of every head, and the projection of contexts of other exponentials.

The softmax between them is the bench: its exponentials and scales are not those of the scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from transfab.quant.bert.softmax import normalize_context, row_reciprocal
from transfab.quant.intmath import Array, Requantize, requantize
from transfab.sim.bench import build_under_test
from transfab.sim.benches.bits import Slice
from transfab.sim.benches.products import Tiles, int8
from transfab.sim.benches.row_streams import Packer, reset_during, zero_padded
from transfab.sim.streams import Sink, Source, clock_and_reset, watchdog

INPUTS = "query", "key", "value", "records", "weights", "exponentials", "scale"
ENTRY = (1 << 14) - 1


@dataclass
class Packet:
    """One sequence: beats of each input, and of both outputs."""

    rows: int
    query: list[int] = field(default_factory=list)
    key: list[int] = field(default_factory=list)
    value: list[int] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    exponentials: list[list[int]] = field(default_factory=list)
    scale: list[int] = field(default_factory=list)
    scores: list[list[int]] = field(default_factory=list)
    sums: list[list[int]] = field(default_factory=list)
    passes: int = 0


def packet(length: int, seed: int) -> Packet:
    """Noise behind the rows of a head, behind records and in weights outside of the matrix."""
    config, engine = build_under_test()
    draw, packer = np.random.default_rng(seed), Packer(engine.beat_bytes, seed)
    size, hidden, tile = config.head_size, config.hidden, engine.attention
    lanes = min(8, tile.simd)
    shift = int(draw.integers(20, 30))
    scalars = draw.integers(-(2**31), 2**31, 7)
    scalars[1] = shift
    one = Packet(length, records=packer.integers(scalars.tolist(), 4))
    totals = np.zeros((length, hidden), np.int64)
    for _ in range(config.heads):
        query, key, value = (int8(draw, length, size) for _ in range(3))
        for name, part in (("query", query), ("key", key), ("value", value)):
            for row in part.tolist():
                getattr(one, name).extend(packer.integers(row, 1))
        one.scores += zero_padded((query @ key.T).astype(np.int64), lanes)

        entries = draw.choice([0, 1, 127, 128, 129, ENTRY], (length, length))
        entries = np.where(
            draw.random(entries.shape) < 0.5, draw.integers(0, ENTRY, entries.shape), entries
        )
        entries[:, 0] = np.maximum(entries[:, 0], 1)
        total = entries.sum(axis=1).astype(np.int32)
        one.exponentials += zero_padded(entries, lanes)
        inverse, pre, post = row_reciprocal(total)
        one.scale += [
            int(a) << 8 | int(b) << 5 | int(c) for a, b, c in zip(inverse, pre, post, strict=True)
        ]
        multiplier = draw.integers(0, 1 << 17, size)
        offset = draw.integers(-100, 100, size) << shift
        noise = draw.integers(-(2**31), 2**31, size)
        one.records += packer.records(noise, multiplier, offset)
        _, mean = normalize_context((entries @ value).astype(np.int32), total)
        scaled = Requantize(multiplier.astype(np.int32), offset, shift)
        context = requantize(mean, scaled, 8)

        matrix = int8(draw, hidden, size)
        tiles = Tiles(packer, draw, matrix, tile.pe, tile.simd)
        one.weights += [
            beat
            for k in range(tiles.columns)
            for n in range(tiles.rows)
            for beat in tiles.beats(n, k)
        ]
        totals += context.astype(np.int64) @ matrix.T
        one.passes += passes(length)
    one.sums = words(totals, tile.pe)
    return one


def passes(length: int) -> int:
    """Of one head."""
    config, engine = build_under_test()
    pe, simd = engine.attention.pe, engine.attention.simd
    depth, channels = -(-config.head_size // simd), -(-config.head_size // pe)
    keys, words_of_keys = -(-length // pe), -(-length // simd)
    return depth * keys + 2 * channels * words_of_keys + depth * -(-config.hidden // pe)


def words(rows: Array, lanes: int) -> list[list[int]]:
    return [row[n : n + lanes] for row in rows.tolist() for n in range(0, len(row), lanes)]


class Engine:
    """The module with its streams; `stalls` of inputs, of the scores, of the sums."""

    def __init__(self, dut: Any, stalls: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> None:
        self.dut, self.shared = dut, dict[str, int]()
        self.rows = [Source(Slice(dut, i, self.shared), "rows", stalls[0], i) for i in range(3)]
        self.sources = {name: Source(dut, name, stalls[0], 1) for name in INPUTS}
        self.scores = Sink(dut, "scores", stalls[1], 2, signed=True)
        self.sums = Sink(dut, "sums", stalls[2], 3, signed=True)

    def send(self, packets: Sequence[Packet]) -> list[Any]:
        lengths = [one.rows for one in packets]
        tasks = [cocotb.start_soon(source.send(lengths)) for source in self.rows]
        for name in INPUTS[:-2]:
            beats = [beat for one in packets for beat in getattr(one, name)]
            tasks.append(cocotb.start_soon(self.sources[name].send(beats)))
        rows: list[int] = []
        tasks.append(cocotb.start_soon(self._exponentials(packets, rows)))
        tasks.append(cocotb.start_soon(self._scales(packets, rows)))
        return tasks

    async def _exponentials(self, packets: Sequence[Packet], rows: list[int]) -> None:
        """`rows` gets those that have been taken: a row's scale comes after its exponentials."""
        for one in packets:
            step = len(one.exponentials) // len(one.scale)
            for at, scale in enumerate(one.scale):
                row = one.exponentials[at * step : (at + 1) * step]
                await self.sources["exponentials"].send(row)
                rows.append(scale)

    async def _scales(self, packets: Sequence[Packet], rows: list[int]) -> None:
        for at in range(sum(len(one.scale) for one in packets)):
            while len(rows) <= at:
                await RisingEdge(self.dut.clk_i)
            await self.sources["scale"].send([rows[at]])

    async def check(self, packets: Sequence[Packet]) -> None:
        """Lanes beyond the keys and beyond the channels hold anything."""
        wanted = [beat for one in packets for beat in one.scores]
        scores = cocotb.start_soon(self.scores.receive(len(wanted)))
        for number, one in enumerate(packets):
            taken = await self.sums.receive(len(one.sums))
            for place, (got, sums) in enumerate(zip(taken, one.sums, strict=True)):
                same = got[: len(sums)] == sums
                assert same, f"sequence {number} sum {place}: {got} and not {sums}"
        for place, (got, beat) in enumerate(zip(await scores, wanted, strict=True)):
            assert got == beat, f"score word {place}: {got} and not {beat}"


def longest() -> int:
    return build_under_test()[1].sequence


def cycles(packets: Sequence[Packet]) -> int:
    """Many more than a run takes."""
    return 3000 + 60 * sum(
        len(one.query + one.weights + one.scores + one.records + one.sums) for one in packets
    )


@cocotb.test()
@cocotb.parametrize(stalls=[(0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.0, 0.8, 0.0), (0.0, 0.0, 0.9)])
async def scores_and_sums_are_exact(dut: Any, stalls: tuple[float, float, float]) -> None:
    engine = Engine(dut, stalls)
    half = (longest() + 1) // 2
    lengths = [1, longest(), longest(), half, half, 1, 1, 2, 3, half + 1, 1]
    packets = [packet(length, seed) for seed, length in enumerate(lengths)]
    await clock_and_reset(dut)
    async with watchdog(dut, cycles(packets)):
        engine.send(packets)
        await engine.check(packets)


@cocotb.test()
async def every_pass_enters_the_array_once(dut: Any) -> None:
    engine, one = Engine(dut), packet(longest(), 5)
    await clock_and_reset(dut)
    busy = 0
    async with watchdog(dut, cycles([one])):
        engine.send([one])
        checking = cocotb.start_soon(engine.check([one]))
        while not checking.done():
            await ClockCycles(dut.clk_i, 1)
            kinds = int(dut.busy_o.value)
            assert kinds in (0, 1, 2, 4)
            busy += kinds != 0
    assert busy == longest() * one.passes


@cocotb.test()
async def reset_forgets_the_sequence(dut: Any) -> None:
    engine = Engine(dut)
    await clock_and_reset(dut)
    # The first head's scores alone, the first ones taken, and so far that contexts are made.
    for taken, after in ((0, 3), (0, 40), (1, 120), (7, 0), (longest(), 300), (0, 900)):
        tasks = engine.send([packet(longest(), after), packet(3, after)])
        async with watchdog(dut, 3000):
            await engine.scores.receive(taken)
        await ClockCycles(dut.clk_i, after)
        dut.rst_ni.value = 0
        await ClockCycles(dut.clk_i, 1)
        for task in tasks:
            task.cancel()
        engine.shared.clear()
        dut.rows_valid_i.value = 0
        await reset_during(dut, [], INPUTS)
        packets = [packet(2, after + 1), packet(5, after + 2)]
        async with watchdog(dut, cycles(packets)):
            engine.send(packets)
            await engine.check(packets)
