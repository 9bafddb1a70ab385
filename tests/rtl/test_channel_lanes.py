import pytest
from benches import SHORT, run

NAMES = "Pe", "Channels", "Block", "Activation"


# Tiles of less than a part, of several heads, of one channel; with GELU.
@pytest.mark.parametrize("size", [(5, 24, 4, 0), (17, 30, 2, 0), (1, 3, 1, 0), (3, 8, 16, 1)])
def test_sums_become_int8(size: tuple[int, ...]) -> None:
    run("channel_lanes", engine=SHORT, parameters=dict(zip(NAMES, size, strict=True)))
