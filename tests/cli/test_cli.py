"""The commands: what they write, what they print, and the JSON shapes that stay stable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transfab.cli.golden import parse_layers
from transfab.quant.bundle import read_bundle
from transfab.quant.executors import IntegerExecutor

Run = Callable[..., Any]


@pytest.fixture
def golden(cli: Run, model: Path, calibration: Path, texts: Path) -> Run:
    """`transfab golden` on the tiny model and texts."""

    def run(*arguments: object) -> Any:
        given = ("--text", texts, "--calibration", calibration, "--sequence", 32)
        return cli("golden", model, *given, *arguments)

    return run


def test_golden_writes_a_bundle_and_says_what_is_in_it(golden: Run, tmp_path: Path) -> None:
    done = golden("--out", tmp_path / "out", "--layers", "all", "--level", "op", "--json")
    manifest = read_bundle(tmp_path / "out").manifest
    assert (done.code, done.err) == (0, [])
    assert done.json == {
        "bundle": str(tmp_path / "out"),
        "bundle_hash": manifest.bundle_hash,
        "config_hash": manifest.config_hash,
        "layers": [0, 1],
        "level": "op",
        "model": "model",
        "tokens": 12,
    }
    assert (manifest.input.source, manifest.input.texts) == ("texts.txt", 2)
    assert (manifest.calibration.source, manifest.calibration.texts) == ("calibration.txt", 40)


@pytest.mark.parametrize(
    ("option", "field", "value"),
    [
        (("--residual", 8), "residual_bits", 8),
        (("--layers", 1), "layers", [1]),
        (("--layers", "0-1"), "layers", [0, 1]),
        (("--sequence", 3), "tokens", 6),
    ],
)
def test_an_option_of_golden_reaches_the_bundle(
    golden: Run, tmp_path: Path, option: tuple[object, ...], field: str, value: object
) -> None:
    assert golden("--out", tmp_path / "out", *option).code == 0
    manifest = read_bundle(tmp_path / "out").manifest
    found = {"layers": manifest.layers, "tokens": manifest.input.tokens, **manifest.config}
    assert found[field] == value


def test_golden_is_the_same_whatever_the_threads(golden: Run, tmp_path: Path) -> None:
    hashes = {
        golden("--out", tmp_path / f"out{n}", "--threads", n, "--json").json["bundle_hash"]
        for n in (1, 2, 5)
    }
    assert len(hashes) == 1


def test_golden_replaces_a_bundle_by_force(golden: Run, tmp_path: Path) -> None:
    for residual in (8, 16):
        assert golden("--out", tmp_path / "out", "--residual", residual, "--force").code == 0
        assert read_bundle(tmp_path / "out").config.residual_bits == residual


def test_golden_of_seeded_weights_needs_no_model(
    cli: Run, calibration: Path, texts: Path, tmp_path: Path
) -> None:
    given = ("--text", texts, "--calibration", calibration, "--json")
    hashes = [
        cli("golden", "--random", "bert-tiny", "--seed", seed, "--out", tmp_path / name, *given)
        for seed, name in ((3, "a"), (3, "b"), (4, "c"))
    ]
    assert [done.code for done in hashes] == [0, 0, 0]
    assert hashes[0].json["model"] == "random:bert-tiny:3"
    first, again, other = (done.json["bundle_hash"] for done in hashes)
    assert first == again != other


def test_golden_says_that_it_cuts_a_text(
    cli: Run, model: Path, calibration: Path, texts: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from transfab.cli import main

    given = ["--text", texts, "--calibration", calibration, "--out", tmp_path / "out"]
    assert main(["golden", str(model), *map(str, given), "--sequence", "4"]) == 0
    progress = capsys.readouterr().err
    assert "text 0 has 7 tokens: cut at 4 (--sequence)" in progress
    assert all(line.startswith("[") for line in progress.splitlines())


@pytest.mark.parametrize(
    ("text", "layers"),
    [("0", range(1)), ("3", range(3, 4)), ("1-3", range(1, 4)), ("all", range(12))],
)
def test_layers_are_a_number_a_range_or_all(text: str, layers: range) -> None:
    assert parse_layers(text, 12) == layers


def test_verify_reports_every_integer_exact(cli: Run, tiny_bundle: Path) -> None:
    done = cli("verify", tiny_bundle, "--json")
    assert (done.code, done.err) == (0, [])
    assert {name: value for name, value in done.json.items() if name != "deviation"} == {
        "exact": True,
        "compared": 9520,
        "executors": ["integer"],
        "mismatches": [],
    }
    shown = cli("verify", tiny_bundle)
    assert shown.code == 0
    assert "9,520 integers compared, every one exact" in shown.out


def test_verify_exits_with_1_and_names_the_first_wrong_integer(
    cli: Run, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = IntegerExecutor.run

    def planted(self, config, stage, params, inputs):  # type: ignore[no-untyped-def]
        made = run(self, config, stage, params, inputs)
        if stage.name == "attention":
            made["context"] = made["context"].copy()
            made["context"][1, 2, 3] ^= 1
            made["context"][1, 2, 9] ^= 1
        return made

    expected = int(
        read_bundle(tiny_bundle).tensors("layer01.attention.safetensors")["context"][1, 2, 3]
    )
    monkeypatch.setattr(IntegerExecutor, "run", planted)
    done = cli("verify", tiny_bundle, "--json")
    assert (done.code, done.err) == (1, [])
    assert done.json.keys() == {"exact", "compared", "executors", "mismatches", "deviation"}
    assert (done.json["exact"], done.json["compared"]) == (False, 9520)
    assert [m["layer"] for m in done.json["mismatches"]] == [0, 1]
    assert done.json["mismatches"][1] == {
        "executor": "integer",
        "layer": 1,
        "stage": "attention",
        "tensor": "context",
        "index": [1, 2, 3],
        "expected": expected,
        "got": expected ^ 1,
    }
    shown = cli("verify", tiny_bundle)
    assert shown.code == 1
    assert "DIFFERS at context[1, 2, 3]" in shown.out
    assert (
        f"integer: layer 1 stage attention tensor context[1, 2, 3] expected {expected} "
        f"got {expected ^ 1}" in shown.out
    )
    assert "NOT exact" in shown.out


def test_verify_runs_an_executor_once_however_often_it_is_named(
    cli: Run, stage_bundle: Path
) -> None:
    done = cli("verify", stage_bundle, "--on", "integer,integer", "--json")
    assert (done.json["executors"], done.json["compared"]) == (["integer"], 2240)


def test_inspect_gives_every_tensor_with_ranges_saturation_and_agreement(
    cli: Run, tiny_bundle: Path
) -> None:
    done = cli("inspect", tiny_bundle, "--json")
    manifest = read_bundle(tiny_bundle).manifest
    assert (done.code, done.err) == (0, [])
    assert done.json["bundle_hash"] == manifest.bundle_hash
    assert "files" not in done.json
    rows = done.json["tensors"]
    for row in rows:
        assert row.keys() == {
            "layer", "stage", "role", "tensor", "dtype", "shape", "low", "high", "saturated",
            "sqnr_db", "text",
        }  # fmt: skip
    assert {row["role"] for row in rows} == {"input", "operator", "output"}
    (query,) = [row for row in rows if (row["layer"], row["tensor"]) == (1, "query")]
    assert (query["stage"], query["dtype"], query["shape"]) == ("qkv", "int8", [2, 5, 16])
    assert -127 <= query["low"] < query["high"] <= 127
    assert isinstance(query["saturated"], int) and query["sqnr_db"] > 15
    more = cli("inspect", tiny_bundle, "--parameters", "--json").json["tensors"]
    assert "query.weight" in {row["tensor"] for row in more if row["role"] == "parameter"}


def test_inspect_prints_a_table(cli: Run, tiny_bundle: Path) -> None:
    done = cli("inspect", tiny_bundle)
    assert (done.code, done.err) == (0, [])
    assert "E = 16, H = 2, F = 32" in done.out
    assert "attention_output" in done.out
    assert "SQNR dB" in done.out


@pytest.mark.parametrize("form", ["mem", "bin", "npy"])
def test_export_writes_the_format_that_is_asked_for(
    cli: Run, stage_bundle: Path, tmp_path: Path, form: str
) -> None:
    given = ("--format", form, "--layer", 1, "--stage", "qkv", "--json")
    done = cli("export", stage_bundle, "--out", tmp_path / "out", *given)
    written = [path for path in (tmp_path / "out").rglob(f"*.{form}")]
    assert (done.code, done.err) == (0, [])
    assert done.json == {
        "folder": str(tmp_path / "out"),
        "files": len(written),
        "bytes": sum(path.stat().st_size for path in written),
    }
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert len(index["tensors"]) == len(written) > 10


def test_doctor_names_what_is_missing(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    version = metadata.version

    def without_torch(name: str) -> str:
        if name == "torch":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without_torch)
    done = cli("doctor", "--json")
    assert (done.code, done.err) == (0, [])
    assert done.json.keys() == {
        "python", "cpus", "packages", "executors", "boards", "board_files"
    }  # fmt: skip
    assert done.json["packages"]["torch"] is None
    assert done.json["packages"]["numpy"] == version("numpy")
    lacks = {"runs": False, "missing": "no C++ compiler: none here"}
    assert done.json["executors"] == {
        "integer": {"runs": True, "missing": None},
        **dict.fromkeys(("native", "csim", "csim_width_true", "rtl", "hls", "emulated"), lacks),
    }
    shown = cli("doctor")
    assert "missing: no C++ compiler: none here" in shown.out
    (torch,) = [line for line in shown.out.splitlines() if line.split()[:1] == ["torch"]]
    assert "missing" in torch


def test_without_torch_golden_names_the_extra_and_the_rest_still_works(
    process: Run, stage_bundle: Path, tmp_path: Path
) -> None:
    before = "sys.modules['torch'] = None"
    done = process("golden", "--out", tmp_path / "out", "--json", before=before)
    assert done.code == 1
    assert len(done.err) == 1 and "torch" in done.err[0] and "transfab[model]" in done.err[0]
    assert list(tmp_path.iterdir()) == []
    assert process("verify", stage_bundle, "--json", before=before).json["exact"] is True
    assert process("inspect", stage_bundle, "--json", before=before).code == 0
    given = ("--out", tmp_path / "out", "--json")
    assert process("export", stage_bundle, *given, before=before).code == 0
    assert process("doctor", "--json", before=before).code == 0


def test_reading_only_the_beginning_of_the_output_is_no_error(stage_bundle: Path) -> None:
    command = [sys.executable, "-m", "transfab", "inspect", str(stage_bundle)]
    env = {**os.environ, "CXX": "no-such-compiler"}
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=env)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_help_names_every_command(cli: Run) -> None:
    done = cli("--help")
    assert (done.code, done.err) == (0, [])
    for name in ("golden", "verify", "inspect", "export", "csim", "serve", "doctor", "bench"):
        assert name in done.out
        assert cli(name, "--help").code == 0
