"""An Alveo card by XRT: an xclbin, a buffer and a data mover a packet, runs of compute units.

Every buffer is in the bank that its mover reaches, by the xclbin. The same code drives AMD's pyxrt
and the emulation. Unverified on silicon.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from transfab.host.board import BoardError, Design
from transfab.host.card import (
    BYTES_ARGUMENT,
    MEMORY_ARGUMENT,
    READ_MEMORY,
    WRITE_MEMORY,
    sequence_argument,
)
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.packets import beats_of
from transfab.quant.contract.registers import CONTROL_BITS as BITS
from transfab.quant.contract.registers import OFFSETS, build_hash_words
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import build_hash

COUNTERS: Final = ("sequences", "transfers", "bytes_sent", "bytes_received", "weight_bytes")
# How long one wait of XRT's may last before the other units are looked at.
SLICE_MS: Final = 50
FAILED: Final = ("ERROR", "ABORT", "NORESPONSE", "SKERROR", "SKCRASHED")


@dataclass
class Mover:
    """A data mover, its run and the buffer of its packet.

    size  bytes of the buffer: those of the longest packet
    set   what its argument `bytes` is
    """

    unit: str
    run: Any
    buffer: Any
    size: int
    set: int = 0


class XrtBoard:
    """`transfab.host.board.Board` over a card of XRT.

    xrt      AMD's pyxrt, or what has its names
    which    index or bus id of the card
    release  called once by `close`
    """

    def __init__(
        self, name: str, xrt: Any, which: int | str, release: Callable[[], None] = lambda: None
    ) -> None:
        self.name, self._xrt, self._which, self._release = name, xrt, which, release
        self._device: Any = None
        self._kernel: Any = None
        self._run: Any = None
        self._movers: dict[str, Mover] = {}
        # Packets that need not be given: weights, and what a card has passed on.
        self._there: set[str] = set()
        self._peer: tuple[XrtBoard, Any] | None = None
        self._counts = dict.fromkeys(COUNTERS, 0)

    def load(self, bitstream: Path, design: Design) -> None:
        self._free()
        xrt = self._xrt
        self._design, self._counts = design, dict.fromkeys(COUNTERS, 0)
        self._top = TOPS[design.top]
        try:
            self._device = xrt.device(self._which)
            self._loaded = self._device.load_xclbin(xrt.xclbin(str(bitstream)))
            # Alone, so that its registers may be read.
            self._kernel = xrt.kernel(self._device, self._loaded, design.top, xrt.kernel.exclusive)
            self._run = xrt.run(self._kernel)
            words = [self._kernel.read_register(OFFSETS[f"build_hash_{half}"]) for half in _HALVES]
        except Exception as err:  # AMD's raises what it stumbles over
            raise BoardError(f"{self.name} does not take {bitstream.name}: {err}") from err
        if tuple(words) != build_hash_words(design.config, design.engine):
            raise BoardError(
                f"{self.name} runs build {words[1]:08x}{words[0]:08x}, and the bundle needs "
                f"{build_hash(design.config, design.engine)}: load a bitstream of that build"
            )
        for packet in (*self._top.inputs, self._top.output):
            self._movers[packet] = self._mover(packet, xrt.bo.normal)

    def configure(self, parameters: Mapping[str, Beats]) -> None:
        for packet, beats in parameters.items():
            self._send(packet, beats)
            self._there.add(packet)
            self._counts["weight_bytes"] += beats.nbytes

    def submit(self, sequence: int, packets: Mapping[str, Beats]) -> None:
        config, engine = self._design.config, self._design.engine
        engine.check_sequence(sequence)
        for packet in self._top.inputs:
            if packet not in packets and packet not in self._there:
                raise BoardError(f"{self.name} has no {packet}: configure it first")
        for packet, beats in packets.items():
            self._send(packet, beats)
        self._wanted = engine.beat_bytes * beats_of(config, engine, self._top.output, sequence)
        self._set(self._movers[self._top.output], self._wanted)
        try:
            self._run.set_arg(sequence_argument(self._top.name), sequence)
            # What takes a packet is there before what gives it.
            for run in reversed(self._runs().values()):
                run.start()
        except Exception as err:
            raise BoardError(f"{self.name} takes no start: {err}: load the board again") from err
        self._there.difference_update(self._top.activations)
        for packet in self._top.inputs:
            self._counts["transfers"] += 1
            self._counts["bytes_sent"] += self._movers[packet].set

    def wait(self, seconds: float) -> Beats:
        end = time.monotonic() + seconds
        runs = self._runs()
        try:
            for unit in reversed(runs):
                self._finish(unit, runs, seconds, end)
            output = self._movers[self._top.output].buffer
            output.sync(self._xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE, self._wanted, 0)
            data = np.array(output.read(self._wanted, 0))
        except BoardError:
            raise
        except Exception as err:
            raise BoardError(f"{self.name} gave no result: {err}") from err
        self._counts["sequences"] += 1
        self._counts["bytes_received"] += self._wanted
        return data.view(np.uint8).reshape(-1, self._design.engine.beat_bytes)

    def link(self, to: Any) -> bool:
        """As `transfab.host.peer.Peer` says: XRT must export that card's buffer into this one."""
        packet = self._top.output
        if not isinstance(to, XrtBoard) or packet not in to._top.activations:
            return False
        bo = self._xrt.bo
        if not hasattr(bo, "export_buffer") or not hasattr(bo, "imported"):
            return False
        try:
            mover = to._mover(packet, bo.p2p)
            self._peer = to, bo.imported(self._device, mover.buffer.export_buffer())
        except Exception:  # whatever it is, host memory does it
            return False
        to._movers[packet] = mover
        return True

    def pass_on(self) -> None:
        assert self._peer
        to, imported = self._peer
        packet = self._top.output
        try:
            imported.copy(self._movers[packet].buffer, self._wanted, 0, 0)
        except Exception as err:
            raise BoardError(f"{self.name} cannot pass {packet} on to {to.name}: {err}") from err
        to._set(to._movers[packet], self._wanted)
        to._there.add(packet)

    def state(self) -> str:
        """The kernel's control register and the state of every mover's run, for an error."""
        try:
            control = self._kernel.read_register(OFFSETS["control"])
            bits = [name for name, bit in BITS.items() if control & bit]
            parts = [f"kernel {' '.join(bits) or 'busy'}"]
            for unit, run in self._runs().items():
                parts.append(f"{unit} {_state(run)}")
            return ", ".join(parts)
        except Exception as err:  # such as a card that is gone
            return f"its state cannot be read: {err}"

    def counters(self) -> Mapping[str, int]:
        return dict(self._counts)

    def close(self) -> None:
        try:
            self._free()
        finally:
            self._release()

    def _mover(self, packet: str, flags: Any) -> Mover:
        """A packet's mover with a buffer for the longest one."""
        xrt, engine = self._xrt, self._design.engine
        writes = packet == self._top.output
        kind, unit = (WRITE_MEMORY, "write_") if writes else (READ_MEMORY, "read_")
        unit += packet
        size = beats_of(self._design.config, engine, packet, engine.sequence) * engine.beat_bytes
        try:
            name = f"{kind}:{{{unit}}}"
            kernel = xrt.kernel(self._device, self._loaded, name, xrt.kernel.shared)
            bank = kernel.group_id(MEMORY_ARGUMENT[kind])
        except Exception as err:
            raise BoardError(f"{self.name} has no {unit}: {err}") from err
        try:
            buffer = xrt.bo(self._device, size, flags, bank)
            run = xrt.run(kernel)
            run.set_arg(MEMORY_ARGUMENT[kind], buffer)
        except Exception as err:
            raise BoardError(f"{self.name} has no {size} bytes for {packet}: {err}") from err
        return Mover(unit, run, buffer, size)

    def _send(self, packet: str, beats: Beats) -> None:
        """Put a packet into the card's memory."""
        mover = self._movers[packet]
        if beats.nbytes > mover.size:
            raise BoardError(
                f"{self.name}: {packet} has at most {mover.size} bytes, not {beats.nbytes}"
            )
        try:
            mover.buffer.write(np.ascontiguousarray(beats).reshape(-1), 0)
            to_device = self._xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE
            mover.buffer.sync(to_device, beats.nbytes, 0)
        except Exception as err:
            raise BoardError(f"{self.name} does not take {packet}: {err}") from err
        self._set(mover, beats.nbytes)

    def _set(self, mover: Mover, size: int) -> None:
        if mover.set != size:
            try:
                mover.run.set_arg(BYTES_ARGUMENT, size)
            except Exception as err:
                raise BoardError(f"{self.name}: {mover.unit} is refused: {err}") from err
            mover.set = size

    def _runs(self) -> dict[str, Any]:
        """Unit -> its run, in the order of the packets, the kernel before the writer."""
        *readers, writer = self._movers.values()
        runs = {mover.unit: mover.run for mover in readers}
        return runs | {self._top.name: self._run, writer.unit: writer.run}

    def _finish(self, unit: str, runs: Mapping[str, Any], seconds: float, end: float) -> None:
        """Wait for a run, with an eye on the others: one that fails keeps them waiting."""
        while (state := self._wait(runs[unit], end)) != "COMPLETED":
            if any(_state(run) in FAILED for run in runs.values()):
                raise BoardError(f"{self.name}: a unit failed: {self.state()}")
            if state != "TIMEOUT" or time.monotonic() > end:
                raise BoardError(f"{self.name} gave no result within {seconds:g} s: {self.state()}")

    def _wait(self, run: Any, end: float) -> str:
        left = round(1e3 * (end - time.monotonic()))
        # XRT takes 0 for "for ever".
        return _name(run.wait(max(1, min(SLICE_MS, left))))

    def _free(self) -> None:
        """Give everything back, what uses a thing before the thing; a card that is lost, too."""
        self._movers, self._there = {}, set()
        self._run = self._kernel = self._peer = None
        device, self._device = self._device, None
        if hasattr(device, "close"):
            device.close()


_HALVES: Final = ("low", "high")


def _name(state: Any) -> str:
    return str(state.name).removeprefix("ERT_CMD_STATE_")


def _state(run: Any) -> str:
    return _name(run.state())
