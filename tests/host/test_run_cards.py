"""`transfab run` on cards, as far as no XRT is needed: what it refuses, and what its child gets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from emulated_boards import scrambled
from tiny_build import ENGINE, Outcome, Run

from transfab.cli import cards
from transfab.host import open_card
from transfab.host.emulated_card import EmulatedCard
from transfab.host.place import parse_place

BUS_ID = "0000:3b:00.1"


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run the command line in this process, which sees no emulated cards."""
    from transfab.cli import main

    for name in ("XILINX_XRT", "XCL_EMULATION_MODE", "TRANSFAB_XRT_FABRIC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        "transfab.cli.boards.fabric", lambda name, step: lambda config, engine, top: scrambled
    )
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        lines = [line for line in captured.err.splitlines() if not line.startswith("[")]
        return Outcome(code, captured.out, lines)

    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def given(stage_bundle: Path, tmp_path: Path) -> list[str]:
    path = tmp_path / "engine.json"
    path.write_text(json.dumps(ENGINE.as_dict()))
    return ["run", str(stage_bundle), "--engine", str(path), "--json"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            ["emulated-xrt:u280", "emulated-xrt:u55c"],
            "emulated cards of one run must be of one kind",
        ),
        (
            ["emulated-xrt", f"xrt:u280@{BUS_ID}"],
            "XRT emulates all cards of a run or none: use xrt",
        ),
        (["emulated-xrt"] * 3, "a layer runs on 1, 2, 4 boards, not on 3"),
        (["emulated-xrt:zcu104"], "a zcu104 is a Zynq, no card of xrt"),
        ([f"xrt:u280@{BUS_ID}"], f"xrt:u280@{BUS_ID} needs --bitstreams FOLDER"),
    ],
)
def test_cards_that_cannot_be_are_one_line(
    cli: Run, given: list[str], names: list[str], words: str
) -> None:
    done = cli(*given, *(word for name in names for word in ("--board", name)))
    (line,) = done.err
    assert done.code == 1
    assert words in line
    assert done.json == {"error": line.removeprefix("transfab: ")}


def test_without_xrt_the_way_out_is_said(
    cli: Run, given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfab.host.xrt.install.installed", lambda: None)
    reason = f"XRT is not installed ({open_card.INSTALL})"
    done = cli(*given, "--board", "emulated-xrt")
    assert (done.code, done.err, done.json) == (1, [f"transfab: {reason}"], {"error": reason})


def test_without_xrt_the_bench_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from transfab.host.bench_card import bench_card

    monkeypatch.setattr("transfab.host.xrt.install.installed", lambda: None)
    said: list[str] = []
    assert bench_card(1, said.append) == []
    assert said == [f"no round trips by XRT: XRT is not installed ({open_card.INSTALL})"]


@pytest.mark.parametrize("code", [0, 1, 2])
def test_the_command_is_what_its_child_is(
    cli: Run, given: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int
) -> None:
    """The same arguments, an environment with the cards, and the child's exit code."""
    seen: dict[str, Any] = {}

    def environment(folder: Path, fabric: str, count: int, *rest: Any) -> dict[str, str]:
        seen.update(fabric=fabric, count=count, description=rest[1], folder=folder)
        return {"TRANSFAB_XRT_FABRIC": fabric}

    def run(arguments: list[str], variables: dict[str, str]) -> int:
        seen.update(arguments=arguments, variables=variables, there=seen["folder"].is_dir())
        return code

    monkeypatch.setattr("transfab.host.xrt.install.installed", lambda: tmp_path)
    monkeypatch.setattr("transfab.host.xrt.emulation.environment", environment)
    monkeypatch.setattr(cards, "_run", run)
    words = [*given, "--board", "emulated-xrt:u200", "--board", "emulated-xrt:u200"]
    done = cli(*words, "--fabric", "rtl")
    assert (done.code, done.out, done.err) == (code, "", [])
    assert seen["arguments"] == [*words, "--fabric", "rtl"]
    assert (seen["fabric"], seen["count"]) == ("transfab.cli.cards:make", 2)
    assert seen["description"] == {"boards": ["u200", "u200"], "fabric": "rtl"}
    assert seen["variables"]["PYTHONPATH"].split(":")[0] == next(p for p in sys.path if p)
    assert seen["there"] and not seen["folder"].exists()


def test_a_child_is_interrupted_once_its_parent_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ends, held = os.pipe()
    sent = threading.Event()
    monkeypatch.setenv(cards.PARENT, str(ends))
    monkeypatch.setattr(cards.os, "kill", lambda process, number: sent.set())
    monkeypatch.setattr(open_card, "emulation_here", lambda: 1)
    assert not cards.needs_child([parse_place("emulated-xrt")])
    assert cards.PARENT not in os.environ
    assert not sent.wait(0.05)
    os.close(held)
    assert sent.wait(5)
    os.close(ends)


def runs_instead(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    popen = subprocess.Popen
    monkeypatch.setattr(
        cards.subprocess,
        "Popen",
        lambda command, **given: popen([sys.executable, "-c", program], **given),
    )


def test_the_exit_code_is_the_childs(monkeypatch: pytest.MonkeyPatch) -> None:
    runs_instead(monkeypatch, "raise SystemExit(3)")
    assert cards._run(["run"], {}) == 3


def test_a_child_that_dies_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    runs_instead(monkeypatch, "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(RuntimeError, match=r"^the process that drove the cards was ended by SIGK"):
        cards._run(["run"], {})


STUBBORN = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_child_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "GRACE", 0.1)
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        assert cards._interrupted(child) == -signal.SIGKILL


def test_a_card_is_made_as_its_description_says(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(
        "transfab.cli.boards.fabric", lambda name, step: made.append(name) or scrambled
    )
    card = cards.make({"boards": ["u280", "u55c"], "fabric": "rtl"}, 1)
    assert isinstance(card, EmulatedCard)
    assert (card.board.name, made) == ("u55c", ["rtl"])
    with pytest.raises(ValueError, match="the card has no bitstream"):
        card.read(0x1_0000)
