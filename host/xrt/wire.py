"""What the shim and a device process say to each other: protobuf's wire format, by hand.

A request is 14 bytes (fixed64 field 1: size of the payload, fixed32 field 2: number of the call)
and a payload; a response is 9 bytes (the size) and a payload. Eleven calls of 52 are used; their
numbers are in xcl_macros.h, their fields in the descriptor inside libxrt_swemu.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

REQUEST: Final = struct.Struct("<BQBI")
RESPONSE: Final = struct.Struct("<BQ")
FIXED64_1, FIXED32_2 = 0x09, 0x15  # tags: field number * 8 + kind
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # kinds
LONGEST: Final = 1 << 30  # bytes of a payload; the shim sends at most 8 MiB of data at once

Value = int | memoryview


class Call(IntEnum):
    """A call's number; its fields in brackets."""

    CLOSE = 1  # [3 close all]
    LOAD = 3  # [8 banks, each [7 size]]
    ALLOCATE = 4  # [1 address, 2 size]
    FREE = 5  # [1 address]
    TO_DEVICE = 6  # [3 address, 4 bytes, 5 size]
    TO_HOST = 7  # [4 address, 5 size] -> [1 size, 2 bytes]
    WRITE_CONTROL = 9  # [2 address, 3 size, 4 bytes], not answered
    READ_CONTROL = 11  # [2 address, 3 size] -> [1 valid, 2 bytes, ours: 3 addresses of ended units]
    SETUP = 28  # streams, of which there are none
    WRITE_REGISTER = 51  # [1 base, 2 offset, 3 bytes]
    READ_REGISTER = 52  # [1 base, 2 offset, 3 size] -> [1 valid, 2 bytes]


class Closed(Exception):
    """The other side has closed the stream."""


def fields(payload: memoryview) -> Iterator[tuple[int, Value]]:
    """Number and value of each field, in order; bytes are a view of the payload.

    Raises ValueError for what is no message.
    """
    at = 0
    while at < len(payload):
        tag, at = _varint(payload, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, at = _varint(payload, at)
            yield number, value
            continue
        if kind == BYTES:
            size, at = _varint(payload, at)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"field {number} has kind {kind}, which protobuf 3 has not")
        if at + size > len(payload):
            raise ValueError(f"field {number} says {size} bytes of {len(payload) - at}")
        part = payload[at : at + size]
        yield number, part if kind == BYTES else int.from_bytes(part, "little")
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("an integer does not end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def integer(number: int, value: int) -> bytes:
    """A field with an integer of at most 64 bits."""
    return bytes([number << 3 | VARINT]) + _packed(value)


def text(number: int, data: bytes | memoryview) -> tuple[bytes, bytes | memoryview]:
    """A field with bytes, in two parts: the data is not copied."""
    return bytes([number << 3 | BYTES]) + _packed(len(data)), data


def _packed(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Stream:
    """The device process's end of the socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.buffer = bytearray(1 << 20)
        self.filled = self.used = 0

    def receive(self) -> tuple[int, memoryview]:
        """The next request: number of the call, and its payload until the next `receive`.

        Raises Closed at the end of the stream, ValueError for what is no request.
        """
        # The shim sends on behind a write of registers.
        self.buffer[: self.filled - self.used] = self.buffer[self.used : self.filled]
        self.filled, self.used = self.filled - self.used, 0
        self._fill(REQUEST.size)
        first, size, second, call = REQUEST.unpack_from(self.buffer)
        if (first, second) != (FIXED64_1, FIXED32_2) or size > LONGEST:
            raise ValueError(f"no request: tags {first:#x} and {second:#x}, {size} bytes")
        self.used = REQUEST.size + size
        self._fill(self.used)
        return call, memoryview(self.buffer)[REQUEST.size : REQUEST.size + size]

    def answer(self, parts: tuple[bytes | memoryview, ...]) -> None:
        """Send a response, whose payload is the parts one after the other."""
        size = sum(map(len, parts))
        whole = (RESPONSE.pack(FIXED64_1, size), *parts)
        sent = self.connection.sendmsg(whole)
        if sent < RESPONSE.size + size:
            self.connection.sendall(b"".join(whole)[sent:])

    def _fill(self, size: int) -> None:
        """Receive until the buffer holds so many bytes."""
        if size > len(self.buffer):
            self.buffer = self.buffer[: self.filled] + bytearray(size - self.filled)
        while self.filled < size:
            got = self.connection.recv_into(memoryview(self.buffer)[self.filled :])
            if got == 0:
                raise Closed
            self.filled += got
