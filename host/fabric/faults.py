"""What can be wrong with an emulated board, so that drivers show what they make of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Faults:
    """Faults of one board; none by default. Data movers of cards stand for engines.

    hang       the kernel is started and never finishes
    dma_error  packet whose engine stops with a decode error; a mover has no word for it and never
               finishes
    short      packet that loses its last beat in the engine
    long       packet that gets one beat more in the engine
    flip       byte of the output packet whose lowest bit is wrong; None for none
    """

    hang: bool = False
    dma_error: str = ""
    short: str = ""
    long: str = ""
    flip: int | None = None
