"""Where a board is, as `--board` says it, and who has it.

emulated:BOARD              a board in this process; BOARD is zcu104 unless it is given
pynq:BOARD                  the Zynq that this program runs on
pynq-remote:BOARD@ADDRESS   a Zynq that runs PYNQ.remote
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transfab.host.board import BoardError
from transfab.host.boards import BoardFile, board_named

REACHES: Final = ("emulated", "pynq", "pynq-remote")
USUAL: Final = "zcu104"


@dataclass(frozen=True)
class Place:
    """One board.

    reach    of REACHES
    address  of a remote board, else empty
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
            f"--board must be emulated[:BOARD], pynq:BOARD or pynq-remote:BOARD@ADDRESS, not {text}"
        )
    board = board_named(name or USUAL)
    if board.reach != "pynq":
        raise ValueError(f"--board {text}: a {board.name} is a card of {board.reach}, no Zynq")
    if (reach == "pynq-remote") != bool(address):
        raise ValueError(
            f"--board {text}: an address is for pynq-remote, such as "
            f"pynq-remote:{board.name}@192.168.2.99"
        )
    return Place(reach, board, address)


@contextmanager
def taken(place: Place) -> Iterator[None]:
    """Have a board for this process; BoardError if another process of this machine has it.

    A board in this process is nobody else's. The system gives back what a killed process had.
    """
    if place.reach == "emulated":
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
