from pathlib import Path

import pytest
from benches import run

from transfab.rtl.sources import SOURCES

NAMES = "First", "Body", "Repeat", "Steps"


# Sections before and after those that repeat, an empty one among them, none beside them.
@pytest.mark.parametrize("steps", [(2, 2, 3, 6), (0, 3, 2, 4), (3, 3, 2, 6), (0, 1, 1, 6)])
def test_sections_find_their_outputs(steps: tuple[int, ...]) -> None:
    given = dict(zip(NAMES, steps, strict=True))
    folders = Path(__file__).parent, SOURCES
    run("distribute_steps", bench="distribute", parameters=given, folders=folders)
