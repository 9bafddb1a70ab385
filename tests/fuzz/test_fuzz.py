"""A damaged bundle is refused in one line or is not damaged: mutants drawn from a seed."""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent
SEEDS = sorted((HERE / "seeds").glob("*.json"))
GROWTH_LIMIT = 20 << 20
KINDS = {"bytes", "manifest", "header", "tensor", "scales", "swap", "block"}


def load_fuzzer() -> ModuleType:
    """The fuzzer beside this file, which is no package."""
    spec = importlib.util.spec_from_file_location("fuzz_bundle", HERE / "fuzz_bundle.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_bundle"] = module
    spec.loader.exec_module(module)
    return module


fuzzer = load_fuzzer()


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(scope="module")
def one_layer(make_bundle: Callable[..., Path], tmp_path_factory: Any) -> Path:
    """One layer at stage level: the smallest bundle that has every kind of file."""
    folder = tmp_path_factory.mktemp("fuzz") / "bundle"
    return make_bundle(folder, layers=range(1), level="stage")


@pytest.fixture
def target(one_layer: Path) -> Iterator[Any]:
    with fuzzer.scratch() as folder:
        yield fuzzer.Target(one_layer, Path(folder))


def run(target: Any, cases: int, seed: int) -> Counter[tuple[str, str]]:
    """Count outcomes by kind, holding memory and the folder to what they were."""
    outcomes: Counter[tuple[str, str]] = Counter()
    warm_up, before = min(cases // 5, 5000), 0
    for case, (outcome, mutation) in enumerate(fuzzer.fuzz(target, cases, seed)):
        outcomes[mutation["kind"], outcome] += 1
        if case == warm_up:
            gc.collect()
            before = resident()
    gc.collect()
    assert resident() - before < GROWTH_LIMIT
    left = {path.name: path.read_bytes() for path in target.folder.iterdir()}
    assert left == target.files
    assert [path.name for path in target.folder.parent.iterdir()] == [target.folder.name]
    return outcomes


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")
def test_five_thousand_mutants_are_refused_or_change_nothing(target: Any) -> None:
    outcomes = run(target, 5000, seed=0)
    assert {kind for kind, _ in outcomes} == KINDS
    # The mutants reach what lies behind the hashes: some are read, executed and found to differ.
    assert outcomes["tensor", "differs"] > 0
    assert outcomes["manifest", "exact"] > 0
    assert sum(n for (_, outcome), n in outcomes.items() if outcome == "refused") > 2500


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")
def test_eighty_thousand_mutants_of_one_layer_are_refused_or_change_nothing(target: Any) -> None:
    assert run(target, 80_000, seed=1).total() == 80_000


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")
def test_twenty_thousand_mutants_of_two_layers_are_refused_or_change_nothing(
    tiny_bundle: Path,
) -> None:
    with fuzzer.scratch() as folder:
        target = fuzzer.Target(tiny_bundle, Path(folder))
        assert run(target, 20_000, seed=2).total() == 20_000


@pytest.mark.parametrize("seed", SEEDS, ids=[path.stem for path in SEEDS])
def test_a_mutant_that_once_passed_or_crashed_is_refused(target: Any, seed: Path) -> None:
    assert target.run(json.loads(seed.read_text(encoding="utf-8"))) == "refused"


def test_the_same_seed_gives_the_same_mutants(target: Any) -> None:
    first, second = (
        [json.dumps(mutation) for _, mutation in fuzzer.fuzz(target, 40, seed)] for seed in (3, 3)
    )
    assert first == second
    assert first != [json.dumps(mutation) for _, mutation in fuzzer.fuzz(target, 40, 4)]


def test_the_fuzzer_notices_content_that_changed_under_intact_hashes(
    target: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unchecked(bundle: Any, file: str, entry: object) -> bytes:
        return bytes((bundle.folder / file).read_bytes())

    monkeypatch.setattr("transfab.quant.bundle.Bundle._bytes", unchecked)
    monkeypatch.setattr("transfab.quant.bundle._differing", lambda entry, tensors: None)
    last = len(target.files["layer00.qkv.safetensors"]) - 1
    flip = {"kind": "bytes", "seal": 0, "file": "layer00.qkv.safetensors"}
    with pytest.raises(AssertionError, match="accepted"):
        target.run(flip | {"edits": [["flip", last, 0]]})
    monkeypatch.undo()
    assert target.run(flip | {"edits": [["flip", last, 0]]}) == "refused"


def test_the_fuzzer_notices_a_verify_that_passes_over_a_wrong_integer(
    target: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfab.quant.executors.first_difference", lambda expected, got: None)
    plant = {"kind": "tensor", "seal": 2, "file": "layer00.qkv.safetensors", "how": "element"}
    plant |= {"tensor": "output/query", "place": 3, "value": 1}
    with pytest.raises(AssertionError, match="wrong integer"):
        target.run(plant)
    monkeypatch.undo()
    assert target.run(plant) == "differs"


def test_restoring_puts_every_byte_back(target: Any) -> None:
    for by in fuzzer.BLOCKERS:
        target.run({"kind": "block", "seal": 0, "file": "manifest.json", "by": by})
        assert {p.name: p.read_bytes() for p in target.folder.iterdir()} == target.files
