import dataclasses

import pytest
from benches import run
from stream_oracle import BUILDS


@pytest.mark.parametrize("build", [0, 2])
def test_heads_are_split(build: int) -> None:
    one = BUILDS[build]
    run("head_split", one.config(), dataclasses.replace(one.engine, sequence=13))
