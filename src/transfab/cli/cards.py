"""Emulated cards for a command: a child process that sees them, and what they compute.

XRT reads its environment once a process, so the command starts itself again in one. Its output and
exit code are the child's; an interrupt is passed on, and the child ends with this process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from transfab.cli import boards

if TYPE_CHECKING:
    from transfab.host.emulated_card import EmulatedCard
    from transfab.host.place import Place

# What a device process of the emulation calls.
FABRIC: Final = "transfab.cli.cards:make"
# Names the descriptor whose end says that the parent has ended.
PARENT: Final = "TRANSFAB_XRT_PARENT"
# Seconds that an interrupted child may take to give its cards back.
GRACE: Final = 10.0


def make(description: Mapping[str, Any], index: int) -> EmulatedCard:
    """One card in its device process: `boards` by index, `fabric` as `--fabric` takes it."""
    from transfab.host.boards import board_named
    from transfab.host.emulated_card import EmulatedCard

    make_run = boards.fabric(description["fabric"], lambda text: None)
    return EmulatedCard(board_named(description["boards"][index]), make_run)


def needs_child(places: Sequence[Place]) -> bool:
    """Whether these boards are cards that this process does not see; the child heeds its parent.

    Raises ValueError for cards that cannot be in one emulation.
    """
    from transfab.host.open_card import emulation_here

    emulated = [place for place in places if place.reach == "emulated-xrt"]
    if emulated and any(place.reach == "xrt" for place in places):
        raise ValueError(
            "--board: XRT emulates all cards of a run or none: use xrt or emulated-xrt"
        )
    if emulated and len({place.board for place in emulated}) > 1:
        raise ValueError("--board: emulated cards of one run must be of one kind")
    if emulated and emulation_here() == len(emulated):
        _end_with_parent()
        return False
    return bool(emulated)


def in_child(arguments: Sequence[str], places: Sequence[Place], fabric: str) -> int:
    """Run the command again where the cards are; its exit code.

    Raises RuntimeError where XRT is not installed.
    """
    from transfab.host.card import emulated_memories
    from transfab.host.open_card import missing_emulation
    from transfab.host.xrt.emulation import environment
    from transfab.host.xrt.xclbin import Bank

    if lack := missing_emulation():
        raise RuntimeError(lack)
    cards = [place.board for place in places if place.reach == "emulated-xrt"]
    banks = [Bank(one.tag, one.base, one.size) for one in emulated_memories(cards[0])]
    description = {"boards": [card.name for card in cards], "fabric": fabric}
    with tempfile.TemporaryDirectory(prefix="transfab-xrt-") as folder:
        variables = environment(Path(folder), FABRIC, len(cards), banks, description)
        variables["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        return _run(arguments, variables)


def _run(arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    ends, held = os.pipe()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "transfab", *arguments],
            env=os.environ | variables | {PARENT: str(ends)},
            pass_fds=(ends,),
            # XRT's shim may signal its group.
            start_new_session=True,
        ) as child:
            os.close(ends)
            try:
                code = child.wait()
            except KeyboardInterrupt:
                if (code := _interrupted(child)) < 0:
                    raise
                # The child has said so.
                raise SystemExit(code) from None
    finally:
        os.close(held)
    if code < 0:
        name = signal.Signals(-code).name
        raise RuntimeError(f"the process that drove the cards was ended by {name}: run it again")
    return code


def _interrupted(child: subprocess.Popen[bytes]) -> int:
    """Interrupt the child, and end it with its cards if it takes too long; its exit code."""
    child.send_signal(signal.SIGINT)
    try:
        return child.wait(GRACE)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        os.killpg(child.pid, signal.SIGKILL)
        return child.wait()


def _end_with_parent() -> None:
    """Be interrupted when the process that started this one is gone, killed perhaps."""
    if (descriptor := os.environ.pop(PARENT, None)) is None:
        return

    def watch() -> None:
        os.read(int(descriptor), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="parent").start()
