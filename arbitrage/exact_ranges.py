"""Where a recording of a detector's decisions is exact: the same rule for recorder and replay.

A replay knows every symbol from the second round of a gapless stretch on (decisions.h). From there
to the stretch's end it finds the trader's events, all of them; what lies before is not exact.
"""

from typing import Any, Protocol

import msgspec

__all__ = ["ExactRange", "ExactRanges", "Replaying"]


class Replaying(Protocol):
    """What is asked of :class:`arbitrage.core.decisions.DecisionReplay`."""

    @property
    def is_exact(self) -> bool: ...
    @property
    def became_exact(self) -> int: ...
    @property
    def exact_from(self) -> tuple[int, int]: ...
    @property
    def latest_mono_ns(self) -> int: ...
    def run(self, decisions: bytes, first: int = 0) -> int: ...
    def lose(self) -> None: ...
    def take_events(self) -> Any: ...


class ExactRange(msgspec.Struct):
    """Records [from_record, to_record) make the events [from_event, to_event).

    Numbers count from the trader's start; times are its monotonic clock.
    """

    from_record: int
    to_record: int
    from_event: int
    to_event: int
    from_mono_ns: int
    to_mono_ns: int


class ExactRanges:
    """Replay blocks of decisions and keep where that is exact.

    Parameters
    ----------
    replay : DecisionReplay
        Fresh.

    Attributes
    ----------
    ranges : list of ExactRange
        In order; the last one grows.
    """

    def __init__(self, replay: Replaying) -> None:
        self.replay = replay
        self.ranges: list[ExactRange] = []
        self._open: ExactRange | None = None
        self._next = -1

    def feed(self, first: int, decisions: bytes, record_bytes: int) -> list[tuple[int, Any]]:
        """Take records, `first` the number of the first; return the exact events with numbers."""
        replay, found, done = self.replay, [], 0
        count = len(decisions) // record_bytes
        if count == 0:
            return []
        if first != self._next:
            replay.lose()
            self._open = None
        self._next = first + count
        while done < count:
            times = replay.became_exact
            done += replay.run(decisions, done)
            events = replay.take_events()
            if self._open is not None:
                if len(events):
                    found.append((self._open.to_event, events))
                self._open.to_event += len(events)
                self._open.to_record = first + done
                self._open.to_mono_ns = max(self._open.to_mono_ns, replay.latest_mono_ns)
            if not replay.is_exact:
                self._open = None
            elif replay.became_exact != times:
                event, mono_ns = replay.exact_from
                at = first + done
                self._open = ExactRange(at, at, event, event, mono_ns, mono_ns)
                self.ranges.append(self._open)
        return found
