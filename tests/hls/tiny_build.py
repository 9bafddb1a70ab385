"""The build of the tiny bundles, what a program answered, and where a bundle has one wrong bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stream_oracle import BUILDS

from transfab.quant.bundle import read_bundle

# Its config is that of the tiny bundles.
TINY = 4
CONFIG, ENGINE = BUILDS[TINY].config(), BUILDS[TINY].engine


@dataclass(frozen=True)
class Outcome:
    """Exit code, stdout, and stderr without progress."""

    code: int
    out: str
    err: list[str]

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Outcome]
Flipped = Callable[[str, str, tuple[int, ...]], Path]


def values(bundle: Path, stage: str, tensor: str, index: tuple[int, ...]) -> tuple[int, int]:
    """What the flipped bundle records there, and what is right."""
    recorded = int(read_bundle(bundle).tensors(f"layer01.{stage}.safetensors")[tensor][index])
    return recorded, recorded ^ 1


FLIPS = pytest.mark.parametrize(
    ("stage", "tensor", "index"),
    [
        ("qkv", "key", (1, 4, 15)),
        ("attention", "attention_output", (0, 0, 0)),
        ("intermediate", "intermediate", (1, 2, 31)),
        ("output", "output", (1, 4, 15)),
    ],
)
