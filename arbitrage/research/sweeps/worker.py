"""What a worker of a sweep does: one run, and one row of figures of it."""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from arbitrage.errors import ConfigError
from arbitrage.research.sweeps.run import backtest_figures
from arbitrage.research.sweeps.tasks import Task, source_version

__all__ = ["DONE", "FAILED", "REFUSED", "Row", "begin_worker", "run_batch", "run_task"]

Row = dict[str, Any]

DONE, FAILED = "done", "failed"
REFUSED = "refused"  # by a worker whose code is another: never kept
ERROR_CHARACTERS_MAX = 500
BATCH_S = 1.0  # then what was done of a batch is told, and the rest is asked for again
# A run is one thread's work; libraries that would start one a core are told so before they load.
_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "ARROW_IO_THREADS", "POLARS_MAX_THREADS",
)  # fmt: skip

log = logging.getLogger(__name__)


def begin_worker() -> None:
    """Prepare a process of the default pool: one thread, no Ctrl-C of its own, no life alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep's process ends its workers
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the sweep's own is gone, however that came."""
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def run_batch(tasks: Sequence[Task], run: Callable[[Task], Row]) -> list[Row]:
    """Do some runs, one after the other; return the rows of those that a second was enough for.

    Threads: as `run`.
    """
    rows: list[Row] = []
    begun = time.monotonic()
    for task in tasks:
        rows.append(run(task))
        if time.monotonic() - begun >= BATCH_S:
            break
    return rows


def run_task(task: Task) -> Row:
    """Do one run and return its row; a run that fails is a row too, with the error's text.

    Threads: any, one run at a time in each. Memory: the records of the slice that was read last, up
    to the task's bound, else blocks of them; and what the run traded.
    """
    begun = time.monotonic()
    row: Row = {"key": task.key, **task.labels}
    _forget_peak()
    if task.version != source_version():
        row |= {"status": REFUSED, "error": f"{_place()} runs another version of arbitrage"}
        return row
    try:
        figures = backtest_figures(task)
        row |= {"status": DONE, "error": "", **figures}
    except Exception as error:
        log.debug("run %s failed", task.key, exc_info=True)
        text = " ".join(str(error).split())
        name = "" if isinstance(error, ConfigError) and text else f"{type(error).__name__}: "
        row |= {"status": FAILED, "error": f"{name}{text}"[:ERROR_CHARACTERS_MAX]}
    return row | {
        "wall_s": time.monotonic() - begun,
        "peak_mb": _peak_mb(),
        "worker": _place(),
        "finished_ns": time.time_ns(),
    }


def _place() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _forget_peak() -> None:
    """Let the kernel measure this process' largest memory anew."""
    with suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def _peak_mb() -> float:
    """Return the most memory this process has held since `_forget_peak`, in MB."""
    # not ru_maxrss: that of a new process begins with its parent's
    with suppress(OSError), open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return float("nan")
