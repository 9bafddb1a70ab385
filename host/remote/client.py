"""Remote boards for a driver: connected by address, with a deadline a call and errors in one line.

pynq's own probe gives up on all boards where one is missing, names none, and waits for ever for a
server that hangs.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from unittest.mock import patch

VARIABLE: Final = "PYNQ_REMOTE_DEVICES"
PORT: Final = 7967
# Where PYNQ's images keep the name of their board.
NAME: Final = "/proc/device-tree/chosen/pynq_board"
# Longest time to a connection.
KNOCK: Final = 5.0
# What loads a bitstream may take longer: an emulated board builds its kernel then.
LOADING: Final = 600.0


def connect(addresses: Sequence[str], seconds: float = 30.0) -> list[Any]:
    """A `pynq` RemoteDevice for each address; a call that takes longer than `seconds` fails.

    To be called before anything imports pynq, which chooses its classes for interrupts by an
    environment variable then. Raises ConnectionError on the first board that does not answer. What
    fails later is a Memory-, Timeout-, Connection- or RuntimeError in one line.
    """
    if not addresses:
        raise ValueError("no address of a remote board is given; give at least one")
    if "pynq" in sys.modules and not os.environ.get(VARIABLE):
        raise RuntimeError(f"pynq was imported without {VARIABLE}: connect remote boards first")
    os.environ.setdefault(VARIABLE, ",".join(addresses))
    for address in addresses:
        if reason := silent(address, min(seconds, KNOCK)):
            raise ConnectionError(reason)
    from pynq.pl_server import remote_device

    devices = []
    for index, address in enumerate(addresses):
        with patch.object(remote_device, "GrpcChannel", partial(Channel, seconds=seconds)):
            try:
                devices.append(remote_device.RemoteDevice(index, address))
            except (OSError, RuntimeError) as err:
                for device in devices:
                    device.client.close()
                raise ConnectionError(f"no PYNQ.remote at {address}:{PORT}: {err}") from None
    return devices


def silent(address: str, seconds: float) -> str | None:
    """Why no board answers at an address, with the way out; None if something does."""
    try:
        socket.create_connection((address, PORT), timeout=seconds).close()
    except OSError as err:
        return (
            f"no board at {address}: nothing answers on port {PORT} ({err.strerror or err}); "
            "start PYNQ.remote there or correct the address"
        )
    return None


def name_of(address: str, seconds: float) -> str:
    """What the board at an address calls itself; OSError or RuntimeError where it does not."""
    from pynq.remote import remote_device_pb2, remote_device_pb2_grpc

    channel = Channel(address, PORT, seconds)
    try:
        stub = remote_device_pb2_grpc.RemoteDeviceStub(channel)
        request = remote_device_pb2.ReadFileRequest(file_path=NAME)
        return b"".join(part.data for part in stub.readfile(request)).decode().strip("\0\n")
    finally:
        channel.close()


class Channel:
    """A gRPC channel, as stubs and pynq want one, whose calls end within `seconds`."""

    def __init__(self, address: str, port: int, seconds: float) -> None:
        import grpc

        self.channel = self
        self.seconds, self._grpc = seconds, grpc.insecure_channel(f"{address}:{port}")
        try:
            grpc.channel_ready_future(self._grpc).result(timeout=min(seconds, KNOCK))
        except grpc.FutureTimeoutError:
            self.close()
            raise TimeoutError("it does not speak gRPC") from None

    def close(self) -> None:
        """Any number of times; no call can follow."""
        self._grpc.close()

    def unary_unary(self, path: str, *given: Any, **named: Any) -> Callable[[Any], Any]:
        return self._bounded(path, self._grpc.unary_unary(path, *given, **named))

    def stream_unary(self, path: str, *given: Any, **named: Any) -> Callable[[Any], Any]:
        return self._bounded(path, self._grpc.stream_unary(path, *given, **named))

    def unary_stream(self, path: str, *given: Any, **named: Any) -> Callable[[Any], Any]:
        call = self._grpc.unary_stream(path, *given, **named)
        # All of it at once, so that no error comes later.
        return self._bounded(path, lambda request, timeout: list(call(request, timeout=timeout)))

    def _bounded(self, path: str, call: Callable[..., Any]) -> Callable[[Any], Any]:
        name = path.rpartition("/")[2]
        least = LOADING if name == "writefile" else 0.0

        def bounded(request: Any) -> Any:
            seconds = max(self.seconds, least)
            with clear_errors(name, seconds):
                return call(request, timeout=seconds)

        return bounded


@contextmanager
def clear_errors(call: str, seconds: float) -> Iterator[None]:
    """Turn gRPC's errors into Memory-, Timeout-, Connection- or RuntimeError, one line each."""
    import grpc

    try:
        yield
    except grpc.RpcError as err:
        code, details = err.code(), " ".join((err.details() or "no details").split())
        if code == grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise MemoryError(details) from None
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            raise TimeoutError(f"no answer to {call} within {seconds:g} s") from None
        if code == grpc.StatusCode.UNAVAILABLE:
            raise ConnectionError(f"the connection is lost: {details}") from None
        raise RuntimeError(details) from None
