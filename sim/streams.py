"""Drivers and monitors of valid/ready streams for cocotb, lean: integers a beat, no objects.

A stream `name` of a module has `name_valid_i`, `name_ready_o` and fields, usually the one
`name_data_i`; out of it, `_i` and `_o` change places. A field that is an unpacked array takes and
gives a list of lanes. Every wire is sampled at the rising edge, before the design changes it.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import cocotb
from cocotb.clock import Clock
from cocotb.handle import ArrayObject, LogicObject
from cocotb.triggers import RisingEdge

Value = int | list[int]
Beat = Value | dict[str, Value]
PERIOD: Final = 10  # ns
RESET_CYCLES: Final = 4


async def clock_and_reset(dut: Any) -> None:
    """Start the clock `clk_i` and hold `rst_ni` low for some edges; streams are made before."""
    dut.rst_ni.value = 0
    Clock(dut.clk_i, PERIOD, "ns").start()
    for _ in range(RESET_CYCLES):
        await RisingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    await RisingEdge(dut.clk_i)


class Source:
    """Sends beats into a stream.

    stall   share of cycles in [0, 1) without a valid beat, drawn from `seed`
    fields  `name_{field}_i`, one of them: a beat is its value; none: a beat is anything
    """

    def __init__(
        self,
        dut: Any,
        name: str,
        stall: float = 0.0,
        seed: int = 0,
        fields: Sequence[str] = ("data",),
    ) -> None:
        self._edge, self._stall = RisingEdge(dut.clk_i), stall
        self._random = random.Random(f"{seed} source {name}")
        self._valid, self._ready = wire(dut, name, "valid_i"), wire(dut, name, "ready_o")
        self._fields = {field: wire(dut, name, f"{field}_i") for field in fields}
        self._valid.value = 0

    async def send(self, beats: Iterable[Any]) -> None:
        """Returns when the last beat has been taken.

        beats  a value each, or a mapping of all fields; negative integers as two's complement
        """
        for beat in beats:
            while self._stall and self._random.random() < self._stall:
                await self._edge
            self._drive(beat)
            self._valid.value = 1
            await self._edge
            while not self._ready.value:
                await self._edge
            self._valid.value = 0

    def _drive(self, beat: Any) -> None:
        if isinstance(beat, Mapping):
            values = dict(beat)
        else:
            values = dict.fromkeys(self._fields, beat)
        for field, value in values.items():
            put(self._fields[field], value)


class Sink:
    """Takes beats out of a stream, and fails where a beat changes or goes before it is taken.

    stall   share of cycles in [0, 1) that are not ready, drawn from `seed`; unless it is 0, half
            of the beats must be valid before ready is, which valid must not wait for
    fields  `name_{field}_o`, one of them: a beat is its value; several: a dict; none: None
    signed  whether values are two's complement
    """

    def __init__(
        self,
        dut: Any,
        name: str,
        stall: float = 0.0,
        seed: int = 0,
        fields: Sequence[str] = ("data",),
        signed: bool = False,
    ) -> None:
        self._edge, self._stall, self._name, self._signed = (
            RisingEdge(dut.clk_i),
            stall,
            name,
            signed,
        )
        self._random = random.Random(f"{seed} sink {name}")
        self._valid, self._ready = wire(dut, name, "valid_o"), wire(dut, name, "ready_i")
        self._fields = {field: wire(dut, name, f"{field}_o") for field in fields}
        self._reset = dut.rst_ni
        self._taken: deque[Any] = deque()
        self._wanted = 0
        self._ready.value = 0
        cocotb.start_soon(self._run())

    async def receive(self, count: int) -> list[Any]:
        """The next `count` beats; the stream is not ready for more than were asked for."""
        self._wanted += count
        while len(self._taken) < count:
            await self._edge
        return [self._taken.popleft() for _ in range(count)]

    @property
    def offers(self) -> bool:
        """Whether a beat is valid now."""
        return bool(self._valid.value)

    async def _run(self) -> None:
        ready, waiting, patient = False, None, False
        while True:
            await self._edge
            if not self._reset.value:
                waiting = None
                continue
            valid = bool(self._valid.value)
            if waiting is not None:
                assert valid, f"stream {self._name}: valid fell before ready took {waiting[0]}"
            if valid:
                beat = self._sample()
                if waiting is not None and beat != waiting[0]:
                    raise AssertionError(
                        f"stream {self._name}: data changed before ready took it, "
                        f"from {waiting[0]} to {beat}"
                    )
                if ready:
                    self._taken.append(beat)
                    self._wanted -= 1
                    patient = self._stall > 0 and self._random.random() < 0.5
                waiting = None if ready else (beat,)
            ready = self._wanted > 0 and (waiting is not None or not patient)
            if ready and self._stall:
                ready = self._random.random() >= self._stall
            self._ready.value = int(ready)

    def _sample(self) -> Any:
        values = {field: get(handle, self._signed) for field, handle in self._fields.items()}
        if len(values) > 1:
            return values
        return next(iter(values.values()), None)


def wire(dut: Any, name: str, rest: str) -> Any:
    """The port `name_rest`, or `rest` of a stream without a name."""
    return getattr(dut, f"{name}_{rest}" if name else rest)


def put(handle: Any, value: Any) -> None:
    """Drive an integer, or a list of them into an unpacked array; negative: two's complement."""
    if isinstance(handle, ArrayObject):
        for lane, one in zip(handle, value, strict=True):
            put(lane, one)
    else:
        width = 1 if isinstance(handle, LogicObject) else len(handle)
        handle.value = int(value) & ((1 << width) - 1)


def get(handle: Any, signed: bool = False) -> Any:
    """An integer, or a list of them of an unpacked array."""
    if isinstance(handle, ArrayObject):
        return [get(lane, signed) for lane in handle]
    if isinstance(handle, LogicObject):
        return -int(handle.value) if signed else int(handle.value)
    return handle.value.to_signed() if signed else handle.value.to_unsigned()


@asynccontextmanager
async def watchdog(dut: Any, cycles: int) -> AsyncIterator[None]:
    """Fail the test, with the state of every handshake, unless the block ends within `cycles`."""

    async def bite() -> None:
        edge = RisingEdge(dut.clk_i)
        for _ in range(cycles):
            await edge
        raise AssertionError(f"not finished after {cycles} cycles: {handshakes(dut)}")

    task = cocotb.start_soon(bite())
    try:
        yield
    finally:
        task.cancel()


def handshakes(dut: Any) -> str:
    """`stream valid 1 ready 0, ...`: each pair of a visible valid and its ready."""
    signals = {handle._name: handle for handle in dut}
    found = []
    for name, handle in sorted(signals.items()):
        swapped = {"_i": "_o", "_o": "_i"}.get(name[-2:], name[-2:])
        for word, other in (("valid", "ready"), ("VALID", "READY")):
            pair = signals.get(name[:-2].replace(word, other) + swapped)
            pair = pair if pair is not None else signals.get(name.replace(word, other))
            if word in name and pair is not None and pair is not handle:
                found.append(f"{name} {handle.value} {pair._name} {pair.value}")
    return ", ".join(found)
