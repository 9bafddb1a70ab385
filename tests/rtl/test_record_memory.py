import pytest
from benches import run
from stream_oracle import BUILDS


@pytest.mark.parametrize(
    ("build", "lanes", "words"), [(0, 5, 3), (2, 9, 2), (2, 1, 1)], ids=["1", "4", "less"]
)
def test_records_are_read_as_written(build: int, lanes: int, words: int) -> None:
    one = BUILDS[build]
    run("record_memory", one.config(), one.engine, parameters={"Lanes": lanes, "Words": words})
