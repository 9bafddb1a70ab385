import pytest
from benches import run
from stream_oracle import BUILDS, Build

ATTENTION = {"Scalars": 7, "ResidualScalars": 2}
OUTPUT = {"Scalars": 5, "ResidualScalars": 0}


@pytest.mark.parametrize("build", [BUILDS[0], BUILDS[2], BUILDS[3]], ids=["ragged", "wide", "one"])
def test_residual_sums_exactly(build: Build) -> None:
    run("residual", build.config(), build.engine, parameters=ATTENTION)


def test_residual_of_stage_4_reads_its_scalars() -> None:
    run("residual", BUILDS[0].config(), BUILDS[0].engine, parameters=OUTPUT)
