"""An emulated board behind PYNQ.remote's calls: files, registers, memory and a bitstream's fabric.

It answers as a board's Linux would for what pynq 4.0.0 asks, and emulates no silicon: a transfer
that matches here says that host and server agree with the fabric model, not that a board would.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields
from pathlib import PurePosixPath
from typing import Final

from transfab.host.fabric.protocol import Fabric, MakeFabric
from transfab.host.ps_registers import ARCHITECTURES, ULTRASCALE, PsRegisters
from transfab.host.remote.memory import PAGE, BufferTable

FIRMWARE: Final = "/lib/firmware/"
MANAGER: Final = "/sys/class/fpga_manager/fpga0/"
# Files that stay in memory; the largest .bin of the boards of docs/build.md has 33 MB.
MAX_FILE_BYTES: Final = 256 << 20


@dataclass(frozen=True)
class BoardDescription:
    """What a board is.

    name          str   what the client shows
    architecture  str   aarch64 (Zynq UltraScale+) or armv7l (Zynq-7000)
    memory_base   int   first byte that buffers may use; a multiple of a page
    memory_bytes  int   how many
    """

    name: str = "emulated"
    architecture: str = ULTRASCALE
    memory_base: int = 0x1000_0000
    memory_bytes: int = 64 << 20

    def __post_init__(self) -> None:
        for entry in fields(self):
            kind = {"name": str, "architecture": str}.get(entry.name, int)
            value = getattr(self, entry.name)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ValueError(f"{entry.name} of a board must be {kind.__name__}, not {value!r}")
        if self.architecture not in ARCHITECTURES:
            raise ValueError(
                f"architecture must be one of {ARCHITECTURES}, not {self.architecture!r}"
            )
        if self.memory_base % PAGE or self.memory_base < 0 or self.memory_bytes < PAGE:
            raise ValueError(
                f"memory must start on a page of {PAGE} bytes and hold one, not "
                f"{self.memory_bytes} bytes at 0x{self.memory_base:x}"
            )


class Board:
    """State of one board. Methods raise ValueError, MemoryError or OSError; all may be called from
    several threads."""

    def __init__(self, description: BoardDescription, make_fabric: MakeFabric) -> None:
        self.description = description
        self.ps = PsRegisters(description.architecture)
        self.buffers = BufferTable(description.memory_base, description.memory_bytes)
        self.lock = threading.RLock()
        self._make_fabric = make_fabric
        self._fabric: Fabric | None = None
        version = f"Linux version 6.6.0 ({description.architecture}, emulated)\n"
        self._files = {
            "/proc/version": version.encode(),
            "/proc/device-tree/chosen/pynq_board": description.name.encode() + b"\0",
            MANAGER + "state": b"unknown\n",
            MANAGER + "flags": b"0\n",
            MANAGER + "firmware": b"",
        }

    @property
    def fabric(self) -> Fabric:
        if self._fabric is None:
            raise ValueError("no bitstream is loaded: load an overlay with download=True first")
        return self._fabric

    def exists(self, path: str) -> bool:
        with self.lock:
            return _file_name(path) in self._files

    def read_file(self, path: str) -> bytes:
        with self.lock:
            name = _file_name(path)
            if name not in self._files:
                raise FileNotFoundError(f"no file {name} on this board")
            return self._files[name]

    def write_file(self, path: str, data: bytes) -> None:
        """Keep a file in memory; the FPGA manager's `firmware` loads the file that it names."""
        with self.lock:
            name = _file_name(path)
            if not name.startswith((FIRMWARE, MANAGER)):
                raise PermissionError(f"only {FIRMWARE} and {MANAGER} can be written, not {name}")
            others = sum(len(kept) for other, kept in self._files.items() if other != name)
            if others + len(data) > MAX_FILE_BYTES:
                raise MemoryError(f"files of a board are at most {MAX_FILE_BYTES} bytes in all")
            if name == MANAGER + "firmware":
                self._load(data.decode().strip())
            self._files[name] = data

    def read(self, address: int) -> int:
        with self.lock:
            return (self.ps if address in self.ps else self.fabric).read(address)

    def write(self, address: int, value: int) -> None:
        with self.lock:
            (self.ps if address in self.ps else self.fabric).write(address, value)

    def flush(self, name: str) -> None:
        """Host copy to memory."""
        with self.lock:
            buffer = self.buffers.get(name)
            self.fabric.write_memory(buffer.address, bytes(buffer.shadow))

    def invalidate(self, name: str) -> None:
        """Memory to host copy."""
        with self.lock:
            buffer = self.buffers.get(name)
            buffer.shadow[:] = self.fabric.read_memory(buffer.address, len(buffer.shadow))

    def _load(self, image: str) -> None:
        """A fresh fabric; memory outlives a bitstream, so live buffers are carried over."""
        flags = self._files[MANAGER + "flags"].strip()
        if flags != b"0":
            raise ValueError(f"only full bitstreams (flags 0) can be loaded, not {flags.decode()}")
        path = FIRMWARE + image
        if path not in self._files:
            raise FileNotFoundError(f"no file {path} on this board: send it first")
        fresh = self._make_fabric(self._files[path])
        if self._fabric is not None:
            for buffer in self.buffers.live:
                kept = self._fabric.read_memory(buffer.address, len(buffer.shadow))
                fresh.write_memory(buffer.address, kept)
        self._fabric = fresh
        self._files[MANAGER + "state"] = b"operating\n"


def _file_name(path: str) -> str:
    pure = PurePosixPath(path)
    if not pure.is_absolute() or ".." in pure.parts or "\0" in path:
        raise ValueError(f"a file's path must be absolute and without .., not {path!r}")
    return str(pure)
