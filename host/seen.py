"""The boards that this machine sees: its own Zynq, remote ones by address, cards of XRT.

Nothing here loads a board, and nothing waits for one that does not answer.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from transfab.host.remote import client

# What a Linux with programmable logic has.
MANAGER: Final = "sys/class/fpga_manager/fpga0/firmware"
# User functions of Alveo cards with XRT's driver, by PCI address.
CARDS: Final = "sys/bus/pci/drivers/xocl"


@dataclass(frozen=True)
class Seen:
    """One board, or the lack of one where one was looked for.

    place    pynq, pynq-remote@ADDRESS or xrt@PCI_ADDRESS
    answers  whether it can be had
    state    its name, or why it cannot be had
    """

    place: str
    answers: bool
    state: str


def seen(addresses: Sequence[str], seconds: float = 3.0, root: Path = Path("/")) -> list[Seen]:
    """All that there is, within so many seconds; never raises.

    addresses  of remote boards
    root       of the file system
    """
    looks: list[tuple[str, Callable[[], list[Seen]]]] = [("pynq", lambda: _zynq(root))]
    for address in addresses:
        looks.append((f"pynq-remote@{address}", lambda at=address: _remote(at, seconds)))  # type: ignore[misc]
    looks.append(("xrt", lambda: _cards(root)))
    found: dict[str, list[Seen]] = {}

    def look(place: str, act: Callable[[], list[Seen]]) -> None:
        try:
            found[place] = act()
        except Exception as err:  # of a package that is damaged, say
            found[place] = [Seen(place, False, " ".join(f"{type(err).__name__}: {err}".split()))]

    threads = [threading.Thread(target=look, args=one, daemon=True) for one in looks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * seconds)
    silent = f"no answer within {2 * seconds:g} s"
    return [one for place, _ in looks for one in found.get(place, [Seen(place, False, silent)])]


def local_devices() -> list[Any]:
    """pynq's devices of this machine, without remote ones."""
    import pynq

    # With addresses, pynq would connect to them, and fail where one is away.
    kept = {name: value for name, value in os.environ.items() if name != client.VARIABLE}
    with patch.dict(os.environ, kept, clear=True), warnings.catch_warnings():
        # Its own words for no device are about XRT.
        warnings.simplefilter("ignore")
        return [device for device in pynq.Device.devices if not device.has_capability("REMOTE")]


def why_no_zynq(root: Path = Path("/")) -> str:
    """Where pynq finds none."""
    if not (root / MANAGER).exists():
        return "no Zynq board here"
    return "pynq sees the Zynq here only where XILINX_XRT is set: log in as PYNQ's images do"


def _zynq(root: Path) -> list[Seen]:
    if not (root / MANAGER).exists():
        return []
    if find_spec("pynq") is None:
        return [Seen("pynq", False, "pynq is not installed (pip install 'transfab[board]')")]
    if not local_devices():
        return [Seen("pynq", False, why_no_zynq(root))]
    name = root / client.NAME.lstrip("/")
    text = name.read_text(encoding="utf-8").strip("\0\n") if name.exists() else "without a name"
    return [Seen("pynq", True, text)]


def _remote(address: str, seconds: float) -> list[Seen]:
    place = f"pynq-remote@{address}"
    if reason := client.silent(address, seconds):
        return [Seen(place, False, reason)]
    if find_spec("pynq") is None or find_spec("grpc") is None:
        return [Seen(place, False, "pynq is not installed (pip install 'transfab[board]')")]
    try:
        return [Seen(place, True, client.name_of(address, seconds))]
    except (OSError, RuntimeError) as err:
        return [Seen(place, False, f"no PYNQ.remote at {address}: {err}")]


def _cards(root: Path) -> list[Seen]:
    """By the names of links in sysfs: XRT itself is not asked, so none of its processes starts."""
    if not (root / CARDS).is_dir():
        return []
    found = []
    for card in sorted((root / CARDS).glob("*:*:*.*")):
        names = [path.read_text(encoding="utf-8").strip() for path in card.glob("rom*/VBNV")]
        found.append(Seen(f"xrt@{card.name}", True, " ".join(names) or "a card of XRT"))
    return found
