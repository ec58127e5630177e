"""What is read of a trader and not yet in Redis, stream by stream, and the count of all of it."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from arbitrage.cold.events import STREAMS, Entry

__all__ = ["CAUSES", "Backlog"]

CAUSES = ("lapped", "dropped", "by_redis")
JOURNAL_ROOM = 2_000  # what waits beyond it waits in the journal's files
# Of few entries first: a flood of opportunities holds nothing else up.
ORDER = ("incidents", "pairs", "orders", "fills", "opportunities")


class Backlog:
    """Entries on their way, and what became of those before them.

    Parameters
    ----------
    entries_max : int
        Of each stream that are kept; the oldest go, and are counted, beyond it.

    Attributes
    ----------
    flying : list of Entry
        Sent, or about to be; unknown until Redis has answered.
    reconnects : int
        How often writing went on after Redis had been away or had refused.
    done : dict
        How far each stream has come, with all that is published.
    """

    def __init__(self, entries_max: int) -> None:
        self.flying: list[Entry] = []
        self.reconnects = 0
        self.done: dict[str, Any] = {}
        self._entries_max = entries_max
        self._waiting: dict[str, deque[Entry]] = {stream: deque() for stream in STREAMS}
        self._published = dict.fromkeys(STREAMS, 0)
        self._lost = {cause: dict.fromkeys(STREAMS, 0) for cause in CAUSES}

    @property
    def waiting(self) -> int:
        """Entries that are read and not known to be published."""
        return sum(map(len, self._waiting.values())) + len(self.flying)

    def room(self) -> dict[str, int]:
        """Return how many entries of each stream may come that need not come yet."""
        most = min(JOURNAL_ROOM, self._entries_max)
        return {stream: most - len(queue) for stream, queue in self._waiting.items()}

    def add(self, entries: Iterable[Entry]) -> None:
        """Take entries, and drop the oldest of a stream that has too many."""
        for entry in entries:
            queue = self._waiting[entry.stream]
            queue.append(entry)
            if len(queue) > self._entries_max:
                queue.popleft()
                self._lost["dropped"][entry.stream] += 1

    def lapse(self, stream: str, count: int) -> None:
        """Count what was gone before it could be read."""
        self._lost["lapped"][stream] += count

    # ---- to Redis --------------------------------------------------------------------------------

    def load(self, batch_max: int) -> None:
        """Fill up what is about to be sent."""
        for stream in ORDER:
            # the last one, of which there are most, gets half a batch whatever waits before it
            most = batch_max if stream == ORDER[-1] else batch_max // 2
            queue = self._waiting[stream]
            while queue and len(self.flying) < most:
                self.flying.append(queue.popleft())

    def marks(self) -> dict[str, Any]:
        """Return how far each stream has come once what flies has arrived."""
        done = dict(self.done)
        for entry in self.flying:
            entry.mark(done)
        return done

    def land(self) -> None:
        """What flew has arrived."""
        self.done = self.marks()
        for entry in self.flying:
            self._published[entry.stream] += 1
        self.flying = []

    def agree(self, held: Mapping[str, str]) -> bool:
        """Learn from the counts in Redis what became of what flew, and of what was there before.

        Returns
        -------
        bool
            Whether Redis has forgotten a part of it.
        """
        told = {stream: _number(held, f"{stream}_published") for stream in STREAMS}
        if self.flying and sum(told.values()) == sum(self._published.values()) + len(self.flying):
            self.land()
            return False
        has_forgotten = False
        for stream, count in told.items():
            if count < self._published[stream]:
                self._lost["by_redis"][stream] += self._published[stream] - count
                self._published[stream] = count
                has_forgotten = True
        return has_forgotten

    # ---- counts ----------------------------------------------------------------------------------

    def restore(self, held: Mapping[str, str]) -> None:
        """Go on counting where an earlier mirror ended."""
        self.reconnects = _number(held, "reconnects")
        for stream in STREAMS:
            self._published[stream] = _number(held, f"{stream}_published")
            for cause, lost in self._lost.items():
                lost[stream] += _number(held, f"{stream}_lost_{cause}")

    def counters(self, *, with_flying: bool = False) -> dict[str, int]:
        """Return the counts as in the mirror's hash.

        Parameters
        ----------
        with_flying : bool
            As they are once what flies has arrived.
        """
        published = dict(self._published)
        if with_flying:
            for entry in self.flying:
                published[entry.stream] += 1
        lost = {cause: sum(counts.values()) for cause, counts in self._lost.items()}
        found = {
            "published": sum(published.values()),
            "lost": sum(lost.values()),
            "reconnects": self.reconnects,
            **{f"lost_{cause}": count for cause, count in lost.items()},
        }
        for stream in STREAMS:
            found[f"{stream}_published"] = published[stream]
            found[f"{stream}_lost"] = sum(counts[stream] for counts in self._lost.values())
            for cause, counts in self._lost.items():
                found[f"{stream}_lost_{cause}"] = counts[stream]
        return found


def _number(held: Mapping[str, str], name: str) -> int:
    """Return a count as Redis holds it; 0 where somebody has written something else."""
    text = held.get(name, "0")
    return int(text) if text.isdigit() else 0
