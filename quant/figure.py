"""What every bench reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One value; kind is measured, simulated, estimated or assumed."""

    name: str
    value: float
    unit: str
    kind: str = "measured"
