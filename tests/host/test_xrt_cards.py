"""Layers on emulated cards through Debian's real XRT: packets, faults, and `transfab run`.

A match proves the host's calls and bytes against our model of a card, nothing about silicon.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from emulated_boards import layer_of
from tiny_build import CONFIG, ENGINE
from xrt_boards import sockets

import transfab.host
from transfab.host.boards import board_named
from transfab.host.card import emulated_memories
from transfab.host.session import PLANS
from transfab.host.xrt.emulation import environment
from transfab.host.xrt.install import installed
from transfab.host.xrt.xclbin import Bank
from transfab.quant.engine import build_hash

pytestmark = [pytest.mark.xrt, pytest.mark.slow, pytest.mark.xdist_group("xrt")]
HERE = Path(__file__).parent
SOURCE = Path(transfab.host.__file__).parents[2]
SECONDS = 120
# Beyond the patience of a scene, on a machine with other work.
MORE = 1.5


@pytest.fixture(autouse=True)
def ready(kernels: Any) -> None:
    """Kernels are built before any card waits for them; skips where XRT is not installed."""
    if installed() is None:
        pytest.skip("XRT is not installed: make test-xrt")
    for index in (0, 4):
        kernels(layer_of(index).config, layer_of(index).engine, "layer")


def paths() -> str:
    return os.pathsep.join([str(SOURCE), *sys.path])


def play(folder: Path, scene: str, count: int, banks: list[Bank] | None = None) -> Any:
    """What a scene of card_session.py printed last; it leaves nothing behind."""
    regions = emulated_memories(board_named("u280"))
    used = banks or [Bank(one.tag, one.base, one.size) for one in regions]
    variables = environment(folder, "card_fabric:make", count, used, {"boards": ["u280"] * count})
    with subprocess.Popen(
        [sys.executable, str(HERE / "card_session.py"), scene, str(folder)],
        env=os.environ | variables | {"PYTHONPATH": paths()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert process.returncode == 0, f"{out}\n{err}"
    assert list((folder / "run").rglob("*device*")) == []
    assert sockets(variables["USER"], process.pid) == []
    return json.loads(out.splitlines()[-1])


def assert_one_line(found: Any, words: str, seconds: float = MORE) -> None:
    assert (found["kind"], "\n" in found["error"]) == ("BoardError", False)
    assert words in found["error"]
    assert found["seconds"] < seconds


def test_cards_that_misbehave_are_one_error_and_work_again(tmp_path: Path) -> None:
    done = play(tmp_path, "misbehaves", 2)
    for name, words in {
        "hang": "board_b RUNNING, write_output RUNNING",
        "stopped": "read_output_parameters RUNNING",
        "short": "read_attention_output COMPLETED",
        "long": "read_attention_output RUNNING",
    }.items():
        assert_one_line(done["found"][name], words)
        text = done["found"][name]["error"]
        assert text.startswith("emulated-xrt:u280 1 gave no result within 0.3 s: kernel ")
    assert done["works"]


def test_a_card_whose_process_is_killed_in_a_transfer_is_one_error(tmp_path: Path) -> None:
    done = play(tmp_path, "killed", 2)
    assert_one_line(done, "device 1, buffer of ", 3)
    assert "the process of device 1 has ended" in done["error"]
    assert done["works"]


def test_a_card_that_does_not_answer_is_one_error(tmp_path: Path) -> None:
    done = play(tmp_path, "silent", 1)
    assert_one_line(done, "device 0 did not answer in time", 2.5 + MORE)
    assert done["works"]


def test_an_xclbin_that_is_not_this_designs_is_one_error(tmp_path: Path) -> None:
    done = play(tmp_path, "refuses", 1)
    for name, words in {
        "build": ", and the bundle needs ",
        "board": "is for a u55c, and this card is a u280",
        "damaged": "is no whole xclbin: its content does not have the sha256",
        "top": "No such kernel 'layer'",
    }.items():
        assert_one_line(done["found"][name], words, 10)
    assert done["works"]


def test_buffers_beyond_the_memory_are_one_error(tmp_path: Path) -> None:
    """The environment has smaller banks than the xclbin: that is what XRT's shim goes by."""
    regions = emulated_memories(board_named("u280"))
    banks = [Bank(one.tag, index * 4096, 4096) for index, one in enumerate(regions)]
    done = play(tmp_path, "beyond", 1, banks)
    assert "\n" not in done["error"]
    assert "emulated-xrt:u280 0 has no " in done["error"]
    assert " bytes for " in done["error"]


def test_more_cards_than_the_process_was_started_for(tmp_path: Path) -> None:
    found = play(tmp_path, "elsewhere", 2)
    assert found["kind"] == "RuntimeError"
    assert found["error"].startswith(
        "this process sees 2 emulated cards and needs 4 from its start"
    )
    assert found["seconds"] < 1


PROGRAM = """
import sys
from transfab.cli import cards, main
cards.FABRIC = "card_fabric:make"
sys.exit(main())
"""


class Program:
    """`transfab run` on the tiny bundle, with a folder of its own for temporary files."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        self.bundle, self.scratch = bundle, folder / "scratch"
        self.scratch.mkdir()
        self.engine = folder / "engine.json"
        self.engine.write_text(json.dumps(ENGINE.as_dict()))

    def start(self, *given: str, faults: list[Any] | None = None) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PROGRAM, "run", str(self.bundle)]
        return subprocess.Popen(
            [*command, "--engine", str(self.engine), *given],
            env=os.environ
            | {"PYTHONPATH": paths(), "TMPDIR": str(self.scratch)}
            | {"TRANSFAB_TEST_FAULTS": json.dumps(faults or [])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *given: str, faults: list[Any] | None = None) -> tuple[int, str, list[str]]:
        """Exit code, stdout, and stderr without progress; nothing is left behind."""
        with self.start(*given, faults=faults) as process:
            try:
                out, err = process.communicate(timeout=SECONDS)
            finally:
                process.kill()
        self.assert_nothing_left()
        return process.returncode, out, plain(err)

    def processes(self) -> list[int]:
        """Those that were started with this scratch folder and have not ended."""
        mark, found = f"TMPDIR={self.scratch}".encode(), []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def assert_nothing_left(self, seconds: float = 5, files: bool = True) -> None:
        end = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.02)
        assert left == []
        if files:
            assert list(self.scratch.iterdir()) == []


def plain(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("[")]


@pytest.fixture
def program(stage_bundle: Path, tmp_path: Path) -> Iterator[Program]:
    made = Program(stage_bundle, tmp_path)
    yield made
    for process in made.processes():
        os.kill(process, signal.SIGKILL)


def cards(*names: str) -> list[str]:
    return [word for name in names for word in ("--board", name)]


@pytest.mark.parametrize(
    ("count", "name"), [(1, "u280"), (2, "u200"), (4, "u55c")], ids=["one", "two", "four"]
)
def test_run_reports_every_card_exact(program: Program, count: int, name: str) -> None:
    """Two layers of two sequences each: no packet of another sequence would pass."""
    place = f"emulated-xrt:{name}"
    code, out, err = program.run(*cards(*[place] * count), "--json")
    assert (code, err) == (0, [])
    done = json.loads(out)
    assert (done["exact"], done["mismatches"]) == (True, [])
    assert done["executors"] == [place] * count
    assert done["build_hash"] == build_hash(CONFIG, ENGINE)
    assert [one["by"] for one in done["boundaries"]] == ["host memory"] * (count - 1)
    assert list(done["counters"]) == [
        f"{top} {place} {index}" for index, top in enumerate(PLANS[count])
    ]
    for counted in done["counters"].values():
        assert counted["sequences"] == 2 * (2 + 1)


def test_rtl_behind_cards_is_exact(program: Program) -> None:
    from transfab.sim.executor import missing

    if lack := missing("rtl"):
        if os.environ.get("CI") == "true":
            raise RuntimeError(f"CI must have what simulation needs: {lack}")
        pytest.skip(f"simulation: {lack}")
    code, out, err = program.run(
        *cards("emulated-xrt", "emulated-xrt"), "--fabric", "rtl", "--json"
    )
    assert (code, err, json.loads(out)["exact"]) == (0, [], True)


def test_a_table_says_how_boundaries_were_crossed(program: Program) -> None:
    code, out, err = program.run(*cards("emulated-xrt", "emulated-xrt"))
    assert (code, err) == (0, [])
    assert "board_a to board_b by host memory" in out
    assert "every one exact" in out
    assert "not silicon" in " ".join(out.split())


def test_the_bench_times_round_trips_by_xrt() -> None:
    """Its figures; how large they are depends on what else the machine does."""
    from transfab.host.bench_card import bench_card

    found = {figure.name: figure.value for figure in bench_card(20)}
    assert found["xrt_runs"] == 7  # five readers, the kernel, a writer
    assert found["xrt_round_trip_ms"] >= found["xrt_least_round_trip_ms"] > 0
    assert found["xrt_round_trip_ms"] > found["xrt_copy_round_trip_ms"] > 0
    ratio = found["xrt_round_trip_ms"] / found["xrt_copy_round_trip_ms"]
    assert found["xrt_driver_to_copy"] == pytest.approx(ratio, rel=0.05)  # of rounded figures


def test_cards_and_zynqs_in_one_run(program: Program) -> None:
    pytest.importorskip("pynq", reason="pynq is missing: pip install 'transfab[board]'")
    code, out, err = program.run(*cards("emulated-xrt", "emulated:zcu104"), "--json")
    assert (code, err, json.loads(out)["exact"]) == (0, [], True)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"hang": True}, "emulated-xrt:u280 0 gave no result within 0.3 s: kernel busy, "),
        ({"short": "output"}, "layer RUNNING, write_output RUNNING"),
    ],
)
def test_a_fault_is_one_line_and_the_next_run_works(
    program: Program, fault: dict[str, Any], words: str
) -> None:
    given = (*cards("emulated-xrt"), "--patience", "0.3", "--json")
    code, out, err = program.run(*given, faults=[fault])
    (line,) = err
    assert code == 1
    assert words in line
    assert json.loads(out) == {"error": line.removeprefix("transfab: ")}
    assert program.run(*given[:-3], "--json")[0] == 0


def test_a_wrong_bit_of_a_card_is_named(program: Program) -> None:
    # The mask's beat of 16 bytes, a row of 32 bytes, then channel 3 of token 1.
    code, out, err = program.run(
        *cards("emulated-xrt"), "--json", faults=[{"flip": 16 + 32 + 2 * 3}]
    )
    assert (code, err) == (1, [])
    first = json.loads(out)["mismatches"][0]
    assert (first["layer"], first["tensor"], first["index"]) == (0, "output", [0, 1, 3])
    assert first["got"] == first["expected"] ^ 1


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_ends_and_leaves_nothing(
    program: Program, sent: signal.Signals
) -> None:
    with program.start(*cards("emulated-xrt"), faults=[{"hang": True}]) as process:
        try:
            assert process.stderr
            lines = iter(process.stderr.readline, "")
            next(line for line in lines if "sequences of" in line)
            assert len(program.processes()) == 3  # the command, its child, the card
            process.send_signal(sent)
            start = time.monotonic()
            out, err = process.communicate(timeout=30)
            seconds = time.monotonic() - start
        finally:
            process.kill()
    assert (process.returncode, out) == (130, "")
    assert plain(err) == ["transfab: interrupted; nothing was written"]
    assert seconds < 5
    program.assert_nothing_left()


def test_a_run_that_is_killed_leaves_no_process(program: Program) -> None:
    with program.start(*cards("emulated-xrt"), faults=[{"hang": True}]) as process:
        assert process.stderr
        lines = iter(process.stderr.readline, "")
        next(line for line in lines if "sequences of" in line)
        process.kill()
        program.assert_nothing_left(10, files=False)
