import pytest
from benches import run

# Wider and narrower, with and without a common divisor, equal, single lanes, a row below a word.
LANES = [(5, 8, 21), (8, 5, 21), (12, 8, 30), (4, 4, 9), (1, 3, 7), (6, 1, 8), (11, 4, 3)]


@pytest.mark.parametrize(("lanes_in", "lanes_out", "total"), LANES)
def test_rows_keep_their_elements(lanes_in: int, lanes_out: int, total: int) -> None:
    given = {"InLanes": lanes_in, "OutLanes": lanes_out, "Width": 9, "Total": total}
    run("gearbox", parameters=given)
