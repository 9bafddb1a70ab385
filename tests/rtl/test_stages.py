"""The RTL of every stage and board computes the hard layers exactly, whatever pauses."""

from __future__ import annotations

import functools

import pytest
from benches import needs_simulator
from hard_layers import BUILDS
from top_runs import attempts, first_difference

from transfab.quant.contract.tops import TOPS
from transfab.sim.model import Model

STAGES = [top for top in TOPS if len(TOPS[top].stages) == 1]
EVERY_RUN = {("ragged", stage) for stage in STAGES}


@functools.cache
def model(name: str, top: str) -> Model:
    needs_simulator()
    return Model(BUILDS[name].config(), BUILDS[name].engine, top)


@pytest.mark.parametrize(
    ("name", "top"),
    [
        pytest.param(*(one, top), marks=() if (one, top) in EVERY_RUN else pytest.mark.slow)
        for one in BUILDS
        for top in TOPS
    ],
)
def test_every_byte_is_exact(name: str, top: str) -> None:
    """One after the other in one run, so that each finds what the last one left."""
    found = [
        first_difference(model(name, top), runs, stall, seed)
        for runs, stall, seed in attempts(BUILDS[name], top)
    ]
    assert found == [None] * len(found)
    assert len(found) > 6
