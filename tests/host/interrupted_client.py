"""Clients of boards that are missing, die or hang: prints one JSON object, `waiting` before."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from remote_client import failure, load


def plain(arguments: dict[str, Any]) -> dict[str, Any]:
    """pynq's own probe, twice."""
    from pynq import Device

    started = time.monotonic()
    first = failure(lambda: Device.devices)
    return {"first": first, "seconds": time.monotonic() - started, "second": len(Device.devices)}


def connected(arguments: dict[str, Any]) -> dict[str, Any]:
    from transfab.host.remote.client import connect

    started = time.monotonic()
    found = failure(lambda: connect(arguments["addresses"]))
    seconds = time.monotonic() - started
    # The boards that are there can still be had.
    return {"failure": found, "seconds": seconds, "left": len(connect(arguments["addresses"][:1]))}


def interrupted(arguments: dict[str, Any]) -> dict[str, Any]:
    """Says `waiting` in the middle of a transfer that cannot end."""
    from transfab.host.remote.client import clear_errors, connect

    (device,) = connect(arguments["addresses"], seconds=arguments["deadline"])
    overlay = load(device, arguments["bit"])
    received = device.allocate((4096,), "u1")
    overlay.dma_output.recvchannel.transfer(received)
    print("waiting", flush=True)
    sys.stdin.readline()

    def wait() -> None:
        with clear_errors(device.ip_addr):
            overlay.dma_output.recvchannel.wait()

    started = time.monotonic()
    return {"failure": failure(wait), "seconds": time.monotonic() - started}


def allocated(arguments: dict[str, Any]) -> dict[str, Any]:
    from transfab.host.remote.client import clear_errors, connect

    (device,) = connect(arguments["addresses"])

    def allocate() -> None:
        with clear_errors(device.ip_addr):
            device.allocate((arguments["size"],), "u1")

    return {"failure": failure(allocate)}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](json.loads(sys.argv[2]))))
