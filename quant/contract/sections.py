"""Section and Block: what a parameter packet is made of.

A packet is a list of blocks, a block some sections that follow one another as often as the block
repeats. Packing, unpacking, sizes and generated constants all walk the lists of `layout.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from transfab.quant.contract.beats import ceil_divide
from transfab.quant.engine import Tile

# 16 bytes; a section's leaves say what its fields hold.
RECORD: Final = np.dtype([("first", "<i4"), ("second", "<i4"), ("offset", "<i8")])
DTYPES: Final[dict[str, np.dtype[np.generic]]] = {
    "scalars": np.dtype("<i4"),
    "multipliers": np.dtype("<i4"),
    "table": np.dtype("<i2"),
    **dict.fromkeys(("requantize", "channel", "residual", "norm"), RECORD),
    **dict.fromkeys(("tiles by channel", "tiles by depth"), np.dtype("i1")),
}


@dataclass(frozen=True)
class Section:
    """Elements of one kind in runs, each run padded to whole beats.

    name      str            unique in its packet
    kind      str            one of DTYPES; a tile is a run
    leaves    tuple of str   what it holds, by the names of `elements.arranged`: one an element
                             for scalars, one a field for records ("" is zero), else one
    shape     tuple of int   of a leaf, groups (heads, or 1) first; () for scalars
    elements  int            of a run, the zeros beyond a ragged matrix among them
    runs      int            in each repetition of its block
    tile      Tile or None   of tiles
    """

    name: str
    kind: str
    leaves: tuple[str, ...]
    shape: tuple[int, ...]
    elements: int
    runs: int = 1
    tile: Tile | None = None

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return DTYPES[self.kind]

    def beats(self, beat_bytes: int) -> int:
        """Beats of the section in one repetition of its block."""
        return self.runs * ceil_divide(self.elements * self.dtype.itemsize, beat_bytes)


@dataclass(frozen=True)
class Block:
    """Sections that follow one another, `repeat` times."""

    repeat: int
    sections: tuple[Section, ...]

    def beats(self, beat_bytes: int) -> int:
        """Beats of all repetitions."""
        return self.repeat * sum(section.beats(beat_bytes) for section in self.sections)
