"""Runs of `hard_layers` and of short sequences, with and without stalls, tell broken RTL from ours.

A mutant that survives is a gap in the runs, or no mutant.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from benches import needs_simulator, run
from rtl_mutants import BENCHED, EVERY_RUN, GROUPS, Group
from rtl_mutation import Mutant, broken_by, mutate, mutated_model
from top_runs import attempts, first_difference

from transfab.sim.model import Model


class Bench:
    """Models with the mutants of a group each, built when first needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = functools.cache(self._model)

    def _model(self, name: str) -> Model:
        needs_simulator()
        folder = self.folder / name
        folder.mkdir()
        group = GROUPS[name]
        return mutated_model(group.build, group.top, folder, group.mutants.values())

    def difference(self, name: str, number: int, environment: pytest.MonkeyPatch) -> str | None:
        """What the first run that fails says, with a mutant at work or, with 0, none."""
        environment.setenv("TRANSFAB_MUTANT", str(number))
        model = self.model(name)
        for runs, stall, seed in attempts(GROUPS[name].build, GROUPS[name].top):
            try:
                found = first_difference(model, runs, stall, seed)
            except RuntimeError as err:
                found = str(err)
            if found:
                return found
        return None


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("mutants"))


def marks(name: str) -> list[pytest.MarkDecorator]:
    """One worker a group, which builds its model once."""
    return [pytest.mark.xdist_group(f"rtl {name}"), *[pytest.mark.slow] * (name not in EVERY_RUN)]


def each(groups: dict[str, Group]) -> Any:
    return pytest.mark.parametrize(
        ("group", "mutant"),
        [
            pytest.param(name, mutant, marks=marks(name), id=f"{name}-{mutant}")
            for name, group in groups.items()
            for mutant in group.mutants
        ],
    )


@pytest.mark.parametrize("group", [pytest.param(one, marks=marks(one)) for one in GROUPS])
def test_a_model_with_no_mutant_selected_is_exact(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, group: str
) -> None:
    assert bench.difference(group, 0, monkeypatch) is None


@each(GROUPS)
def test_the_mutant_is_killed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, group: str, mutant: str
) -> None:
    number = 1 + list(GROUPS[group].mutants).index(mutant)
    assert bench.difference(group, number, monkeypatch) is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, one in BENCHED.items() for name in one[2]]
)
def test_the_mutant_is_killed_by_a_bench(tmp_path: Path, module: str, name: str) -> None:
    parameters, build, mutants = BENCHED[module]
    given = {"config": build.config(), "engine": build.engine, "parameters": parameters}
    folders = broken_by(tmp_path, Mutant(*mutants[name]))
    with pytest.raises(AssertionError, match=f"^bench {module} of {module} "):
        run(module, **given, folders=folders)


def test_a_mutant_whose_text_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gelu must hold 'no such text' once, not 0 times"):
        mutate(tmp_path, {1: Mutant("gelu", "no such text", "")})
