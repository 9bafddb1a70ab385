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
from transfab.host.containers.bit import read_bin
from transfab.host.fabric.faults import Faults
from transfab.host.fabric.kernel import MakeRun
from transfab.host.fabric.memory import Memory
from transfab.host.fabric.zynq import ZynqFabric
from transfab.host.ps_registers import ULTRASCALE, ZYNQ_7000
from transfab.host.remote.board import FIRMWARE, MANAGER, BoardDescription
from transfab.host.remote.board import Board as BoardState

# Linux and the programs have the rest of a Zynq's memory.
BUFFERS = 0x1000_0000
IMAGE = "image.bin"


class EmulatedDevice(Device):  # type: ignore[misc]  # pynq has no types
    """One board. It has no `_probe_`: pynq would make boards of its own.

    make_run  what the kernel of a loaded bitstream computes
    faults    of the fabric, from the next bitstream on
    """

    def __init__(self, name: str, board: BoardFile, make_run: MakeRun) -> None:
        super().__init__(name)
        self.name, self.board_file, self.faults = name, board, Faults()
        self.arch = ZYNQ_7000 if board.processor == "processing_system7" else ULTRASCALE
        self.capabilities = {"REGISTER_RW": True}
        memory = board.memories[0]
        description = BoardDescription(name, self.arch, BUFFERS, memory.size - BUFFERS)
        self.state = BoardState(description, self._fabric)
        self._make_run = make_run
        self.fabric: ZynqFabric | None = None

    def _fabric(self, configuration: bytes) -> ZynqFabric:
        image = read_bin(configuration)
        if image.board != self.board_file.name:
            raise ValueError(
                f"the bitstream is for a {image.board}, and {self.name} is a {self.board_file.name}"
            )
        self.close()
        self.fabric = ZynqFabric(
            image.config,
            image.engine,
            image.top,
            self.board_file.processor,
            Memory(BUFFERS, self.state.description.memory_bytes),
            self._make_run(image.config, image.engine, image.top),
            self.faults,
        )
        return self.fabric

    def close(self) -> None:
        if self.fabric is not None:
            self.fabric.close()

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
