from pathlib import Path

import pytest
from benches import SHORT, broken, run

NAMES = "Pe", "Simd", "Channels", "Block", "Blocks", "LastBlock"
# Ragged in every way; one of everything; a block a beat, its last channel alone.
SIZES = [(5, 8, 13, 22, 3, 9), (1, 1, 1, 1, 1, 1), (17, 16, 20, 16, 4, 1)]


@pytest.mark.parametrize("size", SIZES)
def test_sums_over_every_block(size: tuple[int, ...]) -> None:
    run("gemm_by_depth", engine=SHORT, parameters=dict(zip(NAMES, size, strict=True)))


def test_a_gap_counted_from_the_first_row_loses_sums(tmp_path: Path) -> None:
    old = (
        "if (pass_ends) gap_q <= GapBits'(32'(rows_q) < Turnaround ? Turnaround - 32'(rows_q) : 0);"
    )
    new = "if (issue && starts) gap_q <= GapBits'(Turnaround - 1);"
    folders = broken(tmp_path, "gemm_by_depth", old, new)
    # One tile of channels: a row meets its own sum in the very next pass.
    given = dict(zip(NAMES, (13, 8, 13, 22, 3, 9), strict=True))
    with pytest.raises(AssertionError, match="a_row_that_pauses_loses_no_partial_sum"):
        run("gemm_by_depth", engine=SHORT, parameters=given, folders=folders)
