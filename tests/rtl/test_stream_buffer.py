import pytest
from benches import run


@pytest.mark.parametrize(("width", "depth"), [(24, 5), (130, 1), (1, 8)])
def test_a_deep_queue_keeps_what_enters(width: int, depth: int) -> None:
    run("stream_buffer", parameters={"Width": width, "Depth": depth})
