import pytest
from benches import run
from stream_oracle import BUILDS

NAMES = "Pe", "Tiles", "Sections", "Scalars", "Entries"


# Records of one and of several a beat; no table, one that ends within a beat.
@pytest.mark.parametrize(
    ("build", "size"), [(0, (3, 3, 2, 7, 0)), (2, (6, 2, 1, 4, 45)), (1, (1, 1, 2, 9, 16))]
)
def test_constants_of_tiles(build: int, size: tuple[int, ...]) -> None:
    one = BUILDS[build]
    given = dict(zip(NAMES, size, strict=True))
    run("tile_records", one.config(), one.engine, parameters=given)
