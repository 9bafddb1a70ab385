import pytest
from benches import run
from stream_oracle import BUILDS


@pytest.mark.parametrize("build", range(4))
def test_rows_become_int8_beats(build: int) -> None:
    one = BUILDS[build]
    run("narrow", one.config(), one.engine, parameters={"Scalars": 4})
