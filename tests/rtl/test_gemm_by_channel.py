from pathlib import Path

import pytest
from benches import SHORT, broken, run

# Ragged in every way; one of everything; a tile of more beats than rows.
SIZES = [(5, 8, 21, 13), (1, 1, 1, 1), (17, 8, 16, 20)]
RAGGED = dict(zip(("Pe", "Simd", "Depth", "Channels"), SIZES[0], strict=True))


@pytest.mark.parametrize("size", SIZES)
def test_sums_of_every_tile(size: tuple[int, int, int, int]) -> None:
    given = dict(zip(("Pe", "Simd", "Depth", "Channels"), size, strict=True))
    run("gemm_by_channel", engine=SHORT, parameters=given)


def test_a_gap_counted_from_the_first_row_loses_sums(tmp_path: Path) -> None:
    old = (
        "if (pass_ends) gap_q <= GapBits'(32'(rows_q) < Turnaround ? Turnaround - 32'(rows_q) : 0);"
    )
    new = "if (issue && starts) gap_q <= GapBits'(Turnaround - 1);"
    folders = broken(tmp_path, "gemm_by_channel", old, new)
    with pytest.raises(AssertionError, match="a_row_that_pauses_loses_no_partial_sum"):
        run("gemm_by_channel", engine=SHORT, parameters=RAGGED, folders=folders)
