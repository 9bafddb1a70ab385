"""The cases of `hard_layers` tell every broken kernel from the right one.

A mutant that compiles and survives is a gap in the cases, or no mutant.
"""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import pytest
from hard_layers import BUILDS, hard_cases, stage_runs
from kernel_mutants import EVERY_RUN, MUTANTS, WIDTH_MUTANTS, Mutant
from quick_build import QuickBuild, changed
from runs import layer_run, replay, write

from transfab.hls.build import SOURCES, missing
from transfab.quant.contract.tops import TOPS

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
needs_ap_int = pytest.mark.skipif(
    missing("width_true") is not None, reason=str(missing("width_true"))
)


class Bench:
    """What mutants share in a process: compiled harnesses and runs, made when first needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.quick = functools.cache(self._quick)
        self.runs = functools.cache(self._runs)

    def _quick(self, build: str, width_true: bool) -> QuickBuild:
        folder = self.folder / f"{build}-{width_true}"
        folder.mkdir()
        return QuickBuild.make(folder, BUILDS[build], width_true)

    def _runs(self, build: str, top: str) -> Path:
        if len(TOPS[top].stages) == 1:
            made = stage_runs(BUILDS[build], top)
        else:
            cases = hard_cases(BUILDS[build]).values()
            made = tuple(layer_run(BUILDS[build], case, top) for case in cases)
        return write(made, self.folder / f"{build}-{top}.json")

    def survives(self, mutant: Mutant, sources: Path, folder: Path, width_true: bool) -> bool:
        quick = self.quick(mutant.build, width_true)
        library = quick.library(sources, mutant.top, folder)
        try:
            done = replay(library, self.runs(mutant.build, mutant.top))
        except subprocess.TimeoutExpired:
            return False
        assert done.returncode in (0, 1) or done.returncode < 0, done.stderr
        return done.returncode == 0


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("mutants"))


def mutant_of(mutant: Mutant, folder: Path) -> Path:
    return changed(folder, [(mutant.file, mutant.old, mutant.new)])


USED = sorted({(one.build, one.top) for one in (*MUTANTS.values(), *WIDTH_MUTANTS.values())})


@pytest.mark.parametrize(("build", "top"), USED)
def test_the_kernels_themselves_survive(bench: Bench, tmp_path: Path, build: str, top: str) -> None:
    assert bench.survives(Mutant("", "", "", top, build), SOURCES, tmp_path, False)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in EVERY_RUN else pytest.mark.slow) for name in MUTANTS],
)
def test_the_mutant_is_killed(bench: Bench, tmp_path: Path, name: str) -> None:
    mutant = MUTANTS[name]
    assert not bench.survives(mutant, mutant_of(mutant, tmp_path), tmp_path, False)


@needs_ap_int
@pytest.mark.parametrize("top", sorted({one.top for one in WIDTH_MUTANTS.values()}))
@pytest.mark.slow
def test_the_kernels_survive_at_their_widths(bench: Bench, tmp_path: Path, top: str) -> None:
    assert bench.survives(Mutant("", "", "", top), SOURCES, tmp_path, True)


@needs_ap_int
@pytest.mark.slow
@pytest.mark.parametrize("name", WIDTH_MUTANTS)
def test_a_width_that_is_too_small_is_killed_by_ap_int_alone(
    bench: Bench, tmp_path: Path, name: str
) -> None:
    mutant = WIDTH_MUTANTS[name]
    sources = mutant_of(mutant, tmp_path)
    assert not bench.survives(mutant, sources, tmp_path, True)
    assert bench.survives(mutant, sources, tmp_path, False)


def test_a_mutant_whose_text_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="0 times"):
        changed(tmp_path, [("kernels/gelu.hpp", "no such text", "")])


def test_a_run_that_differs_by_one_bit_or_one_beat_fails(bench: Bench, tmp_path: Path) -> None:
    run = stage_runs(BUILDS["ragged"], "qkv")[0]
    library = bench.quick("ragged", False).library(SOURCES, "qkv", tmp_path)
    flipped, short = run.expected.copy(), run.expected[:-1]
    flipped[-1, 3] ^= 1
    for wrong in (flipped, short):
        changed_run = type(run)(run.name, run.top, run.sequence, run.inputs, wrong)
        done = replay(library, write([changed_run], tmp_path / "run.json"))
        assert done.returncode == 1 and done.stdout.startswith(run.name)
