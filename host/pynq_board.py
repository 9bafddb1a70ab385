"""A Zynq board by pynq: overlay, buffers and one DMA engine a stream (docs/build.md).

The same code drives a board's own pynq, a remote board's and the emulated one. Unverified on
silicon.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import numpy as np

from transfab.host.board import BoardError, Design
from transfab.host.layout import engine_name
from transfab.host.pynq_defects import Part, load_overlay
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.packets import beats_of
from transfab.quant.contract.registers import CONTROL_BITS as BITS
from transfab.quant.contract.registers import OFFSETS, build_hash_words
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import build_hash

# Status of a DMA channel: PG021.
IDLE, ERRORS, STATUS, RESET = 0x2, 0x70, 0x04, 0x4
COUNTERS: Final = ("sequences", "transfers", "bytes_sent", "bytes_received", "weight_bytes")

Given = ParamSpec("Given")
Made = TypeVar("Made")


def _clear(
    call: Callable[Concatenate[PynqBoard, Given], Made],
) -> Callable[Concatenate[PynqBoard, Given], Made]:
    """Make a BoardError of what pynq raises; a board that does not answer is lost until a load."""

    @wraps(call)
    def told(self: PynqBoard, /, *given: Given.args, **named: Given.kwargs) -> Made:
        try:
            return call(self, *given, **named)
        except BoardError:
            raise
        except (OSError, RuntimeError) as err:
            self._lost = self._lost or isinstance(err, OSError)
            raise BoardError(f"{self.name}: {err}") from err

    return told


class PynqBoard:
    """`transfab.host.board.Board` over a `pynq.Device`.

    release  called once by `close`, such as to end an emulated board
    """

    def __init__(self, name: str, device: Any, release: Callable[[], None] = lambda: None) -> None:
        self.name, self._device, self._release = name, device, release
        self._overlay: Any = None
        self._buffers: dict[str, Any] = {}
        self._weights: dict[str, Part] = {}
        self._parts: dict[tuple[str, int], Part] = {}
        self._result: Part
        self._sends: dict[str, Any] = {}
        self._lost = False
        self._counts = dict.fromkeys(COUNTERS, 0)

    @_clear
    def load(self, bitstream: Path, design: Design) -> None:
        self._free()
        self._lost = False
        self._design, self._counts = design, dict.fromkeys(COUNTERS, 0)
        self._top = TOPS[design.top]
        try:
            self._overlay = load_overlay(bitstream, self._device)
            self._kernel = getattr(self._overlay, design.top)
            self._receive = getattr(self._overlay, engine_name(self._top.output)).recvchannel
            self._sends = {
                packet: getattr(self._overlay, engine_name(packet)).sendchannel
                for packet in self._top.inputs
            }
        except Exception as err:  # pynq raises what it stumbles over
            self._lost = isinstance(err, ConnectionError | TimeoutError)
            raise BoardError(f"{self.name} does not take {bitstream.name}: {err}") from err
        found = tuple(self._kernel.read(OFFSETS[f"build_hash_{half}"]) for half in ("low", "high"))
        if found != build_hash_words(design.config, design.engine):
            raise BoardError(
                f"{self.name} runs build {found[1]:08x}{found[0]:08x}, and the bundle needs "
                f"{build_hash(design.config, design.engine)}: load a bitstream of that build"
            )

    @_clear
    def configure(self, parameters: Mapping[str, Beats]) -> None:
        for packet, beats in parameters.items():
            buffer = self._buffer(packet, beats.nbytes)
            buffer[:] = beats.reshape(-1)
            buffer.flush()
            # No later transfer sends the weights again.
            self._weights[packet] = Part(buffer, beats.nbytes, settled=True)
            self._counts["weight_bytes"] += beats.nbytes

    @_clear
    def submit(self, sequence: int, packets: Mapping[str, Beats]) -> None:
        config, engine = self._design.config, self._design.engine
        engine.check_sequence(sequence)
        width = engine.beat_bytes
        for packet in self._sends:
            if packet not in packets and packet not in self._weights:
                raise BoardError(f"{self.name} has no {packet}: configure it first")
        self._wanted = width * beats_of(config, engine, self._top.output, sequence)
        self._result = self._part(self._top.output, self._wanted)
        self._transfer(self._top.output, self._receive, self._result)
        self._kernel.write(OFFSETS["sequence"], sequence)
        self._kernel.write(OFFSETS["control"], BITS["start"])
        for packet, channel in self._sends.items():
            if (given := packets.get(packet)) is not None:
                part = self._part(packet, given.nbytes)
                np.copyto(part.array, given.reshape(-1))
            else:
                part = self._weights[packet]
            self._transfer(packet, channel, part)
            self._counts["transfers"] += 1
            self._counts["bytes_sent"] += part.nbytes

    @_clear
    def wait(self, seconds: float) -> Beats:
        end = time.monotonic() + seconds
        waiting = [self._receive, *self._sends.values()]
        # All of them in turn: one that stops keeps the others waiting.
        while waiting:
            late = time.monotonic() > end
            states = [channel._mmio.read(channel._offset + STATUS) for channel in waiting]
            if any(status & ERRORS for status in states):
                raise BoardError(f"{self.name}: a DMA engine stopped: {self.state()}")
            waiting = [
                channel
                for channel, status in zip(waiting, states, strict=True)
                if not status & IDLE
            ]
            if waiting and late:
                raise BoardError(f"{self.name} gave no result within {seconds:g} s: {self.state()}")
        # The others have ended, and a send leaves nothing behind that anyone reads.
        self._receive.wait()
        if self._receive.transferred != self._wanted:
            raise BoardError(
                f"{self.name} gave {self._receive.transferred} bytes of {self._top.output} "
                f"instead of {self._wanted}: {self.state()}"
            )
        self._kernel.write(OFFSETS["control"], BITS["continue"])
        self._counts["sequences"] += 1
        self._counts["bytes_received"] += self._wanted
        return np.array(self._result.array, np.uint8).reshape(-1, self._design.engine.beat_bytes)

    def state(self) -> str:
        """The kernel's control register and every engine's status, for an error."""
        control = self._kernel.read(OFFSETS["control"])
        bits = [name for name, bit in BITS.items() if control & bit]
        parts = [f"kernel {' '.join(bits) or 'busy'}"]
        channels = self._sends | {self._top.output: self._receive}
        for packet, channel in channels.items():
            status = channel._mmio.read(channel._offset + STATUS)
            word = "error" if status & ERRORS else "idle" if status & IDLE else "waits"
            parts.append(f"{engine_name(packet)} {word} ({status:#x})")
        return ", ".join(parts)

    def counters(self) -> Mapping[str, int]:
        return dict(self._counts)

    @_clear
    def close(self) -> None:
        try:
            self._free()
        finally:
            self._release()

    def _transfer(self, packet: str, channel: Any, part: Part) -> None:
        try:
            channel.transfer(part)
        except (RuntimeError, ValueError) as err:
            # Such as after a result that never came.
            raise BoardError(
                f"{self.name}: {engine_name(packet)} takes no transfer ({err}): load the board "
                f"again ({self.state()})"
            ) from err

    def _free(self) -> None:
        """Stop what is under way, then give memory back: nothing writes into it any more."""
        channels = (*self._sends.values(), *([self._receive] if self._sends else []))
        buffers, self._buffers = self._buffers, {}
        self._sends, self._weights, self._parts = {}, {}, {}
        try:
            # A board that is lost would let each call wait.
            for channel in () if self._lost else channels:
                channel._mmio.write(channel._offset, RESET)
            while buffers and not self._lost:
                buffers.popitem()[1].freebuffer()
        finally:
            for buffer in buffers.values():
                # Or pynq tries to free it when it is collected.
                buffer.freed = True

    def _buffer(self, packet: str, size: int) -> Any:
        """The packet's buffer of at least so many bytes; one a packet."""
        from pynq import allocate

        kept = self._buffers.get(packet)
        if kept is None or kept.nbytes < size:
            if kept is not None:
                kept.freebuffer()
                del self._buffers[packet]
            try:
                self._buffers[packet] = allocate((size,), np.uint8, target=self._device)
            except (MemoryError, RuntimeError) as err:
                raise BoardError(f"{self.name} has no {size} bytes for {packet}: {err}") from err
            self._parts = {key: part for key, part in self._parts.items() if key[0] != packet}
        return self._buffers[packet]

    def _part(self, packet: str, size: int) -> Part:
        """The first bytes of a packet's buffer, which is made for the longest sequence."""
        if (packet, size) not in self._parts:
            design = self._design
            beats = beats_of(design.config, design.engine, packet, design.engine.sequence)
            buffer = self._buffer(packet, max(size, beats * design.engine.beat_bytes))
            self._parts[packet, size] = Part(buffer, size)
        return self._parts[packet, size]
