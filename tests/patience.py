"""Waiting in tests on a machine that stalls: what a stall takes away is not counted."""

import time

LIMIT_S = 60.0
TURN_S = 0.25  # the most that one look may cost: what is longer was no work of ours


class Patience:
    """A limit in time during which this process ran, for loops that look again and again.

    A stopped machine stops both sides of a test. When it goes on, the clock has passed every
    deadline although nothing has had its turn yet, so each look counts for `TURN_S` at most.
    """

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self.limit_s = self._left_s = limit_s
        self._looked_s = time.monotonic()

    def is_over(self) -> bool:
        """Say whether the time is up; to be asked after each look that failed."""
        now_s = time.monotonic()
        self._left_s -= min(now_s - self._looked_s, TURN_S)
        self._looked_s = now_s
        return self._left_s < 0
