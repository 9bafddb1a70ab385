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

    from transfab.host.pynq_defects import transfer

    (device,) = Device.devices
    overlay = load(device, arguments["bit"])
    size, at = 8192, 4096
    sent, received = (device.allocate((size,), "u1") for _ in range(2))
    sent[:] = np.frombuffer(packet(0, size), "u1")
    received[:] = np.frombuffer(packet(1, size), "u1")
    for buffer in (sent, received):
        buffer.flush()
    found: dict[str, Any] = {"same address": sent[at:].physical_address == sent.physical_address}
    move = transfer if arguments["around"] else (lambda channel, array: channel.transfer(array))
    overlay.layer.write(0, 1)
    move(overlay.dma_output.recvchannel, received[at:])
    move(overlay.dma_hidden.sendchannel, sent[at:])
    overlay.dma_hidden.sendchannel.wait()
    found["wait"] = failure(overlay.dma_output.recvchannel.wait)
    sent.invalidate()
    received.invalidate()
    found["sent is whole"] = bytes(sent) == packet(0, size)
    found["arrived"] = bytes(received[at:]) == packet(0, size)[at:]
    found["start is whole"] = bytes(received[:at]) == packet(1, size)[:at]
    if arguments["around"]:
        channel = overlay.dma_hidden.sendchannel
        found["strided"] = failure(lambda: transfer(channel, sent[::2]))
        found["empty"] = failure(lambda: transfer(channel, sent[:0]))
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


def stalled(arguments: dict[str, Any]) -> dict[str, Any]:
    from pynq import Device

    from transfab.host.pynq_defects import wait_within

    (device,) = Device.devices
    overlay = load(device, arguments["bit"])
    sent, received = (device.allocate((4096,), "u1") for _ in range(2))
    sent[:] = np.frombuffer(packet(2, 4096), "u1")
    channel = overlay.dma_output.recvchannel
    channel.transfer(received)
    found: dict[str, Any] = {"failure": failure(lambda: wait_within(channel, 0.2))}
    # The next transfer works: nothing was started for the first.
    overlay.layer.write(0, 1)
    channel.transfer(received)
    overlay.dma_hidden.sendchannel.transfer(sent)
    wait_within(channel, 5)
    return found | {"equal": bytes(received) == packet(2, 4096)}


if __name__ == "__main__":
    act, given = globals()[sys.argv[1]], json.loads(sys.argv[2])
    ways = [False, True] if given.get("both") else [given.get("around")]
    found = [act(given | {"around": around}) for around in ways]
    print(json.dumps(found if given.get("both") else found[0]))
