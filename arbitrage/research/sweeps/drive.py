"""Driving runs over an executor: results as they finish, whatever becomes of the workers.

Only so many runs are handed over at a time, so that few have to be asked for again when a worker
dies. A process pool that lost a worker is broken as a whole: it is replaced, and the runs that were
under way are done again. Who killed it is not told, so a run that was there twice is done alone the
next time: when that breaks the pool too, it is the one, and it gets a row that says so.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future
from concurrent.futures import wait as wait_for
from typing import Any

from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.research.sweeps.tasks import Task
from arbitrage.research.sweeps.worker import FAILED, REFUSED, Row, run_task
from arbitrage.wording import counted

__all__ = ["Drive"]

log = logging.getLogger(__name__)

WAIT_S = 0.5  # the caller is called back at least so often
DEATHS_MAX = 2  # of its worker under a run, then it is done alone
FRUITLESS_MAX = 3  # broken pools before a single run was done


class Drive:
    """Runs over one executor after the other.

    Parameters
    ----------
    make : callable
        Returns an executor; called again when one is broken.
    can_replace : bool
        Whether it may be called again: a caller's own executor cannot be replaced.
    window : int
        Runs handed over at a time.
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
        idle: Callable[[], None] = lambda: None,
        run: Callable[[Task], Row] = run_task,
    ) -> None:
        self._run = run
        self._make = make
        self._can_replace = can_replace
        self._window = window
        self._idle = idle
        self._executor = make()
        self._waiting: deque[Task] = deque()
        self._suspects: deque[Task] = deque()
        self._under_way: dict[Future[Row], Task] = {}
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
        source = iter(tasks)
        try:
            while self._fill(source):
                finished, _ = wait_for(self._under_way, WAIT_S, FIRST_COMPLETED)
                if not finished:
                    self._idle()
                lost: list[tuple[Task, BaseException]] = []
                for future in finished:
                    task = self._under_way.pop(future)
                    error = future.exception() if not future.cancelled() else CancelledError()
                    if error is None:
                        yield self._checked(future.result())
                    else:
                        lost.append((task, error))
                if lost:
                    yield from self._recover(lost)
        finally:
            for future in self._under_way:
                future.cancel()

    def end(self) -> None:
        """Let the executor go, without waiting for what it still does."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _checked(self, row: Row) -> Row:
        if row["status"] == REFUSED:
            raise ConfigError(
                f"worker {row['error']} than this process; install the same one there"
            )
        self._done += 1
        return row

    # ---- handing over ----------------------------------------------------------------------------

    def _fill(self, source: Iterator[Task]) -> bool:
        """Hand over what there is room for; whether anything is under way."""
        while len(self._under_way) < self._window:
            task = self._next(source)
            if task is None:
                break
            try:
                self._under_way[self._executor.submit(self._run, task)] = task
            except (BrokenExecutor, RuntimeError) as error:
                self._waiting.appendleft(task)
                if not self._under_way:
                    self._replace(error)
                else:
                    break  # those under way tell of it
        return bool(self._under_way)

    def _next(self, source: Iterator[Task]) -> Task | None:
        if self._suspects:
            return self._suspects.popleft() if not self._under_way else None
        if any(self._deaths[task.key] >= DEATHS_MAX for task in self._under_way.values()):
            return None  # it is alone
        if self._waiting:
            return self._waiting.popleft()
        return next(source, None)

    # ---- what can go wrong -----------------------------------------------------------------------

    def _recover(self, lost: list[tuple[Task, BaseException]]) -> Iterator[Row]:
        """Sort out runs that came to no result of their own."""
        for _, error in lost:
            if not _is_death(error):
                raise ArbitrageError(
                    f"the workers cannot do a run: {type(error).__name__}: "
                    f"{' '.join(str(error).split())}"
                ) from error
        if any(isinstance(error, BrokenExecutor) for _, error in lost):
            yield from self._drain(lost)
        was_alone = len(lost) == 1 and not self._under_way
        for task, error in lost:
            if _is_verdict(error) or (was_alone and self._deaths[task.key] >= DEATHS_MAX):
                yield _death_row(task, error)
                continue
            self._deaths[task.key] += 1
            is_suspect = self._deaths[task.key] >= DEATHS_MAX
            (self._suspects if is_suspect else self._waiting).append(task)
        if isinstance(lost[0][1], BrokenExecutor):
            self._replace(lost[0][1])
        elif all(isinstance(error, CancelledError) for _, error in lost):
            self._count_break(lost[0][1])

    def _drain(self, lost: list[tuple[Task, BaseException]]) -> Iterator[Row]:
        """A broken pool gives everything back; what had a result before keeps it."""
        wait_for(self._under_way)
        while self._under_way:
            future, task = self._under_way.popitem()
            error = future.exception() if not future.cancelled() else CancelledError()
            if error is None:
                yield self._checked(future.result())
            else:
                lost.append((task, error))

    def _replace(self, error: BaseException) -> None:
        self._count_break(error)
        if not self._can_replace:
            raise ArbitrageError(
                f"the executor is broken after {counted(self._done, 'run')} "
                f"({' '.join(str(error).split())}); sweep again with a new one, or hand over a "
                "function that makes one"
            ) from error
        log.warning("a worker ended abruptly; its runs are done again by a new one")
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
