"""A board in this process: a `pynq.Device` over the emulated fabric.

pynq's own overlays, buffers, MMIO and DMA driver run on it unchanged. The host's copy of a buffer
is apart from the emulated memory, so that a missing flush or invalidate shows as wrong data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pynq import Device
from pynq.buffer import PynqBuffer
from pynq.pl_server.remote_device import RemoteBitfileHandler

from transfab.host.boards import BoardFile
from transfab.host.fabric.configured import BUFFERS, Fabrics
from transfab.host.fabric.kernel import MakeRun
from transfab.host.remote.board import FIRMWARE, MANAGER, BoardDescription
from transfab.host.remote.board import Board as BoardState

IMAGE = "image.bin"


class EmulatedDevice(Device):  # type: ignore[misc]  # pynq has no types
    """One board. It has no `_probe_`: pynq would make boards of its own.

    make_run  what the kernel of a loaded bitstream computes
    """

    def __init__(self, name: str, board: BoardFile, make_run: MakeRun) -> None:
        super().__init__(name)
        self.name, self.fabrics = name, Fabrics(name, board, make_run)
        self.arch = self.fabrics.architecture
        self.capabilities = {"REGISTER_RW": True}
        description = BoardDescription(name, self.arch, BUFFERS, self.fabrics.memory_bytes)
        self.state = BoardState(description, self.fabrics)

    def close(self) -> None:
        self.fabrics.close()

    # What pynq calls.

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        # The handler of embedded boards calls a program of XRT.
        return RemoteBitfileHandler(bitfile_name).get_parser(partial=partial)

    def download(self, bitstream: Any, parser: Any = None) -> None:
        self.state.write_file(FIRMWARE + IMAGE, parser.bin_data)
        self.state.write_file(f"{MANAGER}firmware", IMAGE.encode())
        self.post_download(bitstream, parser, self.name)

    def read_registers(self, address: int, length: int) -> bytes:
        if length == 4:
            return self.state.read(address).to_bytes(4, "little")
        words = (self.state.read(address + at) for at in range(0, length, 4))
        return b"".join(word.to_bytes(4, "little") for word in words)

    def write_registers(self, address: int, data: bytes) -> None:
        for at in range(0, len(data), 4):
            self.state.write(address + at, int.from_bytes(data[at : at + 4], "little"))

    def allocate(self, shape: Any, dtype: Any, **settings: Any) -> PynqBuffer:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        name = self.state.buffers.allocate(size)
        held = self.state.buffers.get(name)
        buffer = PynqBuffer(
            shape, dtype, buffer=held.shadow, device=self, device_address=held.address, bo=name
        )
        # Without these three, pynq frees nothing; without `freed`, it unmaps what was freed.
        buffer.memory, buffer.pointer, buffer.return_to = self, name, self
        buffer.freed = True
        return buffer

    def return_pointer(self, name: str) -> None:
        self.state.buffers.free(name)

    def flush(self, name: str, offset: int, address: int, size: int) -> None:
        held = self.state.buffers.get(name)
        part = memoryview(held.shadow)[offset : offset + size]
        self.state.fabric.write_memory(held.address + offset, part)

    def invalidate(self, name: str, offset: int, address: int, size: int) -> None:
        held = self.state.buffers.get(name)
        memoryview(held.shadow)[offset : offset + size] = self.state.fabric.read_memory(
            held.address + offset, size
        )
