"""pynq with boards in its own process, by a Device of ours: prints one JSON object.

The smallest Device that pynq's overlays, MMIO, buffers and DMA driver are content with.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from pynq import Device
from pynq.buffer import PynqBuffer
from pynq.pl_server.remote_device import RemoteBitfileHandler
from remote_client import failure, packet, round_trip
from remote_loopback import loopback

from transfab.host.pynq_defects import Part, load_overlay, only_board
from transfab.host.remote.board import FIRMWARE, MANAGER, Board, BoardDescription


class InProcessDevice(Device):
    """No `_probe_`: pynq would make boards of its own and refuse a second class of a priority."""

    def __init__(self, name: str, arch: str = "aarch64") -> None:
        super().__init__(name)
        self.name, self.arch = name, arch
        self.capabilities = {"REGISTER_RW": True}
        description = BoardDescription(architecture=arch, memory_bytes=1 << 20)
        self.board = Board(description, loopback(description))

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        # The embedded handler would call xclbinutil.
        return RemoteBitfileHandler(bitfile_name).get_parser(partial=partial)

    def download(self, bitstream: Any, parser: Any = None) -> None:
        self.board.write_file(FIRMWARE + "image.bin", parser.bin_data)
        self.board.write_file(MANAGER + "firmware", b"image.bin")
        self.post_download(bitstream, parser, self.name)

    def read_registers(self, address: int, length: int) -> bytes:
        words = (self.board.read(address + at) for at in range(0, length, 4))
        return b"".join(word.to_bytes(4, "little") for word in words)

    def write_registers(self, address: int, data: bytes) -> None:
        for at in range(0, len(data), 4):
            self.board.write(address + at, int.from_bytes(data[at : at + 4], "little"))

    def allocate(self, shape: Any, dtype: Any, **settings: Any) -> PynqBuffer:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        name = self.board.buffers.allocate(size)
        held = self.board.buffers.get(name)
        buffer = PynqBuffer(
            shape, dtype, buffer=held.shadow, device=self, device_address=held.address, bo=name
        )
        # Without these three freebuffer() frees nothing.
        buffer.memory, buffer.pointer, buffer.return_to = self, name, self
        return buffer

    def return_pointer(self, name: str) -> None:
        self.board.buffers.free(name)

    def flush(self, name: str, offset: int, address: int, size: int) -> None:
        held = self.board.buffers.get(name)
        data = bytes(held.shadow[offset : offset + size])
        self.board.fabric.write_memory(held.address + offset, data)

    def invalidate(self, name: str, offset: int, address: int, size: int) -> None:
        held = self.board.buffers.get(name)
        held.shadow[offset : offset + size] = self.board.fabric.read_memory(
            held.address + offset, size
        )


def loaded(device: Any, bit: str, around: bool) -> Any:
    import pynq.lib.dma  # noqa: F401 - binds the driver of axi_dma
    from pynq import Overlay

    return load_overlay(Path(bit), device) if around else Overlay(bit, device=device)


def clocks(arguments: dict[str, Any]) -> dict[str, Any]:
    """Two boards; also what `only_board` leaves behind."""
    from pynq import Clocks

    devices = [InProcessDevice(name) for name in ("first", "second")]
    Device.active_device = devices[0]
    for device, bit in zip(devices, arguments["bits"], strict=True):
        loaded(device, bit, arguments["around"])
    words = [device.board.ps.read(0xFF5E_00C0) for device in devices]
    with only_board(devices[1]):
        read = Clocks.fclk0_mhz
    return {"words": words, "read": read, "active": Device.active_device.name}


def zynq(arguments: dict[str, Any]) -> dict[str, Any]:
    device = InProcessDevice("zynq", "armv7l")
    Device.active_device = device
    found = {"failure": failure(lambda: loaded(device, arguments["bit"], arguments["around"]))}
    return found | {"word": device.board.ps.read(0xF800_0170)}


def move(arguments: dict[str, Any]) -> dict[str, Any]:
    device = InProcessDevice("board")
    overlay = loaded(device, arguments["bit"], True)
    sent, received = (device.allocate((98_304,), "u1") for _ in range(2))
    sent[:] = np.frombuffer(packet(7), "u1")
    round_trip(overlay, sent, received)
    found: dict[str, Any] = {"equal": bytes(received) == packet(7)}
    received[:] = 0
    received.flush()
    overlay.layer.write(0, 1)
    part = Part(received, 4096)
    overlay.dma_output.recvchannel.transfer(part)
    overlay.dma_hidden.sendchannel.transfer(Part(sent, 4096))
    overlay.dma_output.recvchannel.wait()
    found["part"] = bytes(part.array) == packet(7)[:4096]
    received.invalidate()
    found["around it"] = not received[4096:].any()
    found["live"] = [len(device.board.buffers.live)]
    sent.freebuffer()
    del received, part
    return found | {"live": [*found["live"], len(device.board.buffers.live)]}


if __name__ == "__main__":
    act, given = globals()[sys.argv[1]], json.loads(sys.argv[2])
    ways = [False, True] if given.get("both") else [given.get("around")]
    found = [act(given | {"around": around}) for around in ways]
    print(json.dumps(found if given.get("both") else found[0]))
