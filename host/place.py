"""Where a board is, as `--board` says it, and who has it.

emulated:BOARD              a board in this process; BOARD is zcu104 unless it is given
pynq:BOARD                  the Zynq that this program runs on
pynq-remote:BOARD@ADDRESS   a Zynq that runs PYNQ.remote
emulated-xrt:BOARD          a card of XRT's software emulation; BOARD is u280 unless it is given
xrt:BOARD@BUS_ID            a card of this host, by its bus id as `xbutil examine` lists it
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transfab.host.board import BoardError
from transfab.host.boards import BoardFile, board_named

REACHES: Final = ("emulated", "pynq", "pynq-remote", "emulated-xrt", "xrt")
USUAL: Final = {"pynq": "zcu104", "xrt": "u280"}
IN_PROCESS: Final = ("emulated", "emulated-xrt")
BUS_ID: Final = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


@dataclass(frozen=True)
class Place:
    """One board.

    reach    of REACHES
    address  of a remote board or the bus id of a card, else empty
    """

    reach: str
    board: BoardFile
    address: str = ""

    @property
    def seat(self) -> str:
        """The same for two names of one board."""
        return f"{self.reach}@{self.address}"

    def __str__(self) -> str:
        return f"{self.reach}:{self.board.name}" + (f"@{self.address}" if self.address else "")


def parse_place(text: str) -> Place:
    """What `--board` means; ValueError, in one line, for anything else."""
    reach, _, rest = text.partition(":")
    name, _, address = rest.partition("@")
    if reach not in REACHES:
        raise ValueError(
            f"--board must be emulated[:BOARD], pynq:BOARD or pynq-remote:BOARD@ADDRESS for a "
            f"Zynq, emulated-xrt[:BOARD] or xrt:BOARD@BUS_ID for a card, not {text}"
        )
    by = "xrt" if reach in ("xrt", "emulated-xrt") else "pynq"
    board = board_named(name or USUAL[by])
    if board.reach != by:
        what = f"a card of {board.reach}, no Zynq" if by == "pynq" else "a Zynq, no card of xrt"
        raise ValueError(f"--board {text}: a {board.name} is {what}")
    if by == "xrt":
        _check_bus_id(text, reach, board, address)
        return Place(reach, board, address)
    if (reach == "pynq-remote") != bool(address):
        raise ValueError(
            f"--board {text}: an address is for pynq-remote, such as "
            f"pynq-remote:{board.name}@192.168.2.99"
        )
    return Place(reach, board, address)


def _check_bus_id(text: str, reach: str, board: BoardFile, address: str) -> None:
    """As `xbutil examine` writes it: two spellings of a card would be two locks."""
    if bool(BUS_ID.fullmatch(address)) != (reach == "xrt") or (address and reach != "xrt"):
        raise ValueError(
            f"--board {text}: a bus id of small digits is for xrt, such as "
            f"xrt:{board.name}@0000:3b:00.1"
        )


@contextmanager
def taken(place: Place) -> Iterator[None]:
    """Have a board for this process; BoardError if another process of this machine has it.

    A board in this process is nobody else's. The system gives back what a killed process had.
    """
    if place.reach in IN_PROCESS:
        yield
        return
    name = f"transfab-{os.getuid()}-{place.seat.replace('/', '_')}.lock"
    path = Path(tempfile.gettempdir()) / name
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            raise BoardError(
                f"{place} is in use by process {owner or 'of another'}: wait for it or end it"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
