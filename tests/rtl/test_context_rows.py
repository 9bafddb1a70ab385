import dataclasses

import pytest
from benches import run
from stream_oracle import BUILDS


@pytest.mark.parametrize("build", [0, 1, 3], ids=["ragged", "wide", "one"])
def test_contexts_become_int8(build: int) -> None:
    one = BUILDS[build]
    run("context_rows", one.config(), dataclasses.replace(one.engine, sequence=21))
