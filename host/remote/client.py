"""Remote boards for a driver: connected by address, with a deadline a call and errors in one line.

pynq's own probe gives up on all boards where one is missing, names none, and waits for ever for a
server that hangs.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

VARIABLE: Final = "PYNQ_REMOTE_DEVICES"
PORT: Final = 7967


def connect(addresses: Sequence[str], seconds: float = 30.0) -> list[Any]:
    """A `pynq` RemoteDevice for each address; a call that takes longer than `seconds` fails.

    To be called before anything imports pynq, which chooses its classes for interrupts by an
    environment variable then. Raises ConnectionError on the first board that does not answer.
    """
    if not addresses:
        raise ValueError("no address of a remote board is given; give at least one")
    if "pynq" in sys.modules and not os.environ.get(VARIABLE):
        raise RuntimeError(f"pynq was imported without {VARIABLE}: connect remote boards first")
    os.environ.setdefault(VARIABLE, ",".join(addresses))
    for address in addresses:
        try:
            socket.create_connection((address, PORT), timeout=min(seconds, 5.0)).close()
        except OSError as err:
            raise ConnectionError(
                f"no board at {address}: nothing answers on port {PORT} ({err.strerror or err}); "
                "start PYNQ.remote there or correct the address"
            ) from None
    from pynq.pl_server.remote_device import RemoteDevice

    devices = []
    for index, address in enumerate(addresses):
        try:
            with clear_errors(address):
                device = RemoteDevice(index, address)
        except RuntimeError as err:  # of pynq, after 5 s without an answer
            raise ConnectionError(f"no PYNQ.remote at {address}:{PORT}: {err}") from None
        set_deadline(device, seconds)
        devices.append(device)
    return devices


def set_deadline(device: Any, seconds: float) -> None:
    """Let each later call to a RemoteDevice fail after `seconds`; before its overlay is loaded."""
    import grpc
    from pynq.remote import buffer_pb2_grpc, gpio_pb2_grpc, mmio_pb2_grpc, remote_device_pb2_grpc

    class Deadline(
        grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc]
        grpc.UnaryStreamClientInterceptor,  # type: ignore[misc]
        grpc.StreamUnaryClientInterceptor,  # type: ignore[misc]
    ):
        def _call(self, go_on: Any, details: Any, request: Any) -> Any:
            return go_on(details._replace(timeout=seconds), request)

        intercept_unary_unary = intercept_unary_stream = intercept_stream_unary = _call

    channel = grpc.intercept_channel(device.client.channel, Deadline())
    device._stub |= {
        "device": remote_device_pb2_grpc.RemoteDeviceStub(channel),
        "mmio": mmio_pb2_grpc.MmioStub(channel),
        "buffer": buffer_pb2_grpc.RemoteBufferStub(channel),
        "gpio": gpio_pb2_grpc.GpioStub(channel),
    }


@contextmanager
def clear_errors(board: str) -> Iterator[None]:
    """Turn gRPC's errors into Memory-, Timeout-, Connection- or RuntimeError, one line each."""
    import grpc

    kinds: dict[Any, type[Exception]] = {
        grpc.StatusCode.RESOURCE_EXHAUSTED: MemoryError,
        grpc.StatusCode.DEADLINE_EXCEEDED: TimeoutError,
        grpc.StatusCode.UNAVAILABLE: ConnectionError,
    }
    try:
        yield
    except grpc.RpcError as err:
        code, details = err.code(), " ".join((err.details() or "").split())
        kind = kinds.get(code, RuntimeError)
        raise kind(f"board {board}: {details or 'no details'} ({code.name})") from None
