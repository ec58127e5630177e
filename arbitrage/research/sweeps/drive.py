"""Driving runs over an executor: results as they finish, whatever becomes of the workers.

Runs are handed over in batches over one slice of the data, which a worker reads once. Only so many
batches are handed over at a time, so that few runs have to be asked for again when a worker dies.
The workers of this machine are replaced one by one (`pool`); another process pool that lost a
worker is broken as a whole, and replaced where the caller gave a function that makes one. The runs
that were under way are done again, one by one. Which one killed the worker is not told, so a run
that was there twice is done alone the next time: when that ends its worker too, it is the one, and
it gets a row that says so.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future
from concurrent.futures import wait as wait_for
from typing import Any

from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.research.sweeps.slices import Batch, SliceQueues
from arbitrage.research.sweeps.tasks import Task
from arbitrage.research.sweeps.worker import FAILED, REFUSED, Row, run_batch, run_task
from arbitrage.wording import counted

__all__ = ["Drive"]

log = logging.getLogger(__name__)

WAIT_S = 0.5  # the caller is called back at least so often
DEATHS_MAX = 2  # of its worker under a run, then it is done alone
FRUITLESS_MAX = 3  # broken pools before a single run was done

Lost = list[tuple[Task, BaseException]]


class Drive:
    """Runs over one executor after the other.

    Parameters
    ----------
    make : callable
        Returns an executor; called again when one is broken.
    can_replace : bool
        Whether it may be called again: a caller's own executor cannot be replaced.
    window : int
        Batches handed over at a time.
    is_ours : bool
        Whether the executor sends a slice to the worker that has read it, and replaces a worker
        that died by itself; then each worker has a slice to itself while there are enough.
    idle : callable
        Called while nothing has finished for a moment.
    run : callable
        What a worker does; found there by its name.
    """

    def __init__(
        self,
        make: Callable[[], Executor],
        *,
        can_replace: bool,
        window: int,
        is_ours: bool = False,
        idle: Callable[[], None] = lambda: None,
        run: Callable[[Task], Row] = run_task,
    ) -> None:
        self._run = run
        self._make = make
        self._can_replace = can_replace
        self._window = window
        self._is_ours = is_ours
        self._idle = idle
        self._executor = make()
        self._queues = SliceQueues(())
        self._again: deque[Task] = deque()  # their worker died under them once
        self._suspects: deque[Task] = deque()
        self._under_way: dict[Future[list[Row]], Batch] = {}
        self._deaths: Counter[str] = Counter()
        self._breaks = 0
        self._done = 0

    def rows(self, tasks: Iterable[Task]) -> Generator[Row, None, None]:
        """Yield each run's row as it finishes; what is under way is given up when this is closed.

        Raises
        ------
        ArbitrageError
            The executor is gone for good, or its workers run another version.
        """
        self._queues = SliceQueues(tasks, spreads=self._is_ours)
        try:
            while self._fill():
                finished, _ = wait_for(self._under_way, WAIT_S, FIRST_COMPLETED)
                if not finished:
                    self._idle()
                    continue
                rows, lost = self._taken(finished)
                if not lost:
                    self._fill()  # a worker does not wait for what is done with the rows
                yield from rows
                if lost:
                    yield from self._recover(lost)
        finally:
            for future in self._under_way:
                future.cancel()

    def end(self) -> None:
        """Let the executor go, without waiting for what it still does."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _taken(self, finished: Iterable[Future[list[Row]]]) -> tuple[list[Row], Lost]:
        """Take batches that came back; return their rows, and the runs that came to none."""
        rows: list[Row] = []
        lost: Lost = []
        for future in finished:
            batch = self._under_way.pop(future)
            error = future.exception() if not future.cancelled() else CancelledError()
            if error is not None:
                self._queues.lose(batch)
                lost += [(task, error) for task in batch]
                continue
            found = future.result()
            self._queues.end(batch, [row.get("wall_s", 0.0) for row in found])
            rows += map(self._checked, found)
        return rows, lost

    def _checked(self, row: Row) -> Row:
        if row["status"] == REFUSED:
            raise ConfigError(
                f"worker {row['error']} than this process; install the same one there"
            )
        self._done += 1
        return row

    # ---- handing over ----------------------------------------------------------------------------

    def _fill(self) -> bool:
        """Hand over what there is room for; whether anything is under way."""
        while len(self._under_way) < self._window:
            batch = self._next()
            if not batch:
                break
            try:
                self._under_way[self._executor.submit(run_batch, batch, self._run)] = batch
            except (BrokenExecutor, RuntimeError) as error:
                self._queues.lose(batch)
                self._again.extendleft(reversed(batch))
                if not self._under_way:
                    self._replace(error)
                else:
                    break  # those under way tell of it
        return bool(self._under_way)

    def _next(self) -> Batch:
        if self._suspects:
            return () if self._under_way else self._queues.alone(self._suspects.popleft())
        under_way = (task for batch in self._under_way.values() for task in batch)
        if self._deaths and any(self._deaths[task.key] >= DEATHS_MAX for task in under_way):
            return ()  # it is alone
        if self._again:
            return self._queues.alone(self._again.popleft())
        return self._queues.batch(self._window)

    # ---- what can go wrong -----------------------------------------------------------------------

    def _recover(self, lost: Lost) -> Iterator[Row]:
        """Sort out runs that came to no result of their own."""
        for _, error in lost:
            if not _is_death(error):
                raise ArbitrageError(
                    f"the workers cannot do a run: {type(error).__name__}: "
                    f"{' '.join(str(error).split())}"
                ) from error
        is_broken = any(isinstance(error, BrokenExecutor) for _, error in lost)
        if is_broken and not self._is_ours:
            # a broken pool gives everything back; what had a result before keeps it
            wait_for(self._under_way)
            rows, more = self._taken(list(self._under_way))
            yield from rows
            lost += more
        was_alone = len(lost) == 1 and not self._under_way
        for task, error in lost:
            # of a batch that Dask gave up, each run is tried alone before it is blamed
            is_found = _is_verdict(error) and (len(lost) == 1 or self._deaths[task.key] > 0)
            if is_found or (was_alone and self._deaths[task.key] >= DEATHS_MAX):
                yield _death_row(task, error)
                continue
            self._deaths[task.key] += DEATHS_MAX if _is_verdict(error) else 1
            is_suspect = self._deaths[task.key] >= DEATHS_MAX
            (self._suspects if is_suspect else self._again).append(task)
        if is_broken:
            self._replace(lost[0][1])
        elif all(isinstance(error, CancelledError) for _, error in lost):
            self._count_break(lost[0][1])

    def _replace(self, error: BaseException) -> None:
        self._count_break(error)
        if not self._can_replace:
            raise ArbitrageError(
                f"the executor is broken after {counted(self._done, 'run')} "
                f"({' '.join(str(error).split())}); sweep again with a new one, or hand over a "
                "function that makes one"
            ) from error
        log.warning("a worker ended abruptly; its runs are done again by a new one")
        if self._is_ours:
            return
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = self._make()

    def _count_break(self, error: BaseException) -> None:
        self._breaks += 1
        if self._done == 0 and self._breaks >= FRUITLESS_MAX:
            raise ArbitrageError(
                f"the workers ended {self._breaks} times before one run was done: killed, out of "
                'memory, or the script lacks `if __name__ == "__main__":` around its sweep'
            ) from error


def _is_death(error: BaseException) -> bool:
    """Tell whether a worker was lost, rather than that the run could not be begun."""
    return isinstance(error, BrokenExecutor | CancelledError) or _is_verdict(error)


def _is_verdict(error: BaseException) -> bool:
    """Tell whether Dask has found the run guilty: too many workers died under it."""
    return type(error).__name__ == "KilledWorker"


def _death_row(task: Task, error: BaseException) -> dict[str, Any]:
    log.debug("run %s ended its worker: %s", task.key, error)
    return {
        "key": task.key,
        **task.labels,
        "status": FAILED,
        "error": "its worker process ended abruptly each time: killed, or out of memory",
        "wall_s": float("nan"),
        "peak_mb": float("nan"),
        "worker": "",
        "finished_ns": time.time_ns(),
    }
