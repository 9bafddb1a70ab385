import pytest
from benches import run


@pytest.mark.parametrize(("width", "depth"), [(24, 3), (500, 1), (1, 4)])
def test_a_queue_keeps_what_enters(width: int, depth: int) -> None:
    run("stream_fifo", parameters={"Width": width, "Depth": depth})
