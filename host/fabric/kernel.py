"""The kernel of an emulated board: registers of docs/stage_contract.md, streams in and one out.

write control.start -> starts        (S)
beats of all inputs -> run(S)        in a thread of its own, as hardware runs beside its host
the output's last beat is taken -> done, until control.continue
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from transfab.host.fabric.faults import Faults
from transfab.host.fabric.streams import Stream
from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.packets import beats_of
from transfab.quant.contract.registers import CONTROL_BITS as BITS
from transfab.quant.contract.registers import OFFSETS, build_hash_words
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import Engine

# top, S, packets in the order of its inputs -> its output packet; RuntimeError when it fails
RunTop = Callable[[str, int, Sequence[Beats]], Beats]
# What the kernel of a build and a top computes: C++ kernels, simulated RTL, or nothing.
MakeRun = Callable[[LayerConfig, Engine, str], RunTop]


class Kernel:
    """One top; every method is called with the fabric's lock held.

    changed  told by the thread when a run ends: what waits for streams looks again
    """

    def __init__(
        self,
        config: LayerConfig,
        engine: Engine,
        top: str,
        run: RunTop,
        lock: threading.Condition,
        changed: Callable[[], None],
    ) -> None:
        self.config, self.engine, self.top, self.faults = config, engine, TOPS[top], Faults()
        width = engine.beat_bytes
        self.inputs = {packet: Stream(width) for packet in self.top.inputs}
        self.output = Stream(width)
        self.failure: str | None = None
        self._run, self._lock, self._changed = run, lock, changed
        self._values = dict.fromkeys(OFFSETS, 0)
        low, high = build_hash_words(config, engine)
        self._values |= {"build_hash_low": low, "build_hash_high": high}
        self._starts: deque[int] = deque()
        self._running = self._done = 0
        self._ready = self._closed = self._can_run = False
        self._beats: dict[int, dict[str, int]] = {}
        self._thread = threading.Thread(target=self._work, daemon=True, name=f"kernel {top}")
        self._thread.start()

    def read(self, offset: int) -> int:
        name = _NAMES.get(offset)
        if name != "control":
            return self._values[name] if name else 0
        idle = not self._starts and not self._running
        value = BITS["idle"] * idle | BITS["done"] * (self._done > 0) | BITS["ready"] * self._ready
        self._ready = False
        return value

    def write(self, offset: int, value: int) -> None:
        name = _NAMES.get(offset)
        if name == "control":
            if value & BITS["continue"] and self._done:
                self._done -= 1
            if value & BITS["start"]:
                self._starts.append(self._values["sequence"])
                self._ready = True
                self.look()
        elif name in ("sequence", "global_interrupt_enable", "interrupt_enable"):
            self._values[name] = value & 0xFFFF

    def look(self) -> None:
        """Something changed that the thread may wait for."""
        self._can_run = self._possible()
        if self._can_run:
            self._lock.notify_all()

    @property
    def at_work(self) -> bool:
        """A sequence is in the kernel or about to be, and can be done."""
        runs = self._running > 0 and not self.output.beats and self.failure is None
        return self._can_run or runs

    def finished(self) -> None:
        """The last beat of an output packet was taken."""
        self._running -= 1
        self._done += 1

    def close(self) -> None:
        self._closed = True
        self._lock.notify_all()

    def _needs(self, sequence: int) -> Mapping[str, int]:
        if sequence not in self._beats:
            self._beats[sequence] = {
                name: beats_of(self.config, self.engine, name, sequence) for name in self.inputs
            }
        return self._beats[sequence]

    def _possible(self) -> bool:
        if not self._starts or self.faults.hang or self._running:
            return False
        # Nobody knows what hardware makes of another one; here it never finishes.
        if not 1 <= self._starts[0] <= self.engine.sequence:
            return False
        needs = self._needs(self._starts[0])
        return all(self.inputs[name].beats >= beats for name, beats in needs.items())

    def _work(self) -> None:
        while True:
            with self._lock:
                self._can_run = self._possible()
                self._lock.wait_for(lambda: self._closed or self._can_run)
                if self._closed:
                    return
                self._can_run = False
                sequence = self._starts.popleft()
                self._running += 1
                needs = self._needs(sequence)
                packets = [self.inputs[name].read(beats) for name, beats in needs.items()]
            made = self._result(sequence, packets)
            with self._lock:
                # An engine has sent its packet when the kernel has read all of it.
                for name, beats in needs.items():
                    self.inputs[name].drop(beats)
                if made is not None:
                    self.output.send(made)
                self._changed()

    def _result(self, sequence: int, packets: list[Beats]) -> Beats | None:
        """The output packet. Hardware that fails is silent: then it never comes."""
        try:
            made = self._run(self.top.name, sequence, packets)
        except (RuntimeError, ValueError) as err:
            self.failure = str(err)
            return None
        if (at := self.faults.flip) is not None:
            made = made.copy()
            made.reshape(-1)[at] ^= 1
        return made


_NAMES: Final = {offset: name for name, offset in OFFSETS.items()}
