import dataclasses

import pytest
from benches import run
from stream_oracle import BUILDS


@pytest.mark.parametrize("build", [0, 1, 3], ids=["ragged", "wide", "one"])
def test_exponentials_are_read_as_written(build: int) -> None:
    one = BUILDS[build]
    run("exponential_rows", one.config(), dataclasses.replace(one.engine, sequence=21))
