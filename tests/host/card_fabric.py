"""Cards of a device process with faults, for tests.

The description's `faults`, or TRANSFAB_TEST_FAULTS, has an entry a card: fields of `Faults`, or
{"sleeps": seconds} for a card that takes so long over each transfer.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any

from transfab.cli.boards import fabric
from transfab.host.boards import board_named
from transfab.host.emulated_card import EmulatedCard
from transfab.host.fabric.faults import Faults


class Sleeping(EmulatedCard):
    """It never ends a transfer in a test's time."""

    seconds = 0.0

    def write_memory(self, address: int, data: bytes | memoryview) -> None:
        time.sleep(self.seconds)
        super().write_memory(address, data)


def make(description: Mapping[str, Any], index: int) -> EmulatedCard:
    faults = description.get("faults") or json.loads(os.environ.get("TRANSFAB_TEST_FAULTS", "[]"))
    fields = dict([*faults, {}, {}, {}, {}][index])
    seconds = fields.pop("sleeps", 0.0)
    kernels = fabric(description.get("fabric", "csim"), lambda text: None)
    card = Sleeping(board_named(description["boards"][index]), kernels, Faults(**fields))
    card.seconds = seconds
    return card
