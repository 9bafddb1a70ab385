import dataclasses

import pytest
from benches import run
from stream_oracle import BUILDS


@pytest.mark.parametrize("build", [0, 1, 3], ids=["ragged", "wide", "one"])
def test_scores_of_a_head_leave_row_by_row(build: int) -> None:
    one = BUILDS[build]
    run("score_rows", one.config(), dataclasses.replace(one.engine, sequence=21))
