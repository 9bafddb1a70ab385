"""Time for a driver under test, so that no test depends on how busy a machine is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any


class Clock:
    """Time for a driver: it stands while a kernel is at work; at rest each look takes 10 ms.

    So nothing is late because a machine is busy, and nothing waits for what cannot come.

    fabrics  gives the fabrics that the driver has to do with
    """

    STEP = 0.01

    def __init__(self, fabrics: Callable[[], Sequence[Any]]) -> None:
        self.looks, self._now, self._fabrics = 0, 0.0, fabrics
        self._looked = threading.Condition()

    def monotonic(self) -> float:
        with self._looked:
            self.looks += 1
            self._looked.notify_all()
        if not any(self._at_work(one) for one in self._fabrics()):
            self._now += self.STEP
        return self._now

    def wait_for_looks(self, count: int) -> None:
        """Until the driver has looked so many times more; 30 s at most."""
        with self._looked:
            until = self.looks + count
            self._looked.wait_for(lambda: self.looks >= until, 30)

    @staticmethod
    def _at_work(fabric: Any) -> bool:
        with fabric._lock:
            return bool(fabric.kernel.at_work)
