"""How much faster a sweep is on four cores than on one: the same runs, the same results.

python -m benchmarks.sweep            # 800 runs on one core, then on up to four
python -m benchmarks.sweep --dask     # on a Dask cluster of two workers instead of one core
python -m benchmarks.sweep --data DIR # keep the data there, or take it from there
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

from arbitrage.research.parquet_writer import write_parquet
from arbitrage.research.simulated import simulated_data
from arbitrage.research.sweep import Sweep, sweep

CORES = 4
DASK_WORKERS = 2
SYMBOLS = ("BTCUSDT", "ETHUSDT")
SECONDS, RATE = 240.0, 5000  # of the data: 2.4 million records, half of them of each symbol
GRID = {
    "min_net_bps": tuple(range(20)),
    "take_profit_bps": (0.5, 1.0, 2.0, 4.0),
    "latency.order_us": (100, 1000, 5000, 20_000, 100_000),
}  # x 2 symbols: 800 runs


@contextmanager
def _on(cores: tuple[int, ...]) -> Iterator[None]:
    """Run on these cores alone; processes that begin meanwhile stay there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _cluster() -> Iterator[Executor]:
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=DASK_WORKERS, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor()


def _timed(
    folder: Path, cores: tuple[int, ...], executor: Executor | None = None
) -> tuple[float, Sweep]:
    with _on(cores):
        begin = time.perf_counter()
        workers = len(cores) if executor is None else DASK_WORKERS
        found = sweep(folder, GRID, executor, workers=workers, progress=False)
        took_s = time.perf_counter() - begin
    assert not len(found.failed), found.failed["error"][0]
    return took_s, found


def _make(folder: Path) -> None:
    if not folder.is_dir() or not any(folder.iterdir()):
        write_parquet(simulated_data(SYMBOLS, SECONDS, rate=RATE), folder)


def measure(folder: Path, cores: tuple[int, ...], *, with_dask: bool) -> str:
    """Return how often as fast a sweep is on these cores as on the first of them, in words."""
    _make(folder)
    if with_dask:
        with _cluster() as executor:
            other_s, other = _timed(folder, cores, executor)
        where = f"{DASK_WORKERS} workers of Dask, which ran already"
    else:
        other_s, other = _timed(folder, cores[:1])
        where = "one core"
    pool_s, found = _timed(folder, cores)
    assert other.results.tobytes() == found.results.tobytes(), "the results differ"
    records = int(found.table["records"].sum())
    return (
        f"{len(found)} runs, {records / 1e6:,.0f} million records: {other_s:.1f} s on {where}, "
        f"{pool_s:.1f} s on {len(cores)} cores, {other_s / pool_s:.2f} times as fast; the start of "
        "the pool's processes is counted, the results are equal"
    )


def main() -> None:
    """Measure, and say it."""
    parser = argparse.ArgumentParser(description="Time a sweep on one core and on four.")
    parser.add_argument("--data", type=Path, help="folder of the data; default: a new one")
    parser.add_argument("--dask", action="store_true", help="a Dask cluster of two for one core")
    given = parser.parse_args()
    cores = tuple(sorted(os.sched_getaffinity(0)))[:CORES]
    with tempfile.TemporaryDirectory(prefix="bench-sweep-") as own:
        print(measure(given.data or Path(own) / "data", cores, with_dask=given.dask))


if __name__ == "__main__":
    main()
