"""Defects of pynq 4.0.0 that a driver meets, and how it gets around each without changing pynq.

| way around | defect |
|---|---|
| `only_board` | PL clocks go to the first board, a remote board's port widths to the active one |
| `Part` | a slice of a remote buffer has the address of the whole and cannot be read back |
| | a remote buffer is sent again with each transfer, coherent or not |
| `name_by_content` | a rebuilt bitstream of the same name is not sent to a remote board again |
| `fill_frequencies` | Zynq-7000: an enabled FCLK has no frequency, and loading raises TypeError |
| `private_state` | state is written into site-packages and unpickled from there |
| | that cache gives the .hwh of the last board to any board with the same .bit |
| | `wait` of a DMA channel polls for ever: the driver polls, and waits for what has ended |

`load_overlay` uses the first, third and fourth; `private_state` goes around a whole run.
tests/host/test_pynq_defects.py shows each defect in pynq as it is.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

# Both the active device and the clocks are global in pynq: one board is loaded at a time.
_ONE_BOARD = threading.RLock()
_HASH_DIGITS = 16


def load_overlay(bitfile: Path, device: Any) -> Any:
    """`pynq.Overlay(bitfile, device=device)`, loaded onto this board and no other."""
    from pynq import Overlay

    if not bitfile.is_file():
        raise FileNotFoundError(f"no bitstream {bitfile}")
    if not bitfile.with_suffix(".hwh").is_file():
        raise FileNotFoundError(f"no {bitfile.with_suffix('.hwh')}: it must lie beside the .bit")
    with only_board(device):
        overlay = Overlay(str(bitfile.resolve()), download=False, device=device)
        fill_frequencies(overlay)
        name_by_content(overlay)
        overlay.download()
    return overlay


@contextmanager
def only_board(device: Any) -> Iterator[None]:
    """Make `device` the one that PL clocks and port widths go to, and the active one.

    pynq keeps one object for the clocks, made for the first board; `RemoteDevice` looks for the
    port widths' registers on the active device.
    """
    from pynq import Clocks, Device

    def forget_clocks() -> None:
        if "_real_instance" in vars(Clocks):
            del Clocks._real_instance

    with _ONE_BOARD:
        missing = object()
        active, clocked = vars(Device).get("_active_device", missing), Clocks.device
        forget_clocks()
        Device.active_device = device
        Clocks.set_device(device)
        try:
            yield
        finally:
            forget_clocks()
            Clocks.set_device(clocked)
            if active is missing:
                del Device._active_device
            else:
                Device.active_device = active


def fill_frequencies(overlay: Any) -> None:
    """Give the enabled PL clocks of an overlay that is not yet loaded the MHz of its .hwh.

    pynq looks for UltraScale+'s parameter on every family and hands None to the clocks.
    """
    parameters = overlay.parser.ip_dict[overlay.parser.ps_name]["parameters"]
    for index, clock in overlay.clock_dict.items():
        if not clock.get("enable") or clock.get("frequency") is not None:
            continue
        names = [f"PCW_{kind}FPGA{index}_PERIPHERAL_FREQMHZ" for kind in ("ACT_", "")]
        found = [parameters[name] for name in names if name in parameters]
        if not found:
            raise ValueError(f"PL clock {index} is enabled, but the .hwh has none of {names}")
        clock["frequency"] = float(found[0])


def name_by_content(overlay: Any) -> None:
    """Name a remote board's firmware file after its content, before the overlay is loaded.

    Only for remote boards: a local one writes no firmware file where the name is set.
    """
    if overlay.device.has_capability("REMOTE"):
        digest = hashlib.sha256(overlay.parser.bin_data).hexdigest()[:_HASH_DIGITS]
        overlay.binfile_name = f"{Path(overlay.bitfile_name).stem}-{digest}.bin"


class Part:
    """The first bytes of a buffer, as pynq's DMA channels take them.

    A slice of a remote buffer has the address of the whole, is flushed to its start and cannot be
    read back; each look at an address is a call to the board, and `coherent` stops no flush.

    array    what a program reads and writes
    settled  its bytes are in the board's memory already: a transfer flushes nothing
    """

    def __init__(self, buffer: Any, nbytes: int, settled: bool = False) -> None:
        self.array: Any = buffer[:nbytes]
        self.nbytes = nbytes
        self.physical_address = buffer.physical_address
        whole = buffer if hasattr(buffer, "buffer_id") else self.array
        self.flush: Callable[[], None] = _nothing if settled else self.array.flush
        self.invalidate: Callable[[], None] = whole.invalidate


def _nothing() -> None:
    pass


@contextmanager
def private_state() -> Iterator[Path]:
    """Keep pynq's state in a temporary folder, which is yielded, and never unpickle any.

    pynq writes global_pl_state_.json and _current_metadata.pkl beside its own modules, one pair for
    all boards and processes, and unpickles the second for a .bit that the first has the hash of.
    Enter it before the first overlay; `pynq.PL` still looks into site-packages.
    """
    from pynq.pl_server import embedded_device, global_state, remote_device

    def no_cache(self: Any) -> None:
        raise embedded_device.CacheMetadataError("the cache of metadata is not used")

    def without_pickle(kept: Any) -> Any:
        def gen_cache(self: Any, bitstream: Any, parser: Any = None) -> None:
            # It pickles what has a `systemgraph`; the rest goes to STATE_DIR.
            kept(self, bitstream, SimpleNamespace(mem_dict=parser.mem_dict, ip_dict=parser.ip_dict))

        return gen_cache

    with tempfile.TemporaryDirectory(prefix="transfab-pynq-") as folder, ExitStack() as patches:
        patches.enter_context(patch.object(global_state, "STATE_DIR", folder))
        patches.enter_context(
            patch.object(embedded_device.BitstreamHandler, "_get_cache", no_cache)
        )
        for kind in (embedded_device.EmbeddedDevice, remote_device.RemoteDevice):
            replacement = without_pickle(kind.gen_cache)
            patches.enter_context(patch.object(kind, "gen_cache", replacement))
        yield Path(folder)
