import dataclasses

import pytest
from benches import run
from stream_oracle import BUILDS, Build

ATTENTION = {"Scalars": 7, "FirstScalar": 4}
OUTPUT = {"Scalars": 5, "FirstScalar": 2}


@pytest.mark.parametrize("build", [BUILDS[0], BUILDS[2], BUILDS[3]], ids=["ragged", "wide", "one"])
def test_layernorm_is_exact(build: Build) -> None:
    run("layernorm", build.config(), build.engine, parameters=ATTENTION)


def test_layernorm_of_rows_longer_than_a_root() -> None:
    # 25 words a row: a word a cycle, beside the root of 17 cycles.
    shape = dataclasses.replace(BUILDS[0].shape, hidden=198)
    build = dataclasses.replace(BUILDS[0], shape=shape)
    run("layernorm", build.config(), build.engine, parameters=OUTPUT)
