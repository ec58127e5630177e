"""The default executor of a sweep: processes of this machine, one thread each."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import current_process
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any

from arbitrage.errors import ConfigError
from arbitrage.research.extras import needed
from arbitrage.research.sweeps.tasks import Task
from arbitrage.research.sweeps.worker import begin_worker

__all__ = [
    "KEEP_BYTES",
    "ProcessPools",
    "dask_executor",
    "keep_bytes",
    "refuse_import",
    "usable_cores",
]

WORKERS_MAX = 512
UNGUARDED = 77  # exit code of a worker that cannot begin
KEEP_BYTES = 256 << 20  # of records, in a worker whose machine is not known
KEEP_BYTES_MAX = 1 << 30
KEEP_SHARE = 0.25  # of this machine's memory, for all workers together
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def keep_bytes(workers: int) -> int:
    """Return how many bytes of records each of so many workers of this machine may keep."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # "max": no limit
        memory = min(memory, int(_CGROUP_LIMIT.read_text()))
    return min(KEEP_BYTES_MAX, int(KEEP_SHARE * memory / workers))


def refuse_import() -> None:
    """End a worker that imports a script which sweeps as it is imported; its pool says why."""
    if getattr(current_process(), "_inheriting", False):  # set while a spawned process begins
        os._exit(UNGUARDED)


class _Watched(SpawnContext):
    """Starts processes that import afresh, and keeps them, so that they can be ended.

    Not forked: a fork of a process with threads, such as a notebook's or Arrow's, may hang.
    """

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []

    def Process(self, *args: Any, **more: Any) -> SpawnProcess:  # type: ignore[override]
        process = SpawnProcess(*args, **more)
        self.started.append(process)
        return process


class _Lanes(Executor):
    """Processes that are spoken to one by one: runs over a slice go to the one that has read it.

    A process that dies breaks what it had under way, and nothing else; the next run starts another.
    """

    def __init__(self, count: int, make: Callable[[], Executor]) -> None:
        self._make = make
        self._pools = [make() for _ in range(count)]
        self._keys = [""] * count
        self._under_way: list[set[Future[Any]]] = [set() for _ in range(count)]

    def submit(self, fn: Any, /, *args: Any, **more: Any) -> Future[Any]:
        key = _slice_of(args)
        for futures in self._under_way:
            futures.difference_update([one for one in futures if one.done()])
        least = min(map(len, self._under_way))
        free = [place for place, futures in enumerate(self._under_way) if len(futures) == least]
        place = next((place for place in free if self._keys[place] == key), free[0])
        try:
            future = self._pools[place].submit(fn, *args, **more)
        except BrokenExecutor:
            self._pools[place].shutdown(wait=False)
            self._pools[place] = self._make()
            future = self._pools[place].submit(fn, *args, **more)
        self._keys[place] = key
        self._under_way[place].add(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        for pool in self._pools:
            pool.shutdown(wait, cancel_futures=cancel_futures)


def _slice_of(args: Sequence[Any]) -> str:
    tasks = args[0] if args and isinstance(args[0], tuple) else ()
    return next((task.slice_key for task in tasks if isinstance(task, Task)), "")


class ProcessPools:
    """One pool after the other, the next when one is broken; all are ended at the end."""

    def __init__(self, workers: int | None = None) -> None:
        count = usable_cores() if workers is None else workers
        if not 1 <= count <= WORKERS_MAX:
            raise ConfigError(f"workers was {count}; accepted is a number from 1 to {WORKERS_MAX}")
        self.workers = count
        self._context = _Watched()
        self._pools: list[Executor] = []

    def make(self) -> Executor:
        """Return a new pool; its processes start with their first runs.

        Raises
        ------
        ConfigError
            Those of the pool before sweep while they import the script that sweeps.
        """
        pool = _Lanes(self.workers, self._one)
        self._pools.append(pool)
        return pool

    def _one(self) -> Executor:
        self.check_guard()
        return ProcessPoolExecutor(1, mp_context=self._context, initializer=begin_worker)

    def check_guard(self) -> None:
        """Refuse to go on with workers that cannot begin; see `make`."""
        if any(process.exitcode == UNGUARDED for process in self._context.started):
            raise ConfigError(
                "the workers import this script, and it sweeps as it is imported; put "
                'if __name__ == "__main__": around what it does'
            )

    def end(self) -> None:
        """End all processes at once, whatever they do."""
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)
        for process in self._context.started:
            process.kill()
        for process in self._context.started:
            process.join()


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """Connect to a Dask scheduler, such as ``tcp://10.0.0.5:8786``.

    Raises
    ------
    ConfigError
        Dask is not installed, or nobody answers there.
    """
    distributed = needed("distributed", "dask", "sweeps on a cluster")
    try:
        client = distributed.Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"no Dask scheduler answered at {address!r}: {reason}") from None
    with client:
        yield client.get_executor()
