"""Opens Alveo cards: which package drives them, and what they need to be there."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from typing import Any, Final

from transfab.host.board import BoardError
from transfab.host.place import Place
from transfab.host.xrt_board import XrtBoard

# What the driver asks of AMD's pyxrt; later versions lack the first. Several cards also ask for
# buffers that one gives to another, where XRT's C interface is at hand.
NEEDED: Final = (("kernel", "read_register"), ("bo", "sync"), ("run", "set_arg"))
PEER: Final = (("bo", "export_buffer"), ("bo", "imported"))
# Seconds that a device process may take to start, and over a call on a machine with other work.
TO_START, QUICK = 30.0, 2.0
INSTALL: Final = "python -m transfab.host.xrt.install"


def missing_emulation() -> str | None:
    """Why no card can be emulated here, with the way out; None if one can."""
    from transfab.host.xrt.install import installed

    return None if installed() else f"XRT is not installed ({INSTALL})"


def emulation_here() -> int:
    """How many emulated cards this process sees: XRT read its environment when it started."""
    there = os.environ.get("XCL_EMULATION_MODE") == "sw_emu" and "TRANSFAB_XRT_FABRIC" in os.environ
    return int(os.environ.get("TRANSFAB_XRT_BOARDS", "0")) if there else 0


def package(emulated: bool, several: bool = False) -> Any:
    """AMD's pyxrt where it has what the driver needs, else the binding over XRT's C interface.

    Only the binding sees that an emulated card's process has ended.
    """
    if not emulated:
        needed = NEEDED + PEER if several and "XILINX_XRT" in os.environ else NEEDED
        try:
            found = importlib.import_module("pyxrt")
        except ImportError:
            pass
        else:
            if all(hasattr(getattr(found, owner, None), name) for owner, name in needed):
                return found
    from transfab.host.xrt import pyxrt

    return pyxrt


def check_cards(places: Sequence[Place]) -> None:
    """Raise RuntimeError where this process sees fewer emulated cards than these places name."""
    wanted = _emulated(places)
    if wanted > (seen := emulation_here()):
        raise RuntimeError(
            f"this process sees {seen} emulated cards and needs {wanted} from its start on: use "
            "transfab run, or host/xrt/emulation.py"
        )


def answers_within(places: Sequence[Place], seconds: float) -> None:
    """How long an emulated card may take over one call from now on; cards have no such limit."""
    if _emulated(places):
        from transfab.host.xrt.library import seconds_to_answer

        seconds_to_answer(min(max(seconds, QUICK), TO_START))


def _emulated(places: Sequence[Place]) -> int:
    return sum(place.reach == "emulated-xrt" for place in places)


def card_board(place: Place, name: str, index: int, several: bool) -> XrtBoard:
    """The driver of a card; BoardError without XRT.

    index    among the emulated cards of a run
    several  boards in this run
    """
    if place.reach == "xrt":
        if importlib.util.find_spec("pyxrt") is None and not os.environ.get("XILINX_XRT"):
            raise BoardError(f"{place} needs XRT: source its setup.sh, or use emulated-xrt")
        return XrtBoard(name, package(False, several), place.address)
    return XrtBoard(name, package(True), index)
