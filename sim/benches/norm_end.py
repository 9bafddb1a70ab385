"""norm_end: sums by tile and the skip packet to the residual packet, against `quant.bert`."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from transfab.quant.bert.layernorm import LayerNorm, layernorm
from transfab.quant.bert.residual import ResidualLinear, residual
from transfab.quant.intmath import limit
from transfab.sim.bench import build_under_test, parameters_under_test
from transfab.sim.benches.bits import Slice
from transfab.sim.benches.row_streams import Packer, reset_during, zero_padded
from transfab.sim.streams import Sink, Source, clock_and_reset, watchdog

TOP = 2**17 - 1
RESIDUAL, NORM = 1, 2


@dataclass
class Packet:
    """One sequence: parameters with who reads them, the other inputs, the output."""

    rows: int
    parameters: list[tuple[int, int]]
    sums: list[list[int]]
    skip: list[int]
    out: list[dict[str, int]]


def packet(rows: int, seed: int) -> Packet:
    config, engine = build_under_test()
    given = parameters_under_test()
    draw, pack = np.random.default_rng(seed), Packer(engine.beat_bytes, seed)
    size, bits = config.hidden, config.residual_bits
    dtype = np.int16 if bits == 16 else np.int8
    acc = draw.integers(-(2**22), 2**22, (rows, size)).astype(np.int32)
    skip = draw.integers(-limit(bits), limit(bits) + 1, (rows, size)).astype(dtype)
    mask = draw.integers(0, 2, rows).astype(np.uint8)
    bias = draw.integers(-(2**20), 2**20, size).astype(np.int32)
    shift, skip_shift = int(draw.integers(22, 28)), int(draw.integers(0, 6))
    skip_multiplier = draw.integers(0, TOP, size).astype(np.int32)
    sums = ResidualLinear(
        np.zeros((size, 1), np.int8),
        bias,
        draw.integers(0, TOP, size).astype(np.int32),
        skip_multiplier,
        draw.integers(-9, 9, size) << shift,
        shift,
        skip_shift,
    )
    norm = LayerNorm(
        draw.integers(-TOP, TOP, size).astype(np.int32),
        draw.integers(-99, 99, size) << 30,
        int(draw.integers(28, 34)),
        int(draw.integers(1, 1 << 40)),
    )
    scalars = draw.integers(0, 2**32, given["Scalars"]).tolist()
    at, low = given["ResidualScalars"], norm.epsilon % 2**32
    scalars[at : at + 5] = [shift, skip_shift, norm.shift, low, norm.epsilon >> 32]
    # Of a record of both, each reads its own.
    parameters = [(RESIDUAL | NORM, beat) for beat in pack.integers(scalars, 4)]
    first = pack.records(bias, sums.multiplier, sums.offset)
    second = pack.records(skip_multiplier, norm.gain, norm.offset)
    parameters += [(RESIDUAL, beat) for beat in first] + [
        (RESIDUAL | NORM, beat) for beat in second
    ]
    mask_beats, skip_beats = pack.residual(mask, skip)
    zeros = np.zeros(-rows % engine.beat_bytes, np.uint8)
    out = pack.integers(np.append(mask, zeros).tolist(), 1)
    lanes, top = 8 * engine.beat_bytes // bits, 2**bits - 1
    made = layernorm(config, norm, residual(sums, acc, skip))["output"]
    for word in zero_padded(made, lanes):
        out += pack.integers([lane & top for lane in word], bits // 8)
    return Packet(
        rows,
        parameters,
        pack.words(acc - bias, given["Pe"], 26),
        mask_beats + skip_beats,
        [{"data": beat, "last": int(i == len(out) - 1)} for i, beat in enumerate(out)],
    )


class End:
    """The module with its streams; `stalls` of inputs, of the output."""

    def __init__(self, dut: Any, stalls: tuple[float, float] = (0.0, 0.0)) -> None:
        self.dut, self.edge, self.shared = dut, RisingEdge(dut.clk_i), dict[str, int]()
        slices = [Slice(dut, i, self.shared) for i in range(2)]
        self.rows = [Source(one, "rows", stalls[0], i) for i, one in enumerate(slices)]
        self.sources = {name: Source(dut, name, stalls[0], 2) for name in ("sums", "skip")}
        self.out = Sink(dut, "out", stalls[1], 3, fields=("data", "last"))
        self.stall, self.random = stalls[0], random.Random(7)
        dut.parameters_valid_i.value = 0

    async def _parameters(self, beats: list[tuple[int, int]]) -> None:
        """A beat to both is taken by each when it is ready."""
        dut = self.dut
        for readers, beat in beats:
            while self.random.random() < self.stall:
                await self.edge
            dut.parameters_data_i.value = beat
            left = readers
            while left:
                dut.parameters_valid_i.value = left
                await self.edge
                left &= ~int(dut.parameters_ready_o.value)
            dut.parameters_valid_i.value = 0

    def send(self, packets: list[Packet]) -> list[Any]:
        lengths = [one.rows for one in packets]
        parameters = [beat for one in packets for beat in one.parameters]
        return [
            cocotb.start_soon(self._parameters(parameters)),
            *(cocotb.start_soon(source.send(lengths)) for source in self.rows),
            *(
                cocotb.start_soon(
                    source.send([beat for one in packets for beat in getattr(one, name)])
                )
                for name, source in self.sources.items()
            ),
        ]

    async def check(self, packets: list[Packet]) -> None:
        for number, one in enumerate(packets):
            got = await self.out.receive(len(one.out))
            for place, (is_, wanted) in enumerate(zip(got, one.out, strict=True)):
                assert is_ == wanted, f"sequence {number} beat {place}: {is_} and not {wanted}"


def longest() -> int:
    return build_under_test()[1].sequence


@cocotb.test()
@cocotb.parametrize(stalls=[(0.0, 0.0), (0.4, 0.0), (0.0, 0.7)])
async def rows_are_exact(dut: Any, stalls: tuple[float, float]) -> None:
    end = End(dut, stalls)
    packets = [packet(rows, seed) for seed, rows in enumerate([1, longest(), 3, 1, 1, 9])]
    await clock_and_reset(dut)
    async with watchdog(dut, 30000):
        end.send(packets)
        await end.check(packets)


@cocotb.test()
async def reset_in_mid_packet_leaves_nothing(dut: Any) -> None:
    end = End(dut)
    await clock_and_reset(dut)
    async with watchdog(dut, 20000):
        for taken in (0, 1, 4):
            tasks = end.send([packet(longest(), taken)])
            await end.out.receive(taken)
            dut.rst_ni.value = 0
            await ClockCycles(dut.clk_i, 1)
            for task in tasks:
                task.cancel()
            end.shared.clear()
            dut.rows_valid_i.value = dut.parameters_valid_i.value = 0
            await reset_during(dut, [], tuple(end.sources))
            packets = [packet(3, taken + 9), packet(longest(), taken + 10)]
            end.send(packets)
            await end.check(packets)
