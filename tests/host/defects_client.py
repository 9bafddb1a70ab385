"""Defects of pynq 4.0.0 and the ways around them, in a process of its own: prints one JSON object.

`around` is False for pynq as it is and True for the driver's way; `both` does one after the other.
"""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from remote_client import failure, load, packet
from remote_handoff import write_overlay


def loaded(device: Any, bit: str, around: bool) -> Any:
    from transfab.host.pynq_defects import load_overlay

    return load_overlay(Path(bit), device) if around else load(device, bit)


def boards(arguments: dict[str, Any]) -> dict[str, Any]:
    """One overlay a board, in order."""
    from pynq import Device

    for device, bit in zip(Device.devices, arguments["bits"], strict=True):
        loaded(device, bit, arguments["around"])
    return {}


def handoffs(arguments: dict[str, Any]) -> dict[str, Any]:
    """The words of PL clock 0, after loading each board with the other defects gone around."""
    from pynq import Device

    from transfab.host.pynq_defects import private_state

    with private_state() if arguments["around"] else nullcontext():
        for device, bit in zip(Device.devices, arguments["bits"], strict=True):
            loaded(device, bit, True)
    return {"words": [each.mmap(0xFF5E_0000, 0x100).read(0xC0) for each in Device.devices]}


def slices(arguments: dict[str, Any]) -> dict[str, Any]:
    from pynq import Device

    from transfab.host.pynq_defects import Part

    (device,) = Device.devices
    overlay = load(device, arguments["bit"])
    size, at = 8192, 4096
    sent, received = (device.allocate((size,), "u1") for _ in range(2))
    sent[:] = np.frombuffer(packet(0, size), "u1")
    received[:] = np.frombuffer(packet(1, size), "u1")
    for buffer in (sent, received):
        buffer.flush()
    found: dict[str, Any] = {"same address": sent[at:].physical_address == sent.physical_address}
    moved, rest = slice(at, size), slice(0, at)
    given, taken = sent[moved], received[moved]
    if arguments["around"]:
        # What starts with the buffer: that is all that the driver needs.
        moved, rest = rest, moved
        given, taken = Part(sent, at), Part(received, at)
    overlay.layer.write(0, 1)
    overlay.dma_output.recvchannel.transfer(taken)
    overlay.dma_hidden.sendchannel.transfer(given)
    overlay.dma_hidden.sendchannel.wait()
    found["wait"] = failure(overlay.dma_output.recvchannel.wait)
    sent.invalidate()
    received.invalidate()
    found["sent is whole"] = bytes(sent) == packet(0, size)
    found["arrived"] = bytes(received[moved]) == packet(0, size)[moved]
    found["rest is whole"] = bytes(received[rest]) == packet(1, size)[rest]
    if arguments["around"]:
        # What is settled is not sent again; a plain transfer of a buffer is, coherent or not.
        sent[:] = np.frombuffer(packet(2, size), "u1")
        sent.coherent = True
        for settled in (True, False):
            overlay.layer.write(0, 1)
            overlay.dma_output.recvchannel.transfer(Part(received, at))
            overlay.dma_hidden.sendchannel.transfer(Part(sent, at, settled))
            overlay.dma_output.recvchannel.wait()
            found["settled" if settled else "unsettled"] = (
                bytes(received[:at]) == packet(0 if settled else 2, size)[:at]
            )
    return found


def rebuilt(arguments: dict[str, Any]) -> dict[str, Any]:
    """The build hash that the kernel shows, for two bitstreams of the same name."""
    from pynq import Device

    (device,) = Device.devices
    hashes = []
    for image in (b"first image", b"other image"):
        bit = write_overlay(Path(arguments["folder"]), "layer", image)
        hashes.append(loaded(device, str(bit), arguments["around"]).layer.read(0x18))
    return {"hashes": hashes}


def zynq(arguments: dict[str, Any]) -> dict[str, Any]:
    from pynq import Device

    (device,) = Device.devices
    found = {"failure": failure(lambda: loaded(device, arguments["bit"], arguments["around"]))}
    return found | {"word": device.mmap(0xF800_0000, 0x200).read(0x170)}


def state(arguments: dict[str, Any]) -> dict[str, Any]:
    from pynq import Device

    from transfab.host.pynq_defects import private_state

    (device,) = Device.devices
    with private_state() if arguments["around"] else nullcontext() as folder:
        for _ in range(2):
            overlay = load(device, arguments["bit"])
        names = sorted(path.name for path in folder.iterdir()) if folder else []
    return {"ip": sorted(overlay.ip_dict), "names": names, "left": bool(folder and folder.exists())}


if __name__ == "__main__":
    act, given = globals()[sys.argv[1]], json.loads(sys.argv[2])
    ways = [False, True] if given.get("both") else [given.get("around")]
    found = [act(given | {"around": around}) for around in ways]
    print(json.dumps(found if given.get("both") else found[0]))
