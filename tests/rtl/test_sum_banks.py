import dataclasses

import pytest
from benches import SHORT, run


@pytest.mark.parametrize(("tiles", "rows"), [(3, 13), (1, 2), (2, 1)])
def test_sequences_share_two_banks(tiles: int, rows: int) -> None:
    engine = dataclasses.replace(SHORT, sequence=rows)
    run("sum_banks", engine=engine, parameters={"Pe": 3, "Tiles": tiles, "SumBits": 27})
