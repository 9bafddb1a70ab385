import dataclasses

import pytest
from benches import run
from stream_oracle import BUILDS


@pytest.mark.parametrize("build", [0, 1, 3], ids=["ragged", "wide", "one"])
def test_tiles_of_every_job(build: int) -> None:
    one = BUILDS[build]
    run("attention_loader", one.config(), dataclasses.replace(one.engine, sequence=21))
