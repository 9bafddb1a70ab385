import pytest
from benches import run
from stream_oracle import BUILDS


@pytest.mark.parametrize("build", [0, 2, 3])
def test_softmax_of_whole_heads(build: int) -> None:
    one = BUILDS[build]
    run("softmax", one.config(), one.engine)
