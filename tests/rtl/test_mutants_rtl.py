"""Runs of `hard_layers` and of short sequences, with and without stalls, tell broken RTL from ours.

A mutant that survives is a gap in the runs of `test_stages`, or no mutant.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from benches import needs_simulator
from mutated import Mutant, mutate
from rtl_mutants import EVERY_RUN, GROUPS
from top_runs import attempts, first_difference

from transfab.sim.model import Model

from mutated import mutated_model  # isort: skip


class Bench:
    """Models with the mutants of a group each, built when first needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = functools.cache(self._model)

    def _model(self, group: str) -> Model:
        needs_simulator()
        folder = self.folder / group
        folder.mkdir()
        top, build, mutants = GROUPS[group]
        return mutated_model(build, top, folder, mutants.values())

    def differs(self, group: str, number: int, environment: pytest.MonkeyPatch) -> str | None:
        """What the first run that fails says, with a mutant at work or, with 0, none."""
        environment.setenv("TRANSFAB_MUTANT", str(number))
        model = self.model(group)
        for runs, stall, seed in attempts(GROUPS[group].build, GROUPS[group].top):
            try:
                found = first_difference(model, runs, stall, seed)
            except RuntimeError as err:
                found = str(err)
            if found:
                return found
        return None
