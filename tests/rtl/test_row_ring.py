import pytest
from benches import run


@pytest.mark.parametrize(("rows", "beats"), [(5, 3), (8, 1), (1, 2), (1, 1)])
def test_a_ring_keeps_its_rows(rows: int, beats: int) -> None:
    run("row_ring", parameters={"Rows": rows, "RowBeats": beats})
