"""The same defects with boards in pynq's own process, and a transfer there."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from host_fixtures import run_client
from remote_handoff import ZYNQ, write_overlay

SCRIPT = "in_process_client.py"


@pytest.fixture
def here(site: Path) -> Any:
    return partial(run_client, site, script=SCRIPT)


def divided(word: int, second: int) -> int:
    """The product of a clock's two divisors."""
    return (word >> 8 & 63) * (word >> second & 63)


@pytest.mark.parametrize("around", [False, True])
def test_clocks_of_two_boards(here: Any, tmp_path: Path, around: bool) -> None:
    bits = [
        str(write_overlay(tmp_path, name, name.encode(), clocks={0: mhz}))
        for name, mhz in (("slow", 75.0), ("fast", 250.0))
    ]
    found = here("clocks", [], bits=bits, around=around)
    first, second = (round(1500 / divided(word, 16)) for word in found["words"])
    assert (first, second) == ((75, 250) if around else (250, 100))
    assert round(found["read"]) == second
    assert found["active"] == "first"


def test_an_enabled_clock_of_a_zynq_7000(here: Any, tmp_path: Path) -> None:
    bit = write_overlay(tmp_path, "layer", b"image", family=ZYNQ, clocks={0: 50.0})
    plain, around = here("zynq", [], bit=str(bit), both=True)
    assert (plain["failure"].partition(":")[0], around["failure"]) == ("TypeError", "")
    assert [1000 / divided(each["word"], 20) for each in (plain, around)] == [100, 50]


def test_transfers_of_buffers_and_parts(here: Any, tmp_path: Path) -> None:
    bit = write_overlay(tmp_path, "layer", b"image")
    found = here("move", [], bit=str(bit))
    assert found == {"equal": True, "part": True, "around it": True, "live": [2, 0]}
