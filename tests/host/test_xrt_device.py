"""The device process without XRT: the wire format, and a server behind a pair of sockets."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from adder import BASE, DONE, IDENTITY, IDLE, Adder
from hypothesis import given
from hypothesis import strategies as st

from transfab.host.xrt.device import Server
from transfab.host.xrt.wire import Call, Closed, Stream, fields, integer, text

SIZE = 1 << 16


@given(st.integers(1, 15), st.integers(0, (1 << 64) - 1), st.binary(max_size=300))
def test_fields_come_back(number: int, value: int, data: bytes) -> None:
    message = integer(number, value) + b"".join(text(number, data))
    found = list(fields(memoryview(message)))
    assert found == [(number, value), (number, data)]


def test_the_format_is_protobufs() -> None:
    """The examples of protobuf's own description of its encoding."""
    assert integer(1, 150) == bytes.fromhex("089601")
    assert b"".join(text(2, b"testing")) == bytes.fromhex("120774657374696e67")
    message = bytes.fromhex("0d01000000110200000000000000")
    assert list(fields(memoryview(message))) == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    "message", ["08", "0880", "0d0000", "1205ab", "0b", "08" + "ff" * 10, "12ffffffff0f"]
)
def test_what_is_no_message_is_refused(message: str) -> None:
    with pytest.raises(ValueError, match=r"field|integer"):
        list(fields(memoryview(bytes.fromhex(message))))


class Client:
    """The shim's side."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def post(self, call: int, *parts: bytes) -> None:
        payload = b"".join(parts)
        self.connection.sendall(struct.pack("<BQBI", 0x09, len(payload), 0x15, call))
        self.connection.sendall(payload)

    def ask(self, call: int, *parts: bytes) -> dict[int, int | bytes]:
        self.post(call, *parts)
        tag, size = struct.unpack("<BQ", self._exactly(9))
        assert tag == 0x09
        found = fields(memoryview(self._exactly(size)))
        return {n: v if isinstance(v, int) else bytes(v) for n, v in found}

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self.connection.recv(size - len(data)) or pytest.fail("the server has gone")
        return data


Served = tuple[Client, Adder, list[BaseException], threading.Thread]


@pytest.fixture
def served() -> Iterator[Served]:
    """A client, the fabric behind it, what the server raised, and its thread."""
    here, there = socket.socketpair()
    fabric = Adder(SIZE, 3)
    raised: list[BaseException] = []

    def serve() -> None:
        try:
            Server(fabric).serve(Stream(there))
        except (Closed, ValueError) as err:
            raised.append(err)
        finally:
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    here.settimeout(5)
    yield Client(here), fabric, raised, thread
    here.close()
    thread.join(5)
    assert not thread.is_alive()


def block(*words: int) -> bytes:
    return b"".join(text(4, struct.pack(f"<{len(words)}I", *words)))


def test_bytes_go_there_and_back(served: Served) -> None:
    client, fabric, *_ = served
    data = bytes(range(256)) * 200
    done = client.ask(Call.TO_DEVICE, integer(3, 4096), *text(4, data), integer(5, len(data)))
    assert done == {1: len(data)}
    assert fabric.memory[4096 : 4096 + len(data)].tobytes() == data
    assert client.ask(Call.TO_HOST, integer(4, 4097), integer(5, 1000)) == {
        1: 1000,
        2: data[1:1001],
    }


def test_a_run_is_written_twice_and_starts_once(served: Served) -> None:
    client, fabric, *_ = served
    fabric.memory[:4] = [1, 2, 3, 4]
    starts = []
    add = fabric._add
    fabric._add = lambda: starts.append(dict(fabric.words)) or add()  # type: ignore[method-assign]
    written: list[int] = []
    write = fabric.write
    fabric.write = lambda at, word: written.append(at - BASE) or write(at, word)  # type: ignore[method-assign,func-returns-value]
    arguments = (0, 0, 0, 0, 0, 0, 4, 0, 64, 0, 0, 9)  # from 0x04 on
    for control in (0, 1):
        client.post(
            Call.WRITE_CONTROL, integer(2, BASE), integer(3, 52), block(control, *arguments)
        )
    assert client.ask(Call.READ_CONTROL, integer(2, BASE)) == {1: 1, 2: struct.pack("<I", 6)}
    assert len(starts) == 1
    assert (starts[0][0x1C], starts[0][0x24], starts[0][0x30]) == (4, 64, 9)
    # The interrupt registers are left alone, control comes last.
    assert written == [*range(0x10, 0x34, 4), 0, 0]
    client.post(Call.WRITE_CONTROL, integer(2, BASE), integer(3, 4), block(16))
    assert client.ask(Call.READ_CONTROL, integer(2, BASE)) == {1: 1, 2: struct.pack("<I", IDLE)}
    assert fabric.memory[64:68].tolist() == [10, 11, 12, 13]


def test_the_end_of_a_run_is_acknowledged_once_it_has_been_read(served: Served) -> None:
    """XRT's shim keeps the word back that XRT writes for it."""
    client, fabric, *_ = served
    fabric.words[0] = DONE | IDLE
    read = (integer(1, BASE), integer(2, 0), integer(3, 4))
    for _ in range(2):  # by the host's own read it is left as it is
        assert client.ask(Call.READ_REGISTER, *read)[2] == struct.pack("<I", DONE | IDLE)
    assert client.ask(Call.READ_CONTROL, integer(2, BASE))[2] == struct.pack("<I", DONE | IDLE)
    assert client.ask(Call.READ_CONTROL, integer(2, BASE))[2] == struct.pack("<I", IDLE)


class Units:
    """A fabric of nothing but control registers: what was written, what is read next."""

    def __init__(self) -> None:
        self.written: list[tuple[int, int]] = []
        self.controls: dict[int, int] = {}

    def read(self, address: int) -> int:
        return self.controls.get(address, 0)

    def write(self, address: int, value: int) -> None:
        self.written.append((address, value))


def test_the_end_of_a_unit_comes_with_those_of_the_others() -> None:
    units = Units()
    server = Server(units)  # type: ignore[arg-type]
    for base in (0x3000, 0x1000, 0x2000):
        start = integer(2, base) + block(1, 0, 0, 0)
        assert server.calls[Call.WRITE_CONTROL](memoryview(start)) == ()

    def look(address: int) -> tuple[int, tuple[int, ...]]:
        answer = b"".join(server.calls[Call.READ_CONTROL](memoryview(integer(2, address))))
        found = dict(fields(memoryview(answer)))
        others = found.get(3, memoryview(b""))
        assert isinstance(found[2], memoryview)
        assert isinstance(others, memoryview)
        word = int.from_bytes(found[2], "little")
        return word, struct.unpack(f"<{len(others) // 8}Q", others)

    # One that runs says nothing of the others; one that has ended tells of those that have, too.
    units.controls = {0x1000: 1, 0x2000: DONE, 0x3000: DONE | IDLE}
    assert look(0x1000) == (1, ())
    units.controls[0x1000] = DONE
    units.written.clear()
    assert look(0x1000) == (DONE, (0x2000, 0x3000))
    assert units.written == [(0x1000, 16), (0x2000, 16), (0x3000, 16)]
    # Told once: another run of it is another end.
    units.controls = dict.fromkeys((0x1000, 0x2000, 0x3000), DONE)
    server.calls[Call.WRITE_CONTROL](memoryview(integer(2, 0x2000) + block(1, 0)))
    assert look(0x1000) == (DONE, (0x2000,))


def test_requests_that_follow_each_other_are_served_in_order(served: Served) -> None:
    """As the shim sends them: a write of registers is posted."""
    client, fabric, *_ = served
    requests = []
    for word in range(5):
        payload = integer(2, BASE + 0x10) + block(word)
        requests.append(
            struct.pack("<BQBI", 0x09, len(payload), 0x15, Call.WRITE_CONTROL) + payload
        )
    payload = integer(2, BASE)
    requests.append(struct.pack("<BQBI", 0x09, len(payload), 0x15, Call.READ_CONTROL) + payload)
    whole = b"".join(requests)
    for part in (whole, whole[:50], whole[50:]):  # at once, and broken off inside a request
        client.connection.sendall(part)
        time.sleep(0.01)
    for _ in range(2):
        assert client._exactly(9 + 8)[-4:] == struct.pack("<I", IDLE)
    assert fabric.words[0x10] == 4


def test_registers_are_words_of_the_boards_map(served: Served) -> None:
    client, fabric, *_ = served
    word = b"".join(text(3, struct.pack("<I", 0xFEDCBA98)))
    client.ask(Call.WRITE_REGISTER, integer(1, BASE), integer(2, 0x30), word)
    assert fabric.words[0x30] == 0xFEDCBA98
    read = client.ask(Call.READ_REGISTER, integer(1, BASE), integer(2, IDENTITY), integer(3, 4))
    assert read == {1: 1, 2: struct.pack("<I", 0xADD3)}


def test_memory_is_refused_beyond_the_banks(served: Served) -> None:
    client = served[0]
    banks = b"".join(b"".join(text(8, integer(7, size))) for size in (4096, 8192))
    assert client.ask(Call.LOAD, banks) == {1: 1}
    assert client.ask(Call.ALLOCATE, integer(1, 4096), integer(2, 8192)) == {1: 1}
    assert client.ask(Call.ALLOCATE, integer(1, 4096), integer(2, 8193)) == {1: 0}


def test_a_close_for_another_xclbin_does_not_end_the_server(served: Served) -> None:
    client, _, raised, thread = served
    assert client.ask(Call.CLOSE, integer(3, 0)) == {1: 1}
    assert client.ask(Call.SETUP) == {1: 1}
    assert client.ask(Call.CLOSE, integer(3, 1)) == {1: 1}
    thread.join(5)
    assert not thread.is_alive()
    assert raised == []


@pytest.mark.parametrize("sent", [struct.pack("<BQBI", 0x09, 0, 0x15, 24), b"\0" * 14])
def test_what_is_not_served_is_an_error(served: Served, sent: bytes) -> None:
    client, _, raised, thread = served
    client.connection.sendall(sent)
    thread.join(5)
    assert isinstance(raised[0], ValueError)
    assert "24 is not served" in str(raised[0]) or "no request" in str(raised[0])


def test_the_end_of_the_host_ends_the_server(served: Served) -> None:
    client, _, raised, thread = served
    client.connection.sendall(b"\x09\x01")
    client.connection.shutdown(socket.SHUT_WR)
    thread.join(5)
    assert isinstance(raised[0], Closed)


def test_a_device_process_that_nobody_started_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path[:0] = " + repr(sys.path)
         + "; from transfab.host.xrt.device import main; sys.exit(main())"],
        env={"TRANSFAB_XRT_ERRORS": ""}, capture_output=True, text=True, cwd=tmp_path, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "ValueError: EMULATION_SOCKETID is '': XRT's shim starts this, no one else"
    ]
