"""The names of pyxrt over emulated cards of this process: no XRT, no process, the same fabric.

As on a card: a host's shadow of each buffer apart from the card's memory, runs that write a unit's
whole register block, one owner of a card and of a unit opened alone. What it opens is counted.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import numpy as np

from transfab.host.xrt.pyxrt_names import UNFINISHED, ert_cmd_state, xclbin, xclBOSyncDirection

PAGE = 4096
START, DONE, CONTINUE = 1, 2, 16
TO_DEVICE = xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE


class StandIn:
    """What a driver takes for the module `pyxrt`.

    cards  by index: what has the methods of `transfab.host.emulated_card.EmulatedCard`
    peers  whether buffers of one card reach another
    lost   set: every later call of a card fails, as when it has gone
    """

    def __init__(self, cards: list[Any], peers: bool = False) -> None:
        self.cards, self.lost = cards, False
        self.open: list[weakref.ref[Any]] = []
        self.log: list[str] = []
        self.xclbin, self.xclBOSyncDirection = xclbin, xclBOSyncDirection
        self.device: Callable[..., Any] = lambda which: _Device(self, int(which))
        self.kernel = _Constructor(_Kernel, exclusive=0, shared=1)
        self.run = _Constructor(_Run)
        peer = {"export_buffer": _Buffer.export_buffer, "imported": _Imported} if peers else {}
        self.bo = _Constructor(_Buffer, normal=_Flags.normal, p2p=_Flags.p2p, **peer)

    @property
    def live(self) -> list[Any]:
        """What is open: devices, units, runs, buffers."""
        return [one for reference in self.open if (one := reference()) is not None and one.alive]

    def buffers(self) -> list[Any]:
        return [one for one in self.live if isinstance(one, _Buffer)]


class _Flags(IntEnum):
    normal = 0
    p2p = 1 << 30


class _Constructor:
    """A class of pyxrt: called for an object, with the constants that it has as attributes."""

    def __init__(self, kind: Any, **names: Any) -> None:
        self._kind = kind
        self.__dict__.update(names)

    def __call__(self, *given: Any) -> Any:
        return self._kind(*given)


class _Open:
    """Something of a device that is open until it is closed or forgotten."""

    def __init__(self, owner: Any, device: Any) -> None:
        self.alive, self._device = True, device
        owner.open.append(weakref.ref(self))

    def _check(self) -> None:
        device = self._device
        if device.stand_in.lost:
            raise RuntimeError(f"device {device.index} is gone")
        if not (self.alive and device.alive):
            raise RuntimeError("closed")


class _Device(_Open):
    def __init__(self, stand_in: StandIn, index: int) -> None:
        if any(isinstance(one, _Device) and one.index == index for one in stand_in.live):
            raise RuntimeError(f"device {index} is in use")
        super().__init__(stand_in, self)
        self.stand_in, self.index, self.card = stand_in, index, stand_in.cards[index]
        self.container: Any = None

    def load_xclbin(self, file: Any) -> Any:
        self._check()
        self.card.load(file.container.bitstream)
        self.container = file.container
        return file.get_uuid()

    def close(self) -> None:
        for one in self.stand_in.live:
            if one._device is self:
                one.alive = False


class _Kernel(_Open):
    def __init__(self, device: Any, uuid: Any, name: str, mode: int) -> None:
        device._check()
        super().__init__(device.stand_in, device)
        kernel, _, unit = name.removesuffix("}").partition(":{")
        found = [one for one in device.container.kernels if one.name == kernel]
        found = [one for one in found if not unit or one.unit == unit]
        if len(found) != 1:
            self.alive = False
            raise RuntimeError(f"no such kernel '{name}'")
        self.unit, self.alone = found[0], mode == 0

    def group_id(self, argument: int) -> int:
        bank = self.unit.arguments[argument].bank
        if bank is None:
            raise RuntimeError(f"argument {argument} is no pointer")
        return [one.name for one in self._device.container.banks].index(bank)

    def read_register(self, offset: int) -> int:
        self._check()
        if not self.alone:
            raise RuntimeError("shared access")
        value: int = self._device.card.read(self.unit.base + offset)
        return value


class _Buffer(_Open):
    def __init__(self, device: Any, size: int, flags: int, group: int) -> None:
        device._check()
        stand_in = device.stand_in
        bank = device.container.banks[group]
        at = bank.base
        taken = sorted(
            (one.place, one.end)
            for one in stand_in.buffers()
            if one._device is device and one.bank == bank.name
        )
        for place, end in taken:
            if at + size <= place:
                break
            at = max(at, end)
        if at + size > bank.base + bank.size:
            raise RuntimeError("std::bad_alloc")
        super().__init__(stand_in, device)
        self.bank, self.flags = bank.name, flags
        self.place, self.end = at, at + -(-size // PAGE) * PAGE
        self.shadow = np.full(size, 0xA5, np.uint8)

    def write(self, data: Any, seek: int = 0) -> None:
        self._check()
        source = np.frombuffer(data, np.uint8)
        self.shadow[seek : seek + source.size] = source

    def read(self, size: int, skip: int = 0) -> Any:
        self._check()
        return self.shadow[skip : skip + size].view(np.int8)

    def sync(self, direction: Any, size: int, offset: int = 0) -> None:
        self._check()
        part = self.shadow[offset : offset + size]
        card, place = self._device.card, self.place + offset
        if direction == TO_DEVICE:
            card.write_memory(place, part.tobytes())
        else:
            part[:] = np.frombuffer(card.read_memory(place, size), np.uint8)

    def export_buffer(self) -> _Buffer:
        if self.flags != _Flags.p2p:
            raise RuntimeError("not made for it")
        return self


class _Imported(_Open):
    def __init__(self, device: Any, target: _Buffer) -> None:
        super().__init__(device.stand_in, device)
        self.target = target

    def copy(self, source: _Buffer, size: int, source_offset: int, target_offset: int) -> None:
        self._check()
        self._device.stand_in.log.append(f"copy {self._device.index} {size}")
        data = bytes(self._device.card.read_memory(source.place + source_offset, size))
        self.target._device.card.write_memory(self.target.place + target_offset, data)


class _Run(_Open):
    def __init__(self, kernel: _Kernel) -> None:
        kernel._check()
        super().__init__(kernel._device.stand_in, kernel._device)
        self.kernel, self.words, self._kept = kernel, dict[int, int](), dict[int, Any]()
        self._state: Any = None

    def set_arg(self, index: int, value: Any) -> None:
        self._check()
        argument = self.kernel.unit.arguments[index]
        if argument.stream or isinstance(value, _Buffer) != (argument.bank is not None):
            raise RuntimeError(f"argument {index} is {argument}")
        self._kept[index] = value
        word = value.place if isinstance(value, _Buffer) else int(value)
        for part in range(argument.size // 4):
            self.words[argument.offset + 4 * part] = word >> 32 * part & 0xFFFF_FFFF

    def start(self) -> None:
        self._check()
        if self._state in UNFINISHED:
            raise RuntimeError("run is active")
        card, base = self._device.card, self.kernel.unit.base
        for argument in self.kernel.unit.arguments:
            for part in range(0 if argument.stream else argument.size // 4):
                at = argument.offset + 4 * part
                card.write(base + at, self.words.get(at, 0))
        card.write(base, START)
        self._state = ert_cmd_state.ERT_CMD_STATE_RUNNING

    def state(self) -> Any:
        self._check()
        card, base = self._device.card, self.kernel.unit.base
        if self._state in UNFINISHED and card.read(base) & DONE:
            card.write(base, CONTINUE)
            self._state = ert_cmd_state.ERT_CMD_STATE_COMPLETED
        return self._state

    def wait(self, milliseconds: int) -> Any:
        if milliseconds <= 0:
            raise RuntimeError("this would be for ever")
        end = time.monotonic() + milliseconds / 1e3
        while (state := self.state()) in UNFINISHED:
            if time.monotonic() > end:
                return ert_cmd_state.ERT_CMD_STATE_TIMEOUT
            time.sleep(2e-4)
        return state
