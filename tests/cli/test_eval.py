"""`transfab eval`: the JSON shape that stays stable, its tables, and what it refuses."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transfab.cli.eval import parse_widths
from transfab.quant import native_executor
from transfab.quant.corpus import packaged
from transfab.quant.evaluate import schemes

Run = Callable[..., Any]
STABLE = {"sqnr_db", "cosine_mean", "cosine_min", "top10", "spearman"}
EXTRA = {"top1", "sqnr_by_layer", "texts", "tokens"}
BASELINES = ("torchao", "onnxruntime", "torch", "per-tensor")


@pytest.fixture
def evaluate(
    cli: Run, model: Path, calibration: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """`transfab eval` on the tiny model; eight held-out sentences unless told otherwise."""
    for module in (schemes, native_executor):
        monkeypatch.setattr(module, "available", lambda: (False, "no C++ compiler: none here"))

    def run(*arguments: object) -> Any:
        given = ("--calibration", calibration, "--threads", 2, "--sentences", 8)
        return cli("eval", model, *given, *arguments)

    return run


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make a package look as if it were not installed."""
    find = importlib.util.find_spec

    def hide(name: str) -> None:
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda asked, *rest: None if asked == name else find(asked)
        )

    return hide


def test_the_json_has_the_stable_shape(evaluate: Run) -> None:
    done = evaluate("--baselines", "per-tensor", "--json")
    assert (done.code, done.err, done.out.count("\n")) == (0, [], 1)
    found = done.json
    assert list(found["schemes"]) == ["R16", "R8", "per-tensor"]
    assert found["skipped"] == {}
    assert (found["model"], found["calibration"]["texts"]) == ("model", 40)
    for classes in found["schemes"].values():
        assert list(classes) == ["short"]  # the tiny model takes 32 tokens
        assert set(classes["short"]) == STABLE | EXTRA
        assert len(classes["short"]["sqnr_by_layer"]) == 2
        assert classes["short"]["sqnr_db"] == classes["short"]["sqnr_by_layer"][-1]
        assert classes["short"]["texts"] == 8
    r16, r8 = (found["schemes"][name]["short"]["sqnr_db"] for name in ("R16", "R8"))
    assert r16 > 15 and r8 > 15


def test_every_baseline_is_evaluated_or_skipped_by_name(evaluate: Run) -> None:
    found = evaluate("--sentences", 4, "--json").json
    assert set(found["schemes"]) | set(found["skipped"]) == {"R16", "R8", *BASELINES}
    assert {"torch", "per-tensor"} <= set(found["schemes"])
    for name in ("torchao", "onnxruntime"):
        installed = importlib.util.find_spec(name) is not None
        assert (name in found["schemes"]) == installed, found["skipped"]


@pytest.mark.parametrize("package", ["torchao", "onnxruntime"])
def test_a_missing_package_is_stated_in_json_and_table(
    evaluate: Run, without: Callable[[str], None], package: str
) -> None:
    without(package)
    done = evaluate("--baselines", f"{package},per-tensor", "--residual", 8, "--json")
    assert done.code == 0
    assert list(done.json["schemes"]) == ["R8", "per-tensor"]
    assert done.json["skipped"][package].startswith(package)
    done = evaluate("--baselines", package, "--residual", 8)
    assert (done.code, done.err) == (0, [])
    assert f"{package} skipped: {package}" in done.out


def test_without_matplotlib_the_picture_is_skipped_by_name(
    evaluate: Run, without: Callable[[str], None], tmp_path: Path
) -> None:
    without("matplotlib")
    picture = tmp_path / "x.png"
    done = evaluate("--baselines", "none", "--residual", 8, "--picture", picture, "--json")
    assert done.code == 0
    assert "matplotlib not installed" in done.json["skipped"]["picture"]
    assert not picture.exists()


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_picture_is_written(evaluate: Run, tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib", reason="needs extra eval")
    picture = tmp_path / f"x.{suffix}"
    done = evaluate("--baselines", "none", "--picture", picture, "--json")
    assert (done.code, done.err, done.json["skipped"]) == (0, [], {})
    assert picture.stat().st_size > 5000


def test_the_table_has_a_row_a_scheme(evaluate: Run) -> None:
    done = evaluate("--baselines", "per-tensor")
    assert (done.code, done.err) == (0, [])
    assert "model, short: 8 held-out texts" in done.out
    rows = [line.split()[0] for line in done.out.splitlines() if line.strip()]
    assert [name for name in rows if name in ("R16", "R8", "per-tensor")] == [
        "R16",
        "R8",
        "per-tensor",
    ]


def test_a_users_texts_are_one_class_by_the_files_name(evaluate: Run, texts: Path) -> None:
    found = evaluate("--text", texts, "--baselines", "none", "--residual", "16", "--json").json
    assert list(found["schemes"]) == ["R16"]
    assert found["schemes"]["R16"]["texts"]["texts"] == 2
    assert found["schemes"]["R16"]["texts"]["spearman"] is None  # two texts have one similarity


def test_seeded_weights_are_evaluated_in_all_classes(
    cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (schemes, native_executor):
        monkeypatch.setattr(module, "available", lambda: (False, "no C++ compiler: none here"))
    known = tmp_path / "known.txt"
    known.write_text("\n".join(packaged("calibration", 30, 2, 1)), encoding="utf-8")
    counts = ("--sentences", 3, "--paragraphs", 2, "--passages", 1)
    given = ("--random", "bert-tiny", "--baselines", "none", "--calibration", known)
    found = cli("eval", *given, *counts, "--json").json["schemes"]
    for classes in found.values():
        assert {name: value["texts"] for name, value in classes.items()} == {
            "short": 3,
            "128": 2,
            "512": 1,
        }
        assert all(value["sqnr_db"] > 20 for value in classes.values())


def test_the_first_layers_alone_are_named_as_such(
    cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (schemes, native_executor):
        monkeypatch.setattr(module, "available", lambda: (False, "no C++ compiler: none here"))
    known = tmp_path / "known.txt"
    known.write_text("\n".join(packaged("calibration", 30, 2, 0)), encoding="utf-8")
    given = ("--random", "roberta-tiny", "--layers", 1, "--calibration", known, "--sentences", 3)
    given = (*given, "--paragraphs", 1, "--passages", 0, "--baselines", "per-tensor")
    found = cli("eval", *given, "--json").json
    assert (found["model"], found["layers"]) == ("random:roberta-tiny:0, first 1 of 2 layers", 1)
    for name, classes in found["schemes"].items():
        assert {len(value["sqnr_by_layer"]) for value in classes.values()} == {1}
        assert (classes["short"]["sqnr_db"] > 25) == (name != "per-tensor")
    assert "first 1 of 2 layers, short: 3 held-out texts" in cli("eval", *given).out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--random", "roberta"), "--random must be one of bert-tiny, "),
        (("--random", ""), "--random must be one of bert-tiny, "),
        (("--random", "roberta-tiny", "--seed", -1), "seed must be at least 0, not -1"),
        (("--random", "roberta-tiny", "--layers", 3), "--layers must be in [1, 2], not 3"),
        (("--random", "roberta-tiny", "--layers", 0), "--layers must be in [1, 2], not 0"),
    ],
)
def test_a_bad_seeded_model_is_refused(
    cli: Run, arguments: tuple[object, ...], reason: str
) -> None:
    assert_refused(cli("eval", *arguments, "--json"), reason)


@pytest.mark.parametrize("text", ["", "16,", "16,16", "12", "8,16,8", "R8"])
def test_widths_other_than_8_and_16_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--residual must be 16, 8 or 16,8"):
        parse_widths(text)


def test_widths_come_in_the_order_given() -> None:
    assert (parse_widths("8,16"), parse_widths("8")) == ([8, 16], [8])


@pytest.mark.parametrize(
    ("reason", "arguments"),
    [
        ("sentences=1201: the packaged heldout split holds 0 to 1200", ("--sentences", 1201)),
        ("no held-out text is left of classes", ("--sentences", 0)),
        ("--baselines must be all, none or some of", ("--baselines", "int8")),
        ("--residual must be", ("--residual", 12)),
        ("--threads must be at least 1", ("--threads", 0)),
        ("give a model or --random, not both", ("--random", "bert-tiny")),
        ("--picture must end in .png or .svg", ("--picture", "x.pdf")),
    ],
)
def test_bad_input_is_one_line_and_a_failure(
    evaluate: Run, reason: str, arguments: tuple[object, ...]
) -> None:
    assert_refused(evaluate(*arguments, "--json"), reason)


def test_texts_that_calibration_saw_are_refused(evaluate: Run, calibration: Path) -> None:
    reason = "no held-out text is left: all 40 are among the calibration texts"
    assert_refused(evaluate("--text", calibration, "--json"), reason)


@pytest.mark.parametrize("option", ["--text", "--calibration"])
def test_a_corpus_in_another_encoding_is_refused(
    evaluate: Run, tmp_path: Path, option: str
) -> None:
    path = tmp_path / "other.txt"
    path.write_bytes("größer\n".encode("latin-1"))
    assert_refused(evaluate(option, path, "--json"), "is not UTF-8")


def test_too_little_calibration_text_is_refused(evaluate: Run, tmp_path: Path) -> None:
    path = tmp_path / "short.txt"
    path.write_text("one row\n")
    assert_refused(evaluate("--calibration", path, "--json"), "calibration text must have at least")


def assert_refused(done: Any, reason: str) -> None:
    assert done.code == 1
    (line,) = done.err
    assert line.startswith("transfab: ") and reason in line
    assert json.loads(done.out) == {"error": line.removeprefix("transfab: ")}
