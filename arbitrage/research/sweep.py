"""Sweeps: a backtest for every set of parameters, day and symbol, over any executor."""

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arbitrage.errors import ConfigError
from arbitrage.research.sweeps.arguments import check_arguments
from arbitrage.research.sweeps.drive import Drive
from arbitrage.research.sweeps.grid import Grid, read_grid
from arbitrage.research.sweeps.kept_data import forget_slice
from arbitrage.research.sweeps.pool import (
    KEEP_BYTES,
    ProcessPools,
    keep_bytes,
    refuse_import,
    usable_cores,
)
from arbitrage.research.sweeps.progress import Progress, shown
from arbitrage.research.sweeps.rows import RowStore, write_table
from arbitrage.research.sweeps.table import TABLE, Sweep
from arbitrage.research.sweeps.tasks import Task, make_tasks
from arbitrage.research.sweeps.worker import DONE, Row

__all__ = ["TABLE", "Sweep", "sweep"]

log = logging.getLogger(__name__)

WINDOW = 64  # batches of runs handed to an executor that is not ours
WINDOW_PER_WORKER = 4
PATHS = ("path", "okx", "instruments")  # of what `open_data` takes

Executors = Executor | Callable[[], Executor] | None


def sweep(
    data: Any,
    grid: Grid | Mapping[str, object] | str | Path,
    executor: Executors = None,
    *,
    out: str | Path | None = None,
    fixed: Mapping[str, object] | None = None,
    days: object = None,
    symbols: object = None,
    workers: int | None = None,
    keep_mb: float | None = None,
    retry_failed: bool = False,
    progress: Progress = None,
) -> Sweep:
    """Run a backtest for every set of parameters, day and group of symbols.

    Runs that `out` holds already are not done again, so that a sweep that was interrupted goes on
    where it stopped, and a changed grid runs only what is new. A worker that dies changes nothing
    but the time it takes. A run that fails is a row with the error's text.

    Parameters
    ----------
    data : MarketData, str, Path or None
        Data with a path, or what `open_data` takes: it is opened anew in each worker and read in
        blocks. None: what the grid's file names.
    grid : mapping, str, Path or Grid
        Axes and their values, such as ``{"min_net_bps": [0, 1, 2]}``, or a TOML file
        (docs/sweep.md).
    executor : Executor or callable, optional
        Any of `concurrent.futures`, such as ``dask.distributed.Client(...).get_executor()``; a
        function that makes one may be called again when a worker broke it. Default: a process on
        each core, one thread each.
    out : path, optional
        Folder for the rows, as Parquet. Without it nothing is kept.
    fixed : mapping, optional
        Settings that all runs share.
    days : str, list or mapping, optional
        ``each`` (UTC, the default), ``all`` in one run, days, or ``{"from": ..., "to": ...}``.
    symbols : str or list, optional
        ``each`` (the default), ``together``, or groups of them.
    workers : int, optional
        Processes of the default pool; of another executor, a quarter of the batches it holds.
    keep_mb : float, optional
        Records of a day and symbols that a worker keeps in memory for its next run over them, MB
        of 2^20 bytes; more than that is read again by each run, in blocks. Default: a quarter of
        this machine's memory over all workers, at most 1024 each; 256 of another executor.
    retry_failed : bool
        Do those again that failed before.
    progress : bool or callable, optional
        None: a bar in a terminal or notebook; or ``progress(done, total, row)``.

    Returns
    -------
    Sweep
        One row a run, in the grid's order whatever finished first.

    Raises
    ------
    ConfigError
        The grid or the data is wrong: one line, before any run.
    ArbitrageError
        The executor is gone; what was done is kept in `out`.

    Examples
    --------
    >>> found = sweep("day", {"min_net_bps": [0, 2, 4]}, out="runs")  # doctest: +SKIP
    >>> found.best(3)["min_net_bps"]  # doctest: +SKIP
    """
    refuse_import()
    how = _How(executor, workers, keep_mb, retry_failed, progress)
    check_arguments(
        data=data, grid=grid, executor=executor, out=out, workers=workers, keep_mb=keep_mb,
        progress=progress,
    )  # fmt: skip
    wanted = read_grid(grid, fixed=fixed, days=days, symbols=symbols)
    opened = _opened(data, wanted)
    return _swept(wanted, opened, None if out is None else Path(out), how)


@dataclass(frozen=True)
class _How:
    """How runs are done, whatever they are."""

    executor: Executors
    workers: int | None
    keep_mb: float | None
    retry_failed: bool
    progress: Progress

    @property
    def keep_bytes(self) -> int:
        """How much each worker may keep."""
        if self.keep_mb is not None:
            return int(self.keep_mb * (1 << 20))
        if self.executor is not None:
            return KEEP_BYTES
        return keep_bytes(self.workers or usable_cores())


def _swept(grid: Grid, data: Any, folder: Path | None, how: _How) -> Sweep:
    tasks = list(make_tasks(grid, data, how.keep_bytes))
    if not tasks:
        raise ConfigError("the grid has no runs: the data has no symbol")
    with nullcontext() if folder is None else RowStore(folder) as store:
        there = {} if store is None else store.load({task.key for task in tasks})
        again = how.retry_failed
        rows = {key: row for key, row in there.items() if row["status"] == DONE or not again}
        reused = len(rows)
        _run([task for task in tasks if task.key not in rows], rows, store, how)
        # labels are of this grid, figures of whenever they were found
        ordered = [{**rows[task.key], **task.labels} for task in tasks]
        found = Sweep(
            grid.axes, ordered,
            fixed=grid.fixed, source=_lasting(data.source), reused=reused, folder=folder,
        )  # fmt: skip
        if store is not None:
            store.flush()
            write_table(store.folder / TABLE, found.to_arrow())
    return found


def _lasting(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return what opens the data from any folder."""
    return {
        name: str(Path(value).resolve())
        if name in PATHS and isinstance(value, str) and "://" not in value
        else value
        for name, value in source.items()
    }


def _opened(data: Any, grid: Grid) -> Any:
    """Return market data that the workers can open by its path."""
    if data is not None and hasattr(data, "select"):
        return data
    from arbitrage.research.market import open_data

    if data is not None:
        return open_data(data)
    if not grid.data:
        raise ConfigError("the grid names no data; add [data] with a path, or hand it over")
    return open_data(**grid.data)


def _run(tasks: list[Task], rows: dict[str, Row], store: RowStore | None, how: _How) -> None:
    """Run what is left; each row is kept as it comes, whatever happens after it."""
    total = len(rows) + len(tasks)
    idle = store.flush_if_due if store is not None else _nothing
    with shown(how.progress, total, len(rows)) as tell, _drive(how, idle) as drive:
        found = drive.rows(tasks)
        try:
            for row in found:
                rows[row["key"]] = row
                if store is not None:
                    store.add(row)
                tell(len(rows), total, row)
        finally:
            found.close()
            forget_slice()  # where the runs were done in this process


def _nothing() -> None:
    pass


@contextmanager
def _drive(how: _How, idle: Callable[[], None]) -> Iterator[Drive]:
    executor = how.executor
    if executor is None:
        pools = ProcessPools(how.workers)
        try:
            yield Drive(pools.make, can_replace=True, window=pools.workers, is_ours=True, idle=idle)
        except Exception:
            pools.check_guard()  # which says more, where that is why
            raise
        finally:
            pools.end()
        return
    window = WINDOW if how.workers is None else how.workers * WINDOW_PER_WORKER
    if isinstance(executor, Executor):
        given = executor
        yield Drive(lambda: given, can_replace=False, window=window, idle=idle)
        return
    drive = Drive(executor, can_replace=True, window=window, idle=idle)
    try:
        yield drive
    finally:
        drive.end()
