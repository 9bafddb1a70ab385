"""`transfab run` with emulated boards: what it prints, how it exits, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from emulated_boards import no_kernel_threads
from tiny_build import CONFIG, ENGINE, FLIPS, Outcome, Run, values

from transfab.host.boards import BOARDS
from transfab.quant.contract.tops import TENSORS, TOPS
from transfab.quant.engine import build_hash

pytestmark = pytest.mark.xdist_group("csim")
SOURCE = Path(__file__).parents[2] / "src"
PLANS = {1: ["layer"], 2: ["board_a", "board_b"], 4: list(TOPS)[:4]}
# Integers of a top's output for 2 layers of 2 sequences of 5 tokens: E = 16, F = 32.
CHANNELS = {"mask": 1, "query": 16, "key": 16, "value": 16, "intermediate": 32}


def compared(tops: list[str]) -> int:
    names = [name for top in tops for name in TENSORS[TOPS[top].output]]
    return 2 * 2 * 5 * sum(CHANNELS.get(name, 16) for name in names)


@pytest.fixture(autouse=True)
def ready(kernels: Any) -> Iterator[None]:
    pytest.importorskip("pynq", reason="pynq is missing: pip install 'transfab[board]'")
    kernels(CONFIG, ENGINE, "layer")
    yield
    assert no_kernel_threads()


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run the command line in this process."""
    from transfab.cli import main

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
def engine_file(tmp_path: Path) -> Path:
    path = tmp_path / "engine.json"
    path.write_text(json.dumps(ENGINE.as_dict()))
    return path


def boards(*names: str) -> list[str]:
    return [word for name in names for word in ("--board", name)]


@pytest.mark.parametrize("count", PLANS)
def test_run_reports_every_board_exact(
    cli: Run, stage_bundle: Path, engine_file: Path, count: int
) -> None:
    given = ("run", stage_bundle, "--engine", engine_file, *boards(*["emulated"] * count))
    done = cli(*given, "--json")
    assert (done.code, done.err) == (0, [])
    assert done.json.keys() == {
        "exact", "compared", "executors", "mismatches", "times", "counters", "boundaries",
        "build_hash",
    }  # fmt: skip
    assert (done.json["exact"], done.json["mismatches"]) == (True, [])
    assert done.json["executors"] == ["emulated:zcu104"] * count
    assert done.json["compared"] == compared(PLANS[count])
    assert done.json["build_hash"] == build_hash(CONFIG, ENGINE)
    assert done.json["boundaries"] == [
        {"from": first, "to": second, "by": "host memory"}
        for first, second in pairwise(PLANS[count])
    ]
    times = iter(done.json["times"])
    for layer in (0, 1):
        for top in PLANS[count]:
            one = next(times)
            assert one.pop("milliseconds") > 0
            assert one.pop("rate") > 0
            assert one == {"layer": layer, "top": top, "board": "emulated:zcu104"}
        one = next(times)
        assert one.pop("sequences_per_second") > 0
        assert one == {"layer": layer}
    assert next(times, None) is None
    counters = done.json["counters"]
    assert list(counters) == [
        f"{top} emulated:zcu104 {place}" for place, top in enumerate(PLANS[count])
    ]
    for counted in counters.values():
        assert counted["sequences"] == 2 * (2 + 1)
    shown = cli(*given)
    assert (shown.code, shown.err) == (0, [])
    assert f"{compared(PLANS[count]):,} integers compared, every one exact" in shown.out
    assert shown.out.count("measured on this machine") == 2
    assert "not silicon" in " ".join(shown.out.split())
    assert "DIFFERS" not in shown.out
    rows = " ".join(shown.out.split())
    for top in PLANS[count]:
        tensors = ", ".join(TENSORS[TOPS[top].output])
        assert f"emulated:zcu104 {' '.join(TOPS[top].stages)} exact ({tensors}: " in rows


def test_one_emulated_board_is_the_usual(cli: Run, stage_bundle: Path, engine_file: Path) -> None:
    done = cli("run", stage_bundle, "--engine", engine_file, "--json")
    assert (done.code, done.json["executors"]) == (0, ["emulated:zcu104"])


def test_boards_of_several_kinds(cli: Run, stage_bundle: Path, engine_file: Path) -> None:
    names = ("emulated:pynq-z2", "emulated:kv260")
    done = cli("run", stage_bundle, "--engine", engine_file, *boards(*names), "--json")
    assert (done.code, done.json["exact"], done.json["executors"]) == (0, True, list(names))


@FLIPS
def test_a_wrong_bit_of_a_bundle_is_named(
    cli: Run,
    flipped: Any,
    engine_file: Path,
    stage: str,
    tensor: str,
    index: tuple[int, ...],
) -> None:
    """Recorded by a bundle that is whole by its hashes; later stages are compared with it, too."""
    bundle = flipped(stage, tensor, index)
    given = ("run", bundle, "--engine", engine_file, *boards(*["emulated"] * 4))
    done = cli(*given, "--json")
    assert (done.code, done.err, done.json["exact"]) == (1, [], False)
    recorded, right = values(bundle, stage, tensor, index)
    first = done.json["mismatches"][0]
    assert first == {
        "executor": "emulated:zcu104",
        "layer": 1,
        "stage": stage,
        "tensor": tensor,
        "index": list(index),
        "expected": recorded,
        "got": right,
    }
    shown = cli(*given)
    assert shown.code == 1
    assert "NOT exact" in shown.out
    assert "DIFFERS" in shown.out


@pytest.fixture
def flipped(make_bundle: Any, tmp_path: Path) -> Any:
    """A bundle, whole by its hashes, in which layer 1 records one wrong bit."""
    from transfab.quant.executors import IntegerExecutor

    def make(stage_name: str, tensor: str, index: tuple[int, ...]) -> Path:
        run, layers = IntegerExecutor.run, iter(range(2))

        def planted(self: Any, config: Any, stage: Any, params: Any, inputs: Any) -> Any:
            made = dict(run(self, config, stage, params, inputs))
            if stage.name == stage_name and next(layers) == 1:
                made[tensor] = made[tensor].copy()
                made[tensor][index] ^= 1
            return made

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(IntegerExecutor, "run", planted)
            made: Path = make_bundle(tmp_path / "flipped", level="stage", quick=True)
            return made

    return make


def faulty(patch: pytest.MonkeyPatch, **given: Any) -> None:
    from transfab.host.fabric import configured
    from transfab.host.fabric.faults import Faults

    patch.setattr(configured, "Faults", lambda: Faults(**given))


# Seconds until a board is given up: short where nothing can come, long where something does.
@pytest.mark.parametrize(
    ("fault", "patience", "reason"),
    [
        ({"hang": True}, 0.2, "emulated:zcu104 0 gave no result within 0.2 s: kernel ready"),
        ({"dma_error": "hidden"}, 60, "emulated:zcu104 0: a DMA engine stopped: "),
        ({"short": "hidden"}, 0.2, "emulated:zcu104 0 gave no result within 0.2 s: kernel"),
        ({"short": "output"}, 60, "bytes of output instead of"),
        ({"long": "output"}, 60, "dma_output error (0x11)"),
    ],
)
def test_a_fault_is_one_line_and_the_next_run_works(
    cli: Run,
    stage_bundle: Path,
    engine_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: dict[str, Any],
    patience: float,
    reason: str,
) -> None:
    given = ("run", stage_bundle, "--engine", engine_file, "--json")
    with monkeypatch.context() as patch:
        faulty(patch, **fault)
        start = time.monotonic()
        done = cli(*given, "--patience", patience)
    # The usual patience is 60 s.
    assert time.monotonic() - start < 30
    (line,) = done.err
    assert done.code == 1
    assert line.startswith("transfab: ")
    assert reason in line
    assert done.json == {"error": line.removeprefix("transfab: ")}
    assert cli(*given).code == 0


def test_a_wrong_bit_of_a_board_is_named(
    cli: Run, stage_bundle: Path, engine_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The mask's beat of 16 bytes, a row of 32 bytes, then channel 3 of token 1.
    faulty(monkeypatch, flip=16 + 32 + 2 * 3)
    done = cli("run", stage_bundle, "--engine", engine_file, "--json")
    assert (done.code, done.err) == (1, [])
    assert [(one["layer"], one["stage"], one["tensor"]) for one in done.json["mismatches"]] == [
        (0, "layer", "output"), (1, "layer", "output")
    ]  # fmt: skip
    for one in done.json["mismatches"]:
        assert one["index"] == [0, 1, 3]
        assert one["got"] == one["expected"] ^ 1
    shown = cli("run", stage_bundle, "--engine", engine_file)
    assert shown.code == 1
    assert "DIFFERS at output[0, 1, 3]" in " ".join(shown.out.split())


CARD = next(name for name, board in BOARDS.items() if board.reach == "xrt")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (boards(*["emulated"] * 3), "a layer runs on 1, 2, 4 boards, not on 3"),
        (boards("emulated:zcu105"), "board must be one of u200, "),
        (boards("zcu104"), "--board must be emulated[:BOARD], pynq:BOARD or pynq-remote:"),
        (boards(f"emulated:{CARD}"), f"a {CARD} is a card of xrt, no Zynq"),
        (boards("emulated:zcu104@127.0.0.2"), "an address is for pynq-remote, such as"),
        (boards("pynq:zcu104@127.0.0.2"), "an address is for pynq-remote, such as"),
        (boards("pynq-remote:zcu104"), "such as pynq-remote:zcu104@192.168.2.99"),
        (boards("pynq:zcu104"), "pynq:zcu104 needs --bitstreams FOLDER"),
        (["--patience", "0"], "--patience must be above 0 seconds and finite, not 0"),
        (["--patience", "-1.5"], "not -1.5"),
        (["--patience", "nan"], "not nan"),
        (["--patience", "inf"], "not inf"),
        (["--fabric", "hls"], "--fabric must be one of csim, rtl, not hls"),
        (["--sequence", "4"], "sequence length must be in [1, 4]"),
        (["--bitstreams", "nowhere"], "nowhere must hold manifest.json"),
    ],
)
def test_what_no_board_can_run_is_one_line(
    cli: Run, stage_bundle: Path, engine_file: Path, given: list[str], reason: str
) -> None:
    done = cli("run", stage_bundle, "--engine", engine_file, *given, "--json")
    (line,) = done.err
    assert done.code == 1
    assert reason in line
    assert done.json == {"error": line.removeprefix("transfab: ")}
    assert not {"Traceback", "--help"} & set(line.split())


def test_a_bundle_longer_than_the_engine_says_how_to_build_one(
    cli: Run, stage_bundle: Path, engine_file: Path
) -> None:
    done = cli("run", stage_bundle, "--engine", engine_file, "--sequence", 4)
    assert (done.code, done.out) == (1, "")
    assert done.err[0].endswith("not 5: build with --sequence 5")


def test_without_pynq_the_way_out_is_said(
    cli: Run, stage_bundle: Path, engine_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transfab.host import open as opening

    reason = "pynq is not installed (pip install 'transfab[board]')"
    monkeypatch.setattr(opening, "missing", lambda: reason)
    done = cli("run", stage_bundle, "--engine", engine_file)
    assert (done.code, done.out, done.err) == (1, "", [f"transfab: {reason}"])


@pytest.mark.parametrize("name", ["pynq", "grpc"])
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    import importlib.util

    from transfab.host.open import missing

    assert missing() is None
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda wanted: None if wanted == name else find(wanted)
    )
    assert missing() == f"{name} is not installed (pip install 'transfab[board]')"


HANGING = """
import sys
from transfab.host import pynq_board
from transfab.host.fabric import configured
from transfab.host.fabric.faults import Faults
configured.Faults = lambda: Faults(hang=True)
wait = pynq_board.PynqBoard.wait
def waiting(self, seconds):
    print("waiting", flush=True)
    return wait(self, seconds)
pynq_board.PynqBoard.wait = waiting
from transfab.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_ends_at_once(
    stage_bundle: Path, engine_file: Path, tmp_path: Path, sent: signal.Signals
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-c", HANGING, "run", stage_bundle, "--engine", engine_file]
    with subprocess.Popen(
        [*map(str, command), *boards("emulated", "emulated")],
        env=os.environ | {"PYTHONPATH": str(SOURCE), "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "waiting\n"
            process.send_signal(sent)
            # The usual patience is 60 s.
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    lines = [line for line in err.splitlines() if not line.startswith("[")]
    assert (process.returncode, out) == (130, "")
    assert lines == ["transfab: interrupted; nothing was written"]
    # Bitstreams and pynq's state were in temporary folders.
    assert list(scratch.iterdir()) == []
