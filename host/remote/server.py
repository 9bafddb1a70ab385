"""PYNQ.remote's server for an emulated board: the unmodified `pynq` package is its client.

A board has an address of its own, since pynq always asks for port 7967: 127.0.0.2, 127.0.0.3 ...
Errors reach the client in one line: in the `msg` of a reply where pynq looks at it, else as the
status of the call. GPIO and interrupts are not served.

Requests and replies are protobuf messages of the stubs that pynq ships, which have no types.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, NoReturn, Self

import grpc
from pynq.remote import (
    buffer_pb2,
    buffer_pb2_grpc,
    mmio_pb2,
    mmio_pb2_grpc,
    remote_device_pb2,
    remote_device_pb2_grpc,
)

from transfab.host.fabric.protocol import MakeFabric
from transfab.host.remote.board import Board, BoardDescription

PORT: Final = 7967
CHUNK: Final = 2 << 20  # bytes a message; gRPC refuses more than 4 MiB
WORD: Final = 4

_CODES: Final = {
    FileNotFoundError: grpc.StatusCode.NOT_FOUND,
    PermissionError: grpc.StatusCode.PERMISSION_DENIED,
    MemoryError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ValueError: grpc.StatusCode.INVALID_ARGUMENT,
}


def _line(err: Exception) -> str:
    """An error in one line; what the fabric raises may have several, or none."""
    return " ".join(str(err).split()) or type(err).__name__


def _abort(context: Any, err: Exception) -> NoReturn:
    context.abort(_CODES.get(type(err), grpc.StatusCode.INTERNAL), _line(err))
    raise AssertionError  # abort raises


def _chunks(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), CHUNK):
        yield data[start : start + CHUNK]


class _Device(remote_device_pb2_grpc.RemoteDeviceServicer):  # type: ignore[misc]
    def __init__(self, board: Board) -> None:
        self._board = board

    def existsfile(self, request: Any, context: Any) -> Any:
        try:
            exists = self._board.exists(request.file_path)
        except Exception as err:
            _abort(context, err)
        return remote_device_pb2.ExistsFileResponse(exists=exists)

    def readfile(self, request: Any, context: Any) -> Iterator[Any]:
        try:
            data = self._board.read_file(request.file_path)
        except Exception as err:
            _abort(context, err)
        for chunk in _chunks(data):
            yield remote_device_pb2.ReadFileResponse(data=chunk)

    def writefile(self, requests: Iterator[Any], context: Any) -> Any:
        try:
            path, data = "", bytearray()
            for request in requests:
                path = request.file_path
                data += request.data
            if path:  # pynq sends no message at all for an empty file
                self._board.write_file(path, bytes(data))
        except Exception as err:
            _abort(context, err)
        return remote_device_pb2.WriteFileResponse()

    def set_bitstream_attrs(self, request: Any, context: Any) -> Any:
        if request.partial:
            _abort(context, ValueError(f"{request.binfile_name} is partial: only full ones load"))
        return remote_device_pb2.SetBitstreamAttrsResponse(status=True)


class _Mmio(mmio_pb2_grpc.MmioServicer):  # type: ignore[misc]
    """The id of a window is `BASE:LENGTH`, so that nothing is kept for clients that are gone."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def get_mmio(self, request: Any, context: Any) -> Any:
        if request.base_addr % WORD or request.length < WORD:
            line = f"a window must start on a word, not {request.length} bytes at "
            return mmio_pb2.GetMmioResponse(msg=f"{line}0x{request.base_addr:x}")
        return mmio_pb2.GetMmioResponse(
            status=True, mmio_id=f"{request.base_addr}:{request.length}"
        )

    def read(self, request: Any, context: Any) -> Any:
        try:
            if request.length not in (1, 2, 4):  # a reply holds 32 bits
                raise ValueError(f"1, 2 or 4 bytes can be read at once, not {request.length}")
            value = self._board.read(self._address(request, request.length))
        except Exception as err:
            return mmio_pb2.ReadResponse(msg=_line(err))
        return mmio_pb2.ReadResponse(status=True, data=value & ((1 << 8 * request.length) - 1))

    def write(self, request: Any, context: Any) -> Any:
        try:
            address = self._address(request, len(request.data))
            for start in range(0, len(request.data), WORD):
                value = int.from_bytes(request.data[start : start + WORD], "little")
                self._board.write(address + start, value)
        except Exception as err:
            return mmio_pb2.WriteResponse(msg=_line(err))
        return mmio_pb2.WriteResponse(status=True)

    def _address(self, request: Any, size: int) -> int:
        base, length = (int(part) for part in request.mmio_id.split(":"))
        if request.offset < 0 or request.offset % WORD or request.offset + size > length:
            raise ValueError(
                f"offset 0x{request.offset:x} must be a word of the {length} bytes at 0x{base:x}"
            )
        return base + int(request.offset)


class _Buffers(buffer_pb2_grpc.RemoteBufferServicer):  # type: ignore[misc]
    def __init__(self, board: Board) -> None:
        self._board = board

    def allocate(self, request: Any, context: Any) -> Any:
        """A status, not a `msg`: pynq 4.0.0 never looks at this reply's `msg`."""
        try:
            with self._board.lock:
                name = self._board.buffers.allocate(request.size)
        except Exception as err:
            _abort(context, err)
        return buffer_pb2.AllocateResponse(buffer_id=name)

    def write(self, requests: Iterator[Any], context: Any) -> Any:
        """Chunks follow each other from the first one's `start` on; pynq always leaves it 0."""
        try:
            at: int | None = None
            for request in requests:
                with self._board.lock:
                    shadow = self._board.buffers.get(request.buffer_id).shadow
                    at = request.start if at is None else at
                    end = at + len(request.data)
                    if at < 0 or end > len(shadow):
                        raise ValueError(f"bytes {at} to {end} of a buffer of {len(shadow)}")
                    shadow[at:end] = request.data
                    at = end
        except Exception as err:
            return buffer_pb2.BufferWriteResponse(msg=_line(err))
        return buffer_pb2.BufferWriteResponse()

    def read(self, request: Any, context: Any) -> Iterator[Any]:
        try:
            with self._board.lock:
                data = bytes(self._board.buffers.get(request.buffer_id).shadow)
        except Exception as err:
            _abort(context, err)
        for chunk in _chunks(data[request.start : request.end or None]):
            yield buffer_pb2.BufferReadResponse(data=chunk)

    def freebuffer(self, request: Any, context: Any) -> Any:
        return self._reply(buffer_pb2.FreeBufferResponse, self._free, request)

    def flush(self, request: Any, context: Any) -> Any:
        return self._reply(buffer_pb2.FlushResponse, self._board.flush, request)

    def invalidate(self, request: Any, context: Any) -> Any:
        return self._reply(buffer_pb2.InvalidateResponse, self._board.invalidate, request)

    def physical_address(self, request: Any, context: Any) -> Any:
        return self._reply(buffer_pb2.AddressResponse, self._address, request)

    virtual_address = physical_address

    def cacheable(self, request: Any, context: Any) -> Any:
        return buffer_pb2.CacheableResponse(cacheable=True)

    def _free(self, name: str) -> None:
        with self._board.lock:
            self._board.buffers.free(name)

    def _address(self, name: str) -> dict[str, int]:
        with self._board.lock:
            return {"address": self._board.buffers.get(name).address}

    def _reply(self, kind: Any, act: Any, request: Any) -> Any:
        try:
            return kind(**(act(request.buffer_id) or {}))
        except Exception as err:
            return kind(msg=_line(err))


class RemoteBoard:
    """Serves one emulated board while its `with` block runs.

    description  what the board is
    make_fabric  gives a fresh fabric for the bytes of each bitstream that is loaded
    address      a loopback address that no other board has
    port         another one than pynq's for clients that ask for it
    """

    def __init__(
        self,
        description: BoardDescription,
        make_fabric: MakeFabric,
        address: str,
        port: int = PORT,
    ) -> None:
        self.board = Board(description, make_fabric)
        self.address = address
        self.target = f"{address}:{port}"
        self._server: Any = None

    def __enter__(self) -> Self:
        # Without it a second server of the same address would start and take half of the calls.
        options = [("grpc.so_reuseport", 0)]
        server = grpc.server(ThreadPoolExecutor(4, "board"), options=options)
        remote_device_pb2_grpc.add_RemoteDeviceServicer_to_server(_Device(self.board), server)
        mmio_pb2_grpc.add_MmioServicer_to_server(_Mmio(self.board), server)
        buffer_pb2_grpc.add_RemoteBufferServicer_to_server(_Buffers(self.board), server)
        try:
            bound = server.add_insecure_port(self.target)
        except RuntimeError:
            bound = 0
        if not bound:
            raise OSError(
                f"cannot listen on {self.target}: another server has it, or it is no address "
                "of this machine; choose another loopback address, 127.0.0.2 and up"
            )
        server.start()
        self._server = server
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stop(grace=0).wait()


def free_address(port: int = PORT) -> str:
    """A loopback address whose `port` nobody has now; the search starts at a random one."""
    import secrets

    for _ in range(100):
        address = f"127.{secrets.randbelow(254) + 1}.{secrets.randbelow(256)}.2"
        with suppress(OSError), socket.socket() as probe:
            probe.bind((address, port))
            return address
    raise OSError(f"no loopback address has port {port} free")
