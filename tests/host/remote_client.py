"""What the unmodified pynq does with boards, in a process of its own: prints one JSON object.

PYNQ_REMOTE_DEVICES must be set before pynq is imported, so a test starts this as `NAME JSON`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

BYTES = 98_304


def packet(seed: int, size: int = BYTES) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def load(device: Any, path: str, **settings: Any) -> Any:
    import pynq.lib.dma  # noqa: F401 - binds the driver of axi_dma
    from pynq import Overlay

    return Overlay(path, device=device, **settings)


def round_trip(overlay: Any, sent: Any, received: Any) -> None:
    overlay.layer.register_map.CTRL.AP_START = 1
    overlay.dma_output.recvchannel.transfer(received)
    overlay.dma_hidden.sendchannel.transfer(sent)
    overlay.dma_hidden.sendchannel.wait()
    overlay.dma_output.recvchannel.wait()


def transfer(arguments: dict[str, Any]) -> dict[str, Any]:
    from pynq import Device

    (device,) = Device.devices
    overlay = load(device, arguments["bit"])
    sent = device.allocate((BYTES,), "u1")
    received = device.allocate((BYTES,), "u1")
    found: dict[str, Any] = {"name": device.name, "arch": device.arch, "equal": []}
    times = []
    for seed in range(5):
        sent[:] = np.frombuffer(packet(seed), "u1")
        started = time.perf_counter()
        round_trip(overlay, sent, received)
        times.append(time.perf_counter() - started)
        found["equal"].append(bytes(received) == packet(seed))
    found["transferred"] = overlay.dma_output.recvchannel.transferred
    found["milliseconds"] = round(1000 * min(times), 2)
    # Without the flush that transfer() makes, the engine reads what was in memory before.
    sent[:] = np.frombuffer(packet(90), "u1")
    overlay.layer.write(0x00, 1)
    overlay.dma_output.recvchannel.transfer(received)
    for offset, value in ((0x18, sent.physical_address), (0x1C, 0), (0x28, BYTES)):
        overlay.dma_hidden.write(offset, value)
    before = bytes(received)
    overlay.dma_output.recvchannel.wait()
    found["unflushed"] = bytes(received) == packet(4)
    # Without the invalidation that wait() makes, the host sees its own copy.
    sent[:] = np.frombuffer(packet(91), "u1")
    overlay.layer.write(0x00, 1)
    overlay.dma_output.recvchannel.transfer(received)
    overlay.dma_hidden.sendchannel.transfer(sent)
    found["uninvalidated"] = bytes(received) == before != packet(91)
    received.invalidate()
    found["invalidated"] = bytes(received) == packet(91)
    found["errors"] = {}
    for name, act in (
        ("allocate", lambda: device.allocate((arguments["memory"],), "u1")),
        ("unmapped", lambda: device.mmap(0x9000_0000, 4).read(0)),
        ("window", lambda: overlay.layer.read(0x10000)),
        ("outside", lambda: device.write_file("/lib/firmware/../../etc/x", b"x")),
        ("elsewhere", lambda: device.write_file("/etc/x", b"x")),
        ("missing", lambda: device.read_file("/no/file")),
    ):
        found["errors"][name] = failure(act)
    sent.freebuffer()
    received.freebuffer()
    found["all memory"] = device.allocate((arguments["memory"] // 2,), "u1").nbytes
    return found


def failure(act: Callable[[], object]) -> str:
    try:
        act()
    except Exception as err:
        details = getattr(err, "details", None)
        return f"{type(err).__name__}: {details() if details else err}"
    return ""


def two_boards(arguments: dict[str, Any]) -> dict[str, Any]:
    from pynq import Device

    overlays = [load(device, arguments["bit"]) for device in Device.devices]
    buffers = [[each.device.allocate((BYTES,), "u1") for _ in range(2)] for each in overlays]
    for board, (overlay, (sent, received)) in enumerate(zip(overlays, buffers, strict=True)):
        sent[:] = np.frombuffer(packet(board), "u1")
        overlay.layer.write(0x00, 1)
        overlay.dma_output.recvchannel.transfer(received)
        overlay.dma_hidden.sendchannel.transfer(sent)
    for overlay in reversed(overlays):
        overlay.dma_hidden.sendchannel.wait()
        overlay.dma_output.recvchannel.wait()
    return {
        "names": [device.name for device in Device.devices],
        "equal": [bytes(each[1]) == packet(board) for board, each in enumerate(buffers)],
    }


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](json.loads(sys.argv[2]))))
