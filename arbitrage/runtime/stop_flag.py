"""The wish to stop, raised by a signal handler and waited for by the thread it interrupts."""

import queue
from contextlib import suppress

__all__ = ["StopFlag"]


class StopFlag:
    """Raised by a signal handler, waited for by the same thread.

    A `threading.Event` would not do: its `set` takes the lock that the interrupted `wait` may hold.
    A `SimpleQueue` may be put to from a signal handler at any moment.
    """

    def __init__(self) -> None:
        self._asked = False
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        """Ask for a stop."""
        self._asked = True
        self._bell.put(None)

    def nudge(self) -> None:
        """End the present `wait` early, without asking for a stop."""
        self._bell.put(None)

    def is_set(self) -> bool:
        """Whether a stop was asked for."""
        return self._asked

    def wait(self, timeout_s: float) -> bool:
        """Sleep until a stop is asked for, a nudge or the time is up; return whether to stop."""
        if not self._asked:
            with suppress(queue.Empty):
                self._bell.get(timeout=timeout_s)
        return self._asked
