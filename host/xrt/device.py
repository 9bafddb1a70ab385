"""The device process: what XRT's software-emulation shim starts in place of AMD's, one a board.

It connects to the shim's socket, makes a fabric and serves it: memory, registers, one compute unit
or more. A run of a compute unit is two writes of its registers from base on, the second with the
start bit; they reach the fabric with `control` last and with the interrupt registers left alone.
Its end is acknowledged here when XRT has read it.

    TRANSFAB_XRT_FABRIC       module:function, called with the description below and the board's
                              index; returns a Fabric
    TRANSFAB_XRT_DESCRIPTION  a JSON file, data only; optional
    TRANSFAB_XRT_ERRORS       folder for device<index>.txt, one line on why the process ended
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from transfab.host.fabric.protocol import Fabric, Loads
from transfab.host.xrt.wire import Call, Closed, Stream, Value, fields, integer, text
from transfab.quant.contract.registers import CONTROL_BITS as BITS

DONE: Final = (integer(1, 1),)
FAILED: Final = (integer(1, 0),)
POSTED: Final = ()  # no answer
Answer = tuple[bytes | memoryview, ...]
ARGUMENTS: Final = 0x10  # offset of the first register behind control and interrupts
CONNECT_SECONDS: Final = 10.0


class Server:
    """Answers the shim's calls for one fabric."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.ends = False
        self.banks: list[int] = []
        self.started: set[int] = set()
        self.calls: dict[int, Callable[[memoryview], Answer]] = {
            Call.CLOSE: self._close,
            Call.LOAD: self._load,
            Call.ALLOCATE: self._allocate,
            Call.FREE: lambda payload: DONE,
            Call.TO_DEVICE: self._to_device,
            Call.TO_HOST: self._to_host,
            Call.WRITE_CONTROL: self._write_control,
            Call.READ_CONTROL: self._read_control,
            Call.SETUP: lambda payload: DONE,
            Call.WRITE_REGISTER: self._write_register,
            Call.READ_REGISTER: self._read_register,
        }

    def serve(self, stream: Stream) -> None:
        """Answer until the shim closes the device. Raises what the fabric raises."""
        while not self.ends:
            call, payload = stream.receive()
            if call not in self.calls:
                known = ", ".join(f"{item.name} {item.value}" for item in Call)
                raise ValueError(f"the shim's call {call} is not served (served: {known})")
            if answer := self.calls[call](payload):
                stream.answer(answer)

    def _close(self, payload: memoryview) -> Answer:
        self.ends = dict(fields(payload)).get(3) == 1  # else: before another xclbin
        return DONE

    def _load(self, payload: memoryview) -> Answer:
        found = list(fields(payload))
        if isinstance(self.fabric, Loads):
            # The shim's copy of the section BITSTREAM.
            path = bytes(_bytes(dict(found), 2)).decode()
            self.fabric.load(Path(path).read_bytes())
        parts = [value for number, value in found if number == 8]
        banks = [dict(fields(part)) for part in parts if isinstance(part, memoryview)]
        self.banks = [_integer(bank, 7) for bank in banks]
        return DONE

    def _allocate(self, payload: memoryview) -> Answer:
        message = dict(fields(payload))
        fits = _integer(message, 1) + _integer(message, 2) <= sum(self.banks)
        return DONE if fits else FAILED

    def _to_device(self, payload: memoryview) -> Answer:
        message = dict(fields(payload))
        data = _bytes(message, 4)
        self.fabric.write_memory(_integer(message, 3), data)
        return (integer(1, len(data)),)

    def _to_host(self, payload: memoryview) -> Answer:
        message = dict(fields(payload))
        size = _integer(message, 5)
        data = self.fabric.read_memory(_integer(message, 4), size)
        if len(data) != size:
            raise ValueError(f"the fabric gave {len(data)} bytes of {size}")
        return (integer(1, size), *text(2, data))

    def _write_control(self, payload: memoryview) -> Answer:
        message = dict(fields(payload))
        base, data = _integer(message, 2), _bytes(message, 4)
        words = struct.unpack(f"<{len(data) // 4}I", data)
        # A run writes its whole block twice, the second time with the start bit; a lone word is an
        # acknowledgement.
        if len(words) > 1 and not words[0] & 1:
            return POSTED
        for index, word in enumerate(words):
            if 4 * index >= ARGUMENTS:
                self.fabric.write(base + 4 * index, word)
        if words:
            self.fabric.write(base, words[0])
            if words[0] & BITS["start"]:
                self.started.add(base)
        return POSTED

    def _read_control(self, payload: memoryview) -> Answer:
        address = _integer(dict(fields(payload)), 2)
        word, others = self._look(address), b""
        if word & BITS["done"]:
            # XRT asks for one unit after the other: what else has ended is told with the first.
            ended = [other for other in sorted(self.started) if self._look(other) & BITS["done"]]
            others = struct.pack(f"<{len(ended)}Q", *ended)
        return self._word(word) + (text(3, others) if others else ())

    def _look(self, address: int) -> int:
        word = self.fabric.read(address)
        if word & BITS["done"]:
            # XRT takes it for the end of a run and writes this, which its shim keeps back.
            self.fabric.write(address, BITS["continue"])
            self.started.discard(address)
        return word

    def _write_register(self, payload: memoryview) -> Answer:
        message = dict(fields(payload))
        (word,) = struct.unpack("<I", _bytes(message, 3))
        self.fabric.write(_integer(message, 1) + _integer(message, 2), word)
        return DONE

    def _read_register(self, payload: memoryview) -> Answer:
        message = dict(fields(payload))
        return self._word(self.fabric.read(_integer(message, 1) + _integer(message, 2)))

    def _word(self, word: int) -> Answer:
        return DONE + text(2, struct.pack("<I", word & 0xFFFFFFFF))


def _integer(message: dict[int, Value], number: int) -> int:
    value = message.get(number, 0)
    if not isinstance(value, int):
        raise ValueError(f"field {number} must be an integer")
    return value


def _bytes(message: dict[int, Value], number: int) -> memoryview:
    value = message.get(number, memoryview(b""))
    if not isinstance(value, memoryview):
        raise ValueError(f"field {number} must be bytes")
    return value


def make_fabric(index: int) -> Fabric:
    """The fabric that the environment names. Raises ValueError, one line, where it names none."""
    named = os.environ.get("TRANSFAB_XRT_FABRIC", "")
    module, _, function = named.partition(":")
    if not module or not function:
        raise ValueError(f"TRANSFAB_XRT_FABRIC must be module:function, not {named!r}")
    description: Any = {}
    if path := os.environ.get("TRANSFAB_XRT_DESCRIPTION"):
        description = json.loads(Path(path).read_text(encoding="utf-8"))
    fabric: Fabric = getattr(importlib.import_module(module), function)(description, index)
    return fabric


def connect(name: str) -> socket.socket:
    """The shim's socket, which may not be there yet."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    end = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            connection.connect(f"/tmp/{os.environ['USER']}/{name}")
            return connection
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.005)


def main() -> int:
    """Serve one device; ends when the shim closes it, or with the host's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the host decides when this ends
    name = os.environ.get("EMULATION_SOCKETID", "")
    index = name.removeprefix("device").partition("_")[0]
    try:
        if not index.isdigit():
            raise ValueError(f"EMULATION_SOCKETID is {name!r}: XRT's shim starts this, no one else")
        stream = Stream(connect(name))
        Server(make_fabric(int(index))).serve(stream)
    except Closed:
        return 0
    except Exception as err:  # whatever a fabric raises: the host is told
        line = f"{type(err).__name__}: {err}".splitlines()[0]
        if folder := os.environ.get("TRANSFAB_XRT_ERRORS"):
            Path(folder, f"device{index}.txt").write_text(line, encoding="utf-8")
        else:
            print(line, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
