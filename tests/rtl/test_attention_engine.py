import dataclasses

import pytest
from benches import run
from stream_oracle import BUILDS

# Tiles of less than a beat, heads of less than a tile, one of everything.
NAMES = {0: "ragged", 1: "wide", 3: "one"}


@pytest.mark.parametrize("build", NAMES, ids=NAMES.values())
def test_heads_are_attended_and_projected(build: int) -> None:
    one = BUILDS[build]
    run("attention_engine", one.config(), dataclasses.replace(one.engine, sequence=21))
