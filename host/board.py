"""What every board offers, whatever reaches it: weights in once, packets in, a packet out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats
from transfab.quant.engine import Engine


class BoardError(RuntimeError):
    """A board did not do what it was told to; the text says which, what, and the way out."""


@dataclass(frozen=True)
class Design:
    """What a board is to be: one top of one kernel build."""

    top: str
    config: LayerConfig
    engine: Engine


class Board(Protocol):
    """A board with one kernel; one sequence at a time is under way.

    | call | takes | gives |
    |---|---|---|
    | load | bitstream file, its design | the board runs it; BoardError for another build |
    | configure | `*_parameters` packets | weights in the board's memory, once for all sequences |
    | submit | S, packets of `Top.activations` | the sequence is under way |
    | wait | seconds | the packet `Top.output`; BoardError when it does not come |
    | counters | | what was counted since `load`: transfers and bytes each way, weights loaded |
    | close | | memory and board are free again, whatever happened |

    Packets are (beats, W) uint8 as docs/stage_contract.md says.
    """

    name: str

    def load(self, bitstream: Path, design: Design) -> None: ...

    def configure(self, parameters: Mapping[str, Beats]) -> None: ...

    def submit(self, sequence: int, packets: Mapping[str, Beats]) -> None: ...

    def wait(self, seconds: float) -> Beats: ...

    def counters(self) -> Mapping[str, int]: ...

    def close(self) -> None: ...
