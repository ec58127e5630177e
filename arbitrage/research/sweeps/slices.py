"""Runs that wait, by the slice of the data that they read: which of them a worker gets next."""

from collections import Counter, deque
from collections.abc import Iterable

from arbitrage.research.sweeps.tasks import Task

__all__ = ["Batch", "SliceQueues"]

Batch = tuple[Task, ...]

BATCH_RUNS_MAX = 256
ROUNDS = 2  # a batch is so small that each place gets so many of them: all end at the same time


class SliceQueues:
    """Give out runs in batches over one slice each.

    A worker keeps the slice that it read last, so it gets the same one again while there are runs
    of it. A worker without one gets a slice that nobody reads, where there is one: with more slices
    than workers each is read once.

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

    def batch(self, places: int) -> Batch:
        """Return what goes to a worker next; empty: nothing waits.

        Parameters
        ----------
        places : int
            How many batches are under way at a time.
        """
        if not self._left:
            return ()
        key = self._choose()
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

    def end(self, batch: Batch, *, done: int) -> None:
        """Take back what was not done of a batch; its worker is free."""
        key, rest = batch[0].slice_key, batch[done:]
        self._readers[key] -= 1
        self._free.append(key)
        if rest:
            self._waiting.setdefault(key, deque()).extendleft(reversed(rest))
            self._left += len(rest)

    def _choose(self) -> str:
        free, self._free = self._free, []
        if not self._spreads:
            return next(iter(self._waiting))
        for place, key in enumerate(free):
            if key in self._waiting:
                self._free = [*free[:place], *free[place + 1 :]]
                return key
        fresh = (key for key in self._waiting if not self._readers[key])
        # else the one with most left to do per worker that reads it
        return next(fresh, None) or max(
            self._waiting, key=lambda key: len(self._waiting[key]) / self._readers[key]
        )
