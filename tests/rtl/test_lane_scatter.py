import pytest
from benches import run

NAMES = "Lanes", "Block", "Banks", "Words"


@pytest.mark.parametrize("size", [(5, 4, 3, 4), (3, 8, 2, 3), (1, 1, 2, 2), (9, 2, 6, 2)])
def test_bytes_find_their_blocks(size: tuple[int, ...]) -> None:
    run("lane_scatter", parameters=dict(zip(NAMES, size, strict=True)))
