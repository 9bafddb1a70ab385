"""Calls of PYNQ.remote one by one, with pynq's stubs, where pynq itself always joins two."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import host_fixtures  # noqa: F401 - skips without pynq and grpc
import pytest
from remote_loopback import loopback

from transfab.host.remote.board import FIRMWARE, MANAGER, BoardDescription
from transfab.host.remote.server import CHUNK, RemoteBoard, free_address

KERNEL = 0xA000_0000


@pytest.fixture
def remote() -> Iterator[RemoteBoard]:
    """A board with 8 MiB and a bitstream."""
    description = BoardDescription(memory_bytes=8 << 20)
    with RemoteBoard(description, loopback(description), free_address()) as remote:
        remote.board.write_file(FIRMWARE + "a.bin", b"image")
        remote.board.write_file(MANAGER + "firmware", b"a.bin")
        yield remote


@pytest.fixture
def stubs(remote: RemoteBoard) -> Iterator[dict[str, Any]]:
    import grpc
    from pynq.remote import buffer_pb2_grpc, mmio_pb2_grpc, remote_device_pb2_grpc

    with grpc.insecure_channel(remote.target) as channel:
        yield {
            "device": remote_device_pb2_grpc.RemoteDeviceStub(channel),
            "mmio": mmio_pb2_grpc.MmioStub(channel),
            "buffer": buffer_pb2_grpc.RemoteBufferStub(channel),
        }


def test_written_chunks_reach_memory_with_the_flush_and_not_before(
    remote: RemoteBoard, stubs: dict[str, Any]
) -> None:
    from pynq.remote import buffer_pb2 as messages

    data = random.Random(1).randbytes(2 * CHUNK + 5)
    buffers = stubs["buffer"]
    name = buffers.allocate(messages.AllocateRequest(size=len(data))).buffer_id
    parts = [data[:CHUNK], data[CHUNK : 2 * CHUNK], data[2 * CHUNK :]]
    requests = [messages.BufferWriteRequest(buffer_id=name, data=part) for part in parts]
    assert buffers.write(iter(requests)).msg == ""
    read = buffers.read(messages.BufferReadRequest(buffer_id=name))
    assert b"".join(reply.data for reply in read) == data
    address = buffers.physical_address(messages.AddressRequest(buffer_id=name)).address
    memory = remote.board.fabric.read_memory
    assert bytes(memory(address, len(data))) == bytes(len(data))
    assert buffers.flush(messages.FlushRequest(buffer_id=name)).msg == ""
    assert bytes(memory(address, len(data))) == data


def test_a_write_beyond_the_buffer_changes_nothing(stubs: dict[str, Any]) -> None:
    from pynq.remote import buffer_pb2 as messages

    buffers = stubs["buffer"]
    name = buffers.allocate(messages.AllocateRequest(size=4)).buffer_id
    request = messages.BufferWriteRequest(buffer_id=name, data=b"abcde")
    assert buffers.write(iter([request])).msg == "bytes 0 to 5 of a buffer of 4"
    (reply,) = buffers.read(messages.BufferReadRequest(buffer_id=name))
    assert reply.data == bytes(4)


def test_a_freed_buffer_is_unknown_to_every_call(stubs: dict[str, Any]) -> None:
    from pynq.remote import buffer_pb2 as messages

    buffers = stubs["buffer"]
    name = buffers.allocate(messages.AllocateRequest(size=4)).buffer_id
    assert buffers.freebuffer(messages.FreeBufferRequest(buffer_id=name)).msg == ""
    for call, kind in (
        (buffers.freebuffer, messages.FreeBufferRequest),
        (buffers.flush, messages.FlushRequest),
        (buffers.invalidate, messages.InvalidateRequest),
        (buffers.physical_address, messages.AddressRequest),
    ):
        assert call(kind(buffer_id=name)).msg.startswith("no buffer '1' on this board")


def test_registers_are_read_in_each_length_that_a_reply_holds(stubs: dict[str, Any]) -> None:
    from pynq.remote import mmio_pb2 as messages

    mmio = stubs["mmio"]
    name = mmio.get_mmio(messages.GetMmioRequest(base_addr=0xFF5E_0000, length=0x100)).mmio_id
    low, high = 0x1234_5678, 0x9ABC_DEF0
    data = low.to_bytes(4, "little") + high.to_bytes(4, "little")
    assert mmio.write(messages.WriteRequest(mmio_id=name, offset=0x40, data=data)).msg == ""
    for offset, length, value in (
        (0x40, 1, 0x78),
        (0x40, 2, 0x5678),
        (0x40, 4, low),
        (0x44, 4, high),
    ):
        request = messages.ReadRequest(mmio_id=name, offset=offset, length=length)
        assert mmio.read(request).data == value
    request = messages.ReadRequest(mmio_id=name, offset=0x40, length=8)
    assert mmio.read(request).msg == "1, 2 or 4 bytes can be read at once, not 8"
    request = messages.ReadRequest(mmio_id=name, offset=0x100, length=4)
    assert "offset 0x100 must be a word of the 256 bytes" in mmio.read(request).msg
    refused = mmio.get_mmio(messages.GetMmioRequest(base_addr=KERNEL + 2, length=4))
    assert refused.msg == "a window must start on a word, not 4 bytes at 0xa0000002"


def test_a_partial_bitstream_is_refused(stubs: dict[str, Any]) -> None:
    import grpc
    from pynq.remote import remote_device_pb2 as messages

    request = messages.SetBitstreamAttrsRequest(binfile_name="part.bin", partial=True)
    with pytest.raises(grpc.RpcError) as refused:
        stubs["device"].set_bitstream_attrs(request)
    assert refused.value.details() == "part.bin is partial: only full ones load"
