"""Clients of boards that are missing or full: prints one JSON object."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from remote_client import failure


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


def allocated(arguments: dict[str, Any]) -> dict[str, Any]:
    from transfab.host.remote.client import connect

    (device,) = connect(arguments["addresses"])
    return {"failure": failure(lambda: device.allocate((arguments["size"],), "u1"))}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](json.loads(sys.argv[2]))))
