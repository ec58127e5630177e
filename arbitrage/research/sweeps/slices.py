"""Runs that wait, by the slice of the data that they read: which of them a worker gets next."""

import statistics
from collections import Counter, deque
from collections.abc import Iterable, Sequence

from arbitrage.research.sweeps.tasks import Task

__all__ = ["Batch", "SliceQueues"]

Batch = tuple[Task, ...]

BATCH_RUNS_MAX = 256
ROUNDS = 2  # a batch is so small that each place gets so many of them: all end at the same time


class SliceQueues:
    """Give out runs in batches over one slice each.

    A worker keeps the slice that it read last, so it gets the same one again while there are runs
    of it. A worker without one gets a slice that nobody reads, where there is one: with more slices
    than workers each is read once. Else it helps with another one's, if that is worth the reading.

    Parameters
    ----------
    tasks : iterable of Task
        In the order of the grid.
    spreads : bool
        Whether workers are kept apart; else slices are given out one after the other, which is
        right where nobody knows who gets a batch.
    """

    def __init__(self, tasks: Iterable[Task], *, spreads: bool = False) -> None:
        self._waiting: dict[str, deque[Task]] = {}
        for task in tasks:
            self._waiting.setdefault(task.slice_key, deque()).append(task)
        self._left = sum(map(len, self._waiting.values()))
        self._spreads = spreads
        self._readers: Counter[str] = Counter()  # batches under way, by slice
        self._free: list[str] = []  # slices of the workers that came free
        self._run_s = self._read_s = 0.0  # of a run and of reading a slice, as last seen; 0: not

    def batch(self, places: int) -> Batch:
        """Return what goes to a worker next; empty: nothing waits that it could help with.

        Parameters
        ----------
        places : int
            How many batches are under way at a time.
        """
        key = self._choose() if self._left else None
        if key is None:
            return ()
        queue = self._waiting[key]
        share = min(BATCH_RUNS_MAX, self._left // (ROUNDS * places))
        found = tuple(queue.popleft() for _ in range(min(len(queue), max(1, share))))
        if not queue:
            del self._waiting[key]
        self._left -= len(found)
        self._readers[key] += 1
        return found

    def alone(self, task: Task) -> Batch:
        """Return a batch of one run that was given out before."""
        self._readers[task.slice_key] += 1
        return (task,)

    def end(self, batch: Batch, took_s: Sequence[float]) -> None:
        """Take back what was not done of a batch; its worker is free.

        Parameters
        ----------
        batch : tuple of Task
            As it was given out.
        took_s : sequence of float
            How long each run took that was done of it, seconds.
        """
        self._learn(took_s)
        self._return(batch, len(took_s))

    def lose(self, batch: Batch) -> None:
        """Let go of a batch that came to nothing; its runs are the caller's."""
        self._return(batch, len(batch))

    def _learn(self, took_s: Sequence[float]) -> None:
        """Compare the first run, which may have read the slice, with those behind it."""
        if len(took_s) > 1:
            self._run_s = statistics.median(took_s[1:])
            if took_s[0] > 2 * self._run_s:
                self._read_s = took_s[0] - self._run_s

    def _return(self, batch: Batch, done: int) -> None:
        key, rest = batch[0].slice_key, batch[done:]
        self._readers[key] -= 1
        self._free.append(key)
        if rest:
            self._waiting.setdefault(key, deque()).extendleft(reversed(rest))
            self._left += len(rest)

    def _choose(self) -> str | None:
        free, self._free = self._free, []
        if not self._spreads:
            return next(iter(self._waiting))
        for place, key in enumerate(free):
            if key in self._waiting:
                self._free = [*free[:place], *free[place + 1 :]]
                return key
        for key in self._waiting:
            if not self._readers[key]:
                return key

        def left_s(key: str) -> float:
            """Return how long those that read it are busy with it."""
            return len(self._waiting[key]) * self._run_s / self._readers[key]

        most = max(self._waiting, key=lambda key: len(self._waiting[key]) / self._readers[key])
        # who reads it only now should have done a run before the others are through
        return most if not self._read_s or left_s(most) > self._read_s + self._run_s else None
