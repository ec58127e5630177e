"""Waiting in tests on a machine that stalls: what a stall takes away is not counted."""

import threading
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


class Stalls:
    """What this machine took away meanwhile: to be added to a bound that holds while it runs.

    A thread that sleeps for 10 ms at a time sees how late it is woken. A machine that stands still,
    or has far more to do than it has cores, is late by that for everybody.
    """

    SLEEP_S = 0.01
    LATE_S = 0.05

    def __init__(self) -> None:
        self.total_s = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Stalls":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Look no more; the total stays."""
        self._ended.set()
        self._thread.join(LIMIT_S)

    def _run(self) -> None:
        before_s = time.monotonic()
        while not self._ended.wait(self.SLEEP_S):
            now_s = time.monotonic()
            late_s = now_s - before_s - self.SLEEP_S
            self.total_s += late_s if late_s > self.LATE_S else 0.0
            before_s = now_s
