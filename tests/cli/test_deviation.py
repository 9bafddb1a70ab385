"""The deviation report of `verify` and `eval`: what it names, as JSON and as a table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transfab.quant import native_executor
from transfab.quant.bundle import BundleError, read_bundle
from transfab.quant.deviation import HIGHEST_DB, Deviation, worst_first
from transfab.quant.evaluate import schemes
from transfab.quant.executors import IntegerExecutor

Run = Callable[..., Any]
FIELDS = {"layer", "stage", "tensor", "sqnr_db", "max_error", "rms", "saturated"}
TENSORS = 38  # of a layer with a 16-bit residual; 36 with 8 bits, the layer's input included


def strict(text: str) -> Any:
    """JSON without NaN and Infinity, which are none."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def ranked(rows: list[dict[str, Any]]) -> bool:
    found = [Deviation(**row) for row in rows]
    return found == worst_first(found)


def table(out: str, title: str) -> list[list[str]]:
    """The cells of the rows below a title."""
    lines = out[out.index(title) :].splitlines()[4:]
    return [line.split() for line in lines[: next(i for i, x in enumerate(lines) if not x.strip())]]


@pytest.fixture
def saturating(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every executor saturates the second LayerNorm of every second layer that it runs."""
    run, seen = IntegerExecutor.run, []

    def planted(self, config, stage, params, inputs):  # type: ignore[no-untyped-def]
        made = dict(run(self, config, stage, params, inputs))
        if stage.name == "output":
            seen.append(stage)
            if len(seen) % 2 == 0:
                made["output"] = np.where(made["output"] < 0, -32767, 32767).astype(np.int16)
        return made

    monkeypatch.setattr(IntegerExecutor, "run", planted)


@pytest.mark.parametrize("level", ["op", "stage"])
def test_verify_reports_every_operator_tensor_whatever_the_level(
    cli: Run, tiny_bundle: Path, stage_bundle: Path, level: str
) -> None:
    done = cli("verify", tiny_bundle if level == "op" else stage_bundle, "--json")
    rows = strict(done.out)["deviation"]
    assert done.code == 0
    assert len(rows) == 2 * TENSORS - 1  # the second layer's input is the first one's output
    assert all(row.keys() == FIELDS for row in rows)
    assert ranked(rows)
    names = {(row["layer"], row["stage"], row["tensor"]) for row in rows}
    assert len(names) == len(rows)
    assert {(0, "input", "hidden"), (0, "attention", "scores"), (1, "output", "output")} <= names
    other = cli("verify", stage_bundle if level == "op" else tiny_bundle, "--json")
    assert other.json["deviation"] == rows


def test_verify_gives_what_the_manifest_holds(cli: Run, tiny_bundle: Path) -> None:
    recorded = json.loads((tiny_bundle / "manifest.json").read_text())["deviation"]
    found = cli("verify", tiny_bundle, "--json").json["deviation"]
    stated = [{k: v for k, v in row.items() if v is not None} for row in found]
    assert sorted(stated, key=str) == sorted(recorded, key=str)


def test_verify_prints_the_worst_first_and_says_what_the_figures_are(
    cli: Run, tiny_bundle: Path
) -> None:
    worst = cli("verify", tiny_bundle, "--json").json["deviation"]
    shown = cli("verify", tiny_bundle, "--worst", 7)
    rows = table(shown.out, "deviation from float64: worst 7 of 75 tensors")
    assert [row[:3] for row in rows] == [
        [str(row["layer"]), row["stage"], row["tensor"]] for row in worst[:7]
    ]
    assert [row[3] for row in rows] == [f"{row['sqnr_db']:.1f}" for row in worst[:7]]
    assert "measured when the bundle was made" in shown.out
    assert shown.out.splitlines()[-1] == "9,520 integers compared, every one exact"


def test_verify_without_rows_prints_no_deviation(cli: Run, tiny_bundle: Path) -> None:
    shown = cli("verify", tiny_bundle, "--worst", 0)
    assert (shown.code, "deviation" in shown.out, "SQNR" in shown.out) == (0, False, False)
    assert len(cli("verify", tiny_bundle, "--worst", 0, "--json").json["deviation"]) == 75
    assert len(table(cli("verify", tiny_bundle, "--worst", 1000).out, "deviation")) == 75


def test_verify_names_the_tensor_that_was_made_wrong(
    saturating: None, cli: Run, make_bundle: Run, tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path / "bundle", quick=True)
    done = cli("verify", bundle, "--json")
    assert done.json["exact"]  # the fault is in the executor that made it, and in this one
    worst, second, *_ = done.json["deviation"]
    assert (worst["layer"], worst["stage"], worst["tensor"]) == (1, "output", "output")
    assert (worst["saturated"], second["tensor"] == "output") == (1.0, False)
    assert worst["sqnr_db"] < 10 < second["sqnr_db"]
    row = table(cli("verify", bundle).out, "deviation from float64")[0]
    assert row[:3] == ["1", "output", "output"]
    assert row[-2:] == ["100.000", "%"]


def reseal(folder: Path, change: Callable[[list[Deviation]], list[Deviation]]) -> None:
    """Write the manifest again with other deviations."""
    manifest = read_bundle(folder).manifest
    sealed = manifest.model_copy(update={"deviation": change(manifest.deviation)}).sealed()
    (folder / "manifest.json").write_bytes(sealed.to_bytes())


def test_exact_and_all_zero_tensors_are_valid_json_and_are_shown(
    cli: Run, bundle_copy: Path
) -> None:
    figures = {
        "query": {"sqnr_db": HIGHEST_DB, "max_error": 0.0, "rms": 0.0, "saturated": 0.0},
        "key": {"sqnr_db": -HIGHEST_DB, "max_error": 0.5, "rms": 0.0, "saturated": 0.25},
    }
    reseal(bundle_copy, lambda rows: [replace(r, **figures.get(r.tensor, {})) for r in rows])
    found = strict(cli("verify", bundle_copy, "--json").out)["deviation"]
    assert [(row["tensor"], row["sqnr_db"]) for row in found[:2]] == [("key", -200.0)] * 2
    assert [(row["tensor"], row["sqnr_db"]) for row in found[-2:]] == [("query", 200.0)] * 2
    shown = table(cli("verify", bundle_copy, "--worst", 75).out, "deviation from float64")
    assert shown[0][2:] == ["key", "-200.0", "0.5", "inf", "25.000", "%"]
    assert shown[-1][2:] == ["query", "exact", "0", "0.00", "0.000", "%"]


@pytest.fixture
def evaluate(
    cli: Run, model: Path, calibration: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """`transfab eval` on the tiny model, without other quantizers."""
    for module in (schemes, native_executor):
        monkeypatch.setattr(module, "available", lambda: (False, "no C++ compiler: none here"))

    def run(*arguments: object) -> Any:
        given = ("--calibration", calibration, "--sentences", 8, "--baselines", "none", "--quick")
        return cli("eval", model, *given, *arguments)

    return run


def test_eval_reports_every_tensor_of_every_layer_of_every_integer_scheme(evaluate: Run) -> None:
    done = evaluate("--json")
    found = strict(done.out)
    assert list(found["deviation"]) == list(found["schemes"]) == ["R16", "R8"]
    for scheme, count in (("R16", TENSORS), ("R8", TENSORS - 2)):
        assert list(found["deviation"][scheme]) == ["short"]
        short = found["deviation"][scheme]["short"]
        assert (short["texts"], short["tokens"]) == (8, found["schemes"][scheme]["short"]["tokens"])
        assert len(short["tensors"]) == 2 * count
        assert all(row.keys() == FIELDS for row in short["tensors"])
        assert ranked(short["tensors"])


def test_eval_prints_the_worst_tensors_and_says_what_they_were_measured_on(evaluate: Run) -> None:
    worst = evaluate("--json").json["deviation"]
    shown = evaluate("--worst", 5)
    for scheme, tensors in (("R16", 76), ("R8", 72)):
        title = f"{scheme}, SQNR in dB by class: worst 5 of {tensors} tensors"
        rows = table(shown.out, title)
        assert [row[:4] for row in rows] == [
            [str(row["layer"]), row["stage"], row["tensor"], f"{row['sqnr_db']:.1f}"]
            for row in worst[scheme]["short"]["tensors"][:5]
        ]
    assert "each layer alone, on its own float input, not in cascade" in shown.out
    size = re.escape("a sample of the texts of\neach class: short: 8 texts, ")
    assert re.search(size + r"\d+ tokens$", shown.out)
    assert "each layer alone" not in evaluate("--worst", 0).out


def test_eval_ranks_by_the_worst_class(capsys: pytest.CaptureFixture[str]) -> None:
    from transfab.cli.deviation import print_table

    def rows(*decibels: float) -> list[Deviation]:
        names = ("query", "key", "value")
        return [
            Deviation(0, "qkv", name, db, 100 / db, 2.0, db / 1000)
            for name, db in zip(names, decibels, strict=True)
        ]

    groups = {"short": worst_first(rows(40, 20, 30)), "512": worst_first(rows(10, 25, 30))}
    print_table("title", groups, 2)
    assert table(capsys.readouterr().out, "title: worst 2 of 3 tensors") == [
        ["0", "qkv", "query", "40.0", "10.0", "10", "5.00", "4.000", "%"],
        ["0", "qkv", "key", "20.0", "25.0", "5", "2.50", "2.500", "%"],
    ]


def test_eval_names_the_layer_and_the_tensor_that_saturates(
    evaluate: Run, saturating: None
) -> None:
    short = evaluate("--residual", 16, "--json").json["deviation"]["R16"]["short"]["tensors"]
    worst, second, *_ = short
    assert (worst["layer"], worst["tensor"], worst["saturated"]) == (1, "output", 1.0)
    assert worst["sqnr_db"] < 10 < second["sqnr_db"]


@pytest.mark.parametrize("command", ["verify", "eval"])
def test_a_negative_number_of_rows_is_refused(cli: Run, tiny_bundle: Path, command: str) -> None:
    given = (tiny_bundle,) if command == "verify" else ("--random", "bert-tiny")
    done = cli(command, *given, "--worst", -1, "--json")
    assert done.code == 1
    assert done.json == {"error": "--worst must be at least 0, not -1"}


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[:-1],
        lambda rows: [rows[1], rows[0], *rows[2:]],
        lambda rows: [*rows, rows[-1]],
        lambda rows: [],
    ],
)
def test_a_bundle_that_does_not_record_every_tensor_is_refused(
    bundle_copy: Path, change: Callable[[list[Deviation]], list[Deviation]]
) -> None:
    reseal(bundle_copy, change)
    with pytest.raises(BundleError, match=r"deviation must list every tensor.*`transfab golden`"):
        read_bundle(bundle_copy)


@pytest.mark.parametrize(
    ("field", "value"),
    [("sqnr_db", 201.0), ("sqnr_db", "20"), ("max_error", -1.0), ("saturated", 2.0), ("more", 1.0)],
)
def test_recorded_figures_that_no_tensor_has_are_refused(
    cli: Run, bundle_copy: Path, field: str, value: object
) -> None:
    path = bundle_copy / "manifest.json"
    values = json.loads(path.read_text())
    values["deviation"][3][field] = value
    path.write_text(json.dumps(values, indent=1) + "\n")
    done = cli("verify", bundle_copy, "--json")
    assert done.code == 1
    assert "deviation.3" in done.json["error"] and "`transfab golden`" in done.json["error"]


def test_the_figures_are_no_part_of_the_bundle_hash(bundle_copy: Path) -> None:
    manifest = read_bundle(bundle_copy).manifest
    other = [Deviation(r.layer, r.stage, r.tensor, 1.0, 1.0, 1.0) for r in manifest.deviation]
    changed = manifest.model_copy(update={"deviation": other}).sealed()
    assert changed.bundle_hash == manifest.bundle_hash
    assert changed.checksum != manifest.checksum
