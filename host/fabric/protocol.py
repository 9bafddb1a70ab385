"""What an emulated board asks of the programmable logic that it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable


class Fabric(Protocol):
    """Registers and memory of a configured device; addresses are those of the board's map.

    All four raise ValueError on an address that nothing answers to.
    """

    def read(self, address: int) -> int:
        """The 32-bit register at `address`."""

    def write(self, address: int, value: int) -> None:
        """Set the 32-bit register at `address`."""

    def read_memory(self, address: int, size: int) -> bytes | memoryview:
        """`size` bytes of the board's memory."""

    def write_memory(self, address: int, data: bytes | memoryview) -> None:
        """Copy `data` into the board's memory."""


@runtime_checkable
class Loads(Protocol):
    """A fabric that a bitstream configures; without this one, a fabric is what it is."""

    def load(self, bitstream: bytes) -> None:
        """Become what these bytes say; ValueError refuses them."""


# A fresh fabric for a bitstream's bytes (those of the .bin file); ValueError refuses them.
MakeFabric = Callable[[bytes], Fabric]
