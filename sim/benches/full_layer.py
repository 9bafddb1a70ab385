"""The layer at full size, every output byte compared, by drivers that wake only when a beat moves.

Packets are files of the folder that TRANSFAB_PACKETS names: {packet}.bin; S is that of `output`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import First, RisingEdge, Timer

from transfab.quant.contract.packets import beats_of
from transfab.quant.contract.registers import OFFSETS
from transfab.quant.contract.tops import TOPS
from transfab.sim.bench import build_under_test
from transfab.sim.streams import PERIOD

PACKETS = "TRANSFAB_PACKETS"
TOP = TOPS["layer"]
START, DONE, IDLE = 1, 2, 4
# Of the products' cycles of all four stages one after the other, a few times over.
PATIENCE = 3_000_000


def beats(name: str) -> list[int]:
    width = build_under_test()[1].beat_bytes
    data = (Path(os.environ[PACKETS]) / f"{name}.bin").read_bytes()
    return [int.from_bytes(data[i : i + width], "little") for i in range(0, len(data), width)]


async def send(dut: Any, name: str, packet: list[int]) -> None:
    """A beat stands until it is taken; while ready is low, nothing wakes this."""
    data, ready = getattr(dut, f"{name}_TDATA"), getattr(dut, f"{name}_TREADY")
    edge, rises = RisingEdge(dut.ap_clk), RisingEdge(ready)
    data.value = packet[0]
    getattr(dut, f"{name}_TVALID").value = 1
    at, last = 0, len(packet) - 1
    await edge
    while True:
        if ready.value:
            if at == last:
                break
            at += 1
            data.value = packet[at]
            await edge
        else:
            await rises
            await edge
    getattr(dut, f"{name}_TVALID").value = 0


async def receive(dut: Any, name: str, packet: list[int]) -> None:
    """Compare beat after beat; while valid is low, nothing wakes this."""
    data, valid, last = (getattr(dut, f"{name}_{field}") for field in ("TDATA", "TVALID", "TLAST"))
    edge, rises = RisingEdge(dut.ap_clk), RisingEdge(valid)
    getattr(dut, f"{name}_TREADY").value = 1
    await edge
    for at, wanted in enumerate(packet):
        while not valid.value:
            await rises
            await edge
        got = int(data.value)
        if got != wanted:
            width = build_under_test()[1].beat_bytes
            pair = zip(got.to_bytes(width, "little"), wanted.to_bytes(width, "little"), strict=True)
            byte, values = next((i, both) for i, both in enumerate(pair) if both[0] != both[1])
            raise AssertionError(f"beat {at} byte {byte} must be {values[1]}, not {values[0]}")
        assert bool(last.value) == (at == len(packet) - 1), f"beat {at} and its TLAST"
        await edge
    assert not valid.value


async def write(dut: Any, name: str, value: int) -> None:
    """One access at a time, each channel taken at once."""
    edge = RisingEdge(dut.ap_clk)
    dut.s_axi_control_AWADDR.value, dut.s_axi_control_WDATA.value = OFFSETS[name], value
    dut.s_axi_control_WSTRB.value = 15
    dut.s_axi_control_AWVALID.value = dut.s_axi_control_WVALID.value = 1
    await edge
    while not (dut.s_axi_control_AWREADY.value and dut.s_axi_control_WREADY.value):
        await edge
    dut.s_axi_control_AWVALID.value = dut.s_axi_control_WVALID.value = 0
    while not dut.s_axi_control_BVALID.value:
        await edge
    await edge


async def read(dut: Any, name: str) -> int:
    edge = RisingEdge(dut.ap_clk)
    dut.s_axi_control_ARADDR.value, dut.s_axi_control_ARVALID.value = OFFSETS[name], 1
    await edge
    while not dut.s_axi_control_ARREADY.value:
        await edge
    dut.s_axi_control_ARVALID.value = 0
    while not dut.s_axi_control_RVALID.value:
        await edge
    return int(dut.s_axi_control_RDATA.value)


async def start(dut: Any, sequence: int) -> None:
    dut.ap_rst_n.value = 0
    for name in ("AWVALID", "WVALID", "ARVALID"):
        getattr(dut, f"s_axi_control_{name}").value = 0
    for name in ("BREADY", "RREADY"):
        getattr(dut, f"s_axi_control_{name}").value = 1
    for packet in TOP.inputs:
        getattr(dut, f"{packet}_TVALID").value = 0
    Clock(dut.ap_clk, PERIOD, "ns").start()
    for _ in range(4):
        await RisingEdge(dut.ap_clk)
    dut.ap_rst_n.value = 1
    await RisingEdge(dut.ap_clk)
    await write(dut, "sequence", sequence)
    await write(dut, "control", START)


@cocotb.test()
async def every_byte_is_as_expected(dut: Any) -> None:
    config, engine = build_under_test()
    packets = {name: beats(name) for name in (*TOP.inputs, TOP.output)}
    lengths = range(1, engine.sequence + 1)
    count = len(packets[TOP.output])
    (sequence,) = (s for s in lengths if beats_of(config, engine, TOP.output, s) == count)
    await start(dut, sequence)
    for name in TOP.inputs:
        cocotb.start_soon(send(dut, name, packets[name]))
    receiving = cocotb.start_soon(receive(dut, TOP.output, packets[TOP.output]))
    await First(receiving, Timer(PATIENCE * PERIOD, "ns"))
    assert receiving.done(), f"not finished after {PATIENCE} cycles"
    assert await read(dut, "control") & (DONE | IDLE) == DONE | IDLE
