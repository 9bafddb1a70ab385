import pytest
from benches import run
from stream_oracle import BUILDS


@pytest.mark.parametrize("build", [0, 1, 3])
def test_a_mask_is_forked(build: int) -> None:
    run("mask_fork", BUILDS[build].config(), BUILDS[build].engine)
