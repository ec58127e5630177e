"""A trader's segment kept attached by a reader: from its first start on and across its restarts."""

from collections.abc import Callable

from arbitrage.core.segment import Segment
from arbitrage.errors import SegmentError, SegmentGoneError

__all__ = ["HEARTBEAT_LATE_S", "Attached"]

HEARTBEAT_LATE_S = 2.0  # it beats ten times a second


class Attached:
    """Find the segment of the trader of a name, again after each restart.

    Threads: one.

    Parameters
    ----------
    name : str
        Name of the segment.
    attach : callable
        Attaches it read-only by name; raises `SegmentError` when there is none.
    """

    def __init__(self, name: str, attach: Callable[[str], Segment]) -> None:
        self.name = name
        self.why_not = "nobody has looked yet"
        self._attach = attach
        self._view: Segment | None = None
        self._pid = 0  # of the trader that was seen last

    def view(self) -> Segment | None:
        """Return the running trader's segment; None when there is none, and `why_not` says why."""
        try:
            if self._view is None or not self._view.alive:
                self._view = None
                self._view = self._attach(self.name)
        except SegmentGoneError as error:
            ended = f"the trader (pid {self._pid}) has ended"
            self.why_not = ended if self._pid else str(error)
            return None
        except SegmentError as error:
            self.why_not = str(error)
            return None
        self._pid = self._view.pid
        if not self._view.alive:
            self.why_not = f"the trader (pid {self._view.pid}) has ended"
            return None
        self.why_not = ""
        return self._view
