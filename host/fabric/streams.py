"""A stream of an emulated board: beats that wait for who takes them, and where packets end."""

from __future__ import annotations

from collections import deque

import numpy as np

from transfab.quant.contract.beats import Beats


class Stream:
    """Packets of beats, oldest first."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._parts: deque[Beats] = deque()

    @property
    def beats(self) -> int:
        """How many wait."""
        return sum(map(len, self._parts))

    def send(self, packet: Beats) -> None:
        self._parts.append(packet)

    def take(self, beats: int) -> Beats:
        """The next beats, wherever packets end: TLAST of an input is not read by a kernel."""
        taken: list[Beats] = []
        while beats:
            part = self._parts.popleft()
            if len(part) > beats:
                self._parts.appendleft(part[beats:])
                part = part[:beats]
            taken.append(part)
            beats -= len(part)
        return taken[0] if len(taken) == 1 else np.concatenate(taken)

    def packet(self) -> Beats | None:
        """The next whole packet, None if there is none."""
        return self._parts.popleft() if self._parts else None
