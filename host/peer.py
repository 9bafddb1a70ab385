"""What a stage boundary between two boards goes through: the host's memory, or neither host.

board A -> host memory -> board B      always possible
board A -> board B                     where both can: cards of one host whose memory PCIe reaches
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

HOST, PEER = "host memory", "peer-to-peer"


@runtime_checkable
class Peer(Protocol):
    """A board that may give its output to the next one by itself."""

    def link(self, to: Any) -> bool:
        """Whether this board's output reaches `to`, a board that reads it; both are loaded."""

    def pass_on(self) -> None:
        """Copy the last output into the linked board, which has nothing under way."""


def boundary(first: Any, second: Any) -> str:
    """HOST or PEER, by asking the boards."""
    able = isinstance(first, Peer) and isinstance(second, Peer) and first.link(second)
    return PEER if able else HOST
