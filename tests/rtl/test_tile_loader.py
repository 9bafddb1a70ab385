import pytest
from benches import run


@pytest.mark.parametrize(("pe", "simd"), [(5, 8), (1, 1), (9, 16)])
def test_beats_of_a_tile_are_counted(pe: int, simd: int) -> None:
    run("tile_loader", parameters={"Pe": pe, "Simd": simd})
