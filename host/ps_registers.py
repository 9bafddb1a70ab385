"""Registers of the processing system that PYNQ touches when it loads a bitstream.

PL clocks and AXI port widths: plain words that keep what is written, with the PLLs of a board that
has booted. They belong to the board and outlive a bitstream. No clock changes when they do: a
host's settings can be read back, and nothing more.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

ULTRASCALE: Final = "aarch64"
ZYNQ_7000: Final = "armv7l"

# Address -> value at boot. Zynq UltraScale+ PLL: FBDIV << 8 | DIV2 << 16, 33.333 MHz in.
_ULTRASCALE_BOOT: Final = {
    0xFF5E0020: 90 << 8 | 1 << 16,  # IOPLL, 1500 MHz
    0xFF5E0030: 72 << 8 | 1 << 16,  # RPLL
    # PL0..3_REF_CTRL: CLKACT, DIVISOR1, DIVISOR0; 100 MHz
    **{0xFF5E00C0 + 4 * index: 1 << 24 | 1 << 16 | 15 << 8 for index in range(4)},
    0xFD1A0020: 72 << 8 | 1 << 16,  # APLL
    0xFD1A002C: 64 << 8 | 1 << 16,  # DPLL
    0xFD1A0038: 90 << 8 | 1 << 16,  # VPLL
    0xFD1A0060: 1 << 8,  # ACPU_CTRL
}
# Zynq-7000 PLL: FDIV << 12, 50 MHz in.
_ZYNQ_BOOT: Final = {
    0xF8000100: 26 << 12,  # ARM PLL
    0xF8000104: 21 << 12,  # DDR PLL
    0xF8000108: 20 << 12,  # IO PLL, 1000 MHz
    0xF8000120: 2 << 8,  # ARM_CLK_CTRL
    # FPGA0..3_CLK_CTRL: DIVISOR1, DIVISOR0; 100 MHz
    **{0xF8000170 + 16 * index: 1 << 20 | 10 << 8 for index in range(4)},
}
_BOOT: Final = {ULTRASCALE: _ULTRASCALE_BOOT, ZYNQ_7000: _ZYNQ_BOOT}
# The processing system's own peripherals; below lie memory and the ports to the fabric.
_FIRST: Final = {ULTRASCALE: 0xF900_0000, ZYNQ_7000: 0xE000_0000}
_END: Final = 1 << 32

ARCHITECTURES: Final = tuple(_BOOT)


class PsRegisters:
    """The 32-bit words of one board's processing system; a word that was never written reads 0."""

    def __init__(self, architecture: str) -> None:
        if architecture not in _BOOT:
            raise ValueError(f"architecture must be one of {ARCHITECTURES}, not {architecture!r}")
        self._first = _FIRST[architecture]
        self._words = dict(_BOOT[architecture])

    @property
    def words(self) -> MappingProxyType[int, int]:
        """Every word that is not 0 by default, by address."""
        return MappingProxyType(self._words)

    def __contains__(self, address: int) -> bool:
        return self._first <= address < _END

    def read(self, address: int) -> int:
        return self._words.get(self._checked(address), 0)

    def write(self, address: int, value: int) -> None:
        self._words[self._checked(address)] = value & 0xFFFF_FFFF

    def _checked(self, address: int) -> int:
        if address not in self or address % 4:
            raise ValueError(
                f"0x{address:x} is no register of the processing system: an address must be a "
                f"multiple of 4 from 0x{self._first:x} to 0x{_END - 4:x}"
            )
        return address
