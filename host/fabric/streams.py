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

    def read(self, beats: int) -> Beats:
        """The next beats, wherever packets end: TLAST of an input is not read by a kernel."""
        found: list[Beats] = []
        for part in self._parts:
            found.append(part[:beats])
            beats -= len(found[-1])
            if not beats:
                break
        return found[0] if len(found) == 1 else np.concatenate(found)

    def drop(self, beats: int) -> None:
        """They have been read."""
        while beats:
            part = self._parts.popleft()
            if len(part) > beats:
                self._parts.appendleft(part[beats:])
            beats -= min(beats, len(part))

    def packet(self) -> Beats | None:
        """The next whole packet, None if there is none."""
        return self._parts.popleft() if self._parts else None
