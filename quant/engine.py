"""Engine: the tiles and limits of one kernel build, apart from the integers that it computes.

Any engine of a LayerConfig computes the same bits. What it changes is the order of weights in
the parameter streams, the width of a beat and the longest sequence; its hash travels with kernel
builds and bitstreams, never with bundles.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from transfab.quant.config import LIMITS, LayerConfig

TILE_LIMIT: Final = 256
# A beat holds whole records of 16 bytes.
BEATS: Final = (16, 32, 64)


@dataclass(frozen=True)
class Tile:
    """Weights that a stage holds while rows pass: pe output channels of simd products each.

    pe    int in [1, 256]
    simd  int in [1, 256], a divisor of the engine's beat
    """

    pe: int
    simd: int

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if type(value) is not int or not 1 <= value <= TILE_LIMIT:
                raise ValueError(f"{name} must be an integer in [1, {TILE_LIMIT}], not {value!r}")

    @property
    def bytes(self) -> int:
        return self.pe * self.simd


@dataclass(frozen=True)
class Engine:
    """One kernel build of a LayerConfig.

    qkv, attention, intermediate, output  Tile   of the stage's matrix engine
    beat_bytes                            int    16, 32 or 64: bytes of one stream beat
    sequence                              int    longest sequence, in [1, 512]

    Raises ValueError naming the value, the rule and the way out.
    """

    # BERT-base in 8192 products a cycle: at S = 128 no stage needs more than 119 168 cycles for
    # its products (docs/stage_contract.md).
    qkv: Tile = Tile(30, 64)
    attention: Tile = Tile(32, 32)
    intermediate: Tile = Tile(41, 64)
    output: Tile = Tile(41, 64)
    beat_bytes: int = 64
    sequence: int = LIMITS["sequence"]

    def __post_init__(self) -> None:
        if type(self.beat_bytes) is not int or self.beat_bytes not in BEATS:
            raise ValueError(f"beat_bytes must be one of {BEATS}, not {self.beat_bytes!r}")
        for stage in ("qkv", "attention", "intermediate", "output"):
            tile = getattr(self, stage)
            if not isinstance(tile, Tile):
                raise ValueError(f"{stage} must be a tile with pe and simd, not {tile!r}")
            simd = tile.simd
            if self.beat_bytes % simd:
                raise ValueError(
                    f"simd of {stage} must divide beat_bytes {self.beat_bytes}, not {simd}: "
                    "a beat holds whole groups of operands"
                )
        if type(self.sequence) is not int or not 1 <= self.sequence <= LIMITS["sequence"]:
            raise ValueError(
                f"engine sequence must be an integer in [1, {LIMITS['sequence']}], "
                f"not {self.sequence!r}"
            )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def hash(self) -> str:
        """First 16 hex digits of the sha256 of `as_dict` as canonical JSON."""
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Engine:
        """Rebuild an engine from `as_dict`; ValueError for a missing or unknown field."""
        names = set(cls.__dataclass_fields__)
        if wrong := sorted(names ^ values.keys()):
            raise ValueError(f"engine must have exactly {sorted(names)}, not {wrong[0]}")
        fields: dict[str, Any] = {}
        for name, value in values.items():
            whole = isinstance(value, dict) and value.keys() == {"pe", "simd"}
            fields[name] = Tile(**value) if whole else value
        return cls(**fields)

    def check_sequence(self, length: int) -> None:
        """Raise ValueError when a sequence is longer than this build takes."""
        if not 1 <= length <= self.sequence:
            raise ValueError(
                f"sequence length must be in [1, {self.sequence}], the limit of this kernel "
                f"build, not {length}: build with --sequence {length}"
            )


def build_hash(config: LayerConfig, engine: Engine) -> str:
    """16 hex digits that name a kernel build: those of the config, then those of the engine."""
    return hashlib.sha256(f"{config.hash}:{engine.hash}".encode()).hexdigest()[:16]
