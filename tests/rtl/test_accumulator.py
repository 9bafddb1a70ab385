import pytest
from benches import run

NAMES = "Pe", "SumBits", "Bits", "Words", "Banks", "Shift"
SIZES = [(3, 18, 27, 5, 2, 0), (2, 18, 31, 6, 1, 7), (1, 16, 22, 2, 2, 0)]


@pytest.mark.parametrize("size", SIZES)
def test_sums_are_added(size: tuple[int, ...]) -> None:
    run("accumulator", parameters=dict(zip(NAMES, size, strict=True)))
