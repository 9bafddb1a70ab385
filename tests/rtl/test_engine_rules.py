"""What an engine must hold is said where it is made, and again where a module is elaborated."""

import pytest
from benches import run

from transfab.quant.engine import Engine, Tile
from transfab.quant.native.build import CompileError


@pytest.mark.parametrize("stage", ["qkv", "attention", "intermediate", "output"])
def test_simd_that_does_not_divide_a_beat_is_refused(stage: str) -> None:
    rule = f"simd of {stage} must divide beat_bytes 16, not 3: a beat holds whole groups"
    tiles = dict.fromkeys(("qkv", "attention", "intermediate", "output"), Tile(2, 4))
    assert Engine(**tiles, beat_bytes=16)
    with pytest.raises(ValueError, match=rule):
        Engine(**(tiles | {stage: Tile(2, 3)}), beat_bytes=16)


def test_an_array_whose_simd_does_not_divide_a_beat_is_not_elaborated() -> None:
    with pytest.raises(CompileError, match=r"simd must divide beat_bytes 16, .*not 3"):
        run("gemm_array", parameters={"Pe": 2, "Simd": 3})


def test_lanes_that_reach_more_banks_than_there_are_are_not_elaborated() -> None:
    given = {"Lanes": 9, "Block": 4, "Banks": 2, "Words": 5}
    with pytest.raises(CompileError, match="banks must be at least 3, not 2"):
        run("lane_scatter", parameters=given)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"beat_bytes": 48}, r"beat_bytes must be one of \(16, 32, 64\), not 48"),
        ({"sequence": 513}, r"engine sequence must be an integer in \[1, 512\], not 513"),
        ({"sequence": 0}, r"engine sequence must be an integer in \[1, 512\], not 0"),
        ({"qkv": 30}, "qkv must be a tile with pe and simd, not 30"),
    ],
)
def test_an_engine_outside_its_limits_is_refused(changes: dict[str, int], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Engine(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("pe", [0, 257])
def test_a_tile_outside_its_limits_is_refused(pe: int) -> None:
    with pytest.raises(ValueError, match=rf"pe must be an integer in \[1, 256\], not {pe}"):
        Tile(pe, 8)
