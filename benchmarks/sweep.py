"""How much faster a sweep is on four cores than on one: the same runs, the same results.

python -m benchmarks.sweep            # 400 runs on one core, then on up to four
python -m benchmarks.sweep --dask     # and on a Dask cluster of two workers
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
    "min_net_bps": tuple(range(10)),
    "take_profit_bps": (0.5, 1.0, 2.0, 4.0),
    "latency.order_us": (100, 1000, 5000, 20_000, 100_000),
}  # x 2 symbols: 400 runs


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
    one_s, alone = _timed(folder, cores[:1])
    all_s, together = _timed(folder, cores)
    assert alone.results.tobytes() == together.results.tobytes(), "the results differ"
    records = int(alone.table["records"].sum())
    said = (
        f"{len(alone)} runs, {records / 1e6:,.0f} million records: {one_s:.1f} s on one core, "
        f"{all_s:.1f} s on {len(cores)}, {one_s / all_s:.2f} times as fast; the start of the "
        "processes is counted in both, the results are equal"
    )
    if with_dask:
        with _cluster() as executor:
            dask_s, there = _timed(folder, cores, executor)
        assert alone.results.tobytes() == there.results.tobytes(), "those of Dask differ"
        said += (
            f"; {dask_s:.1f} s on {DASK_WORKERS} workers of Dask, {one_s / dask_s:.2f} times as "
            "fast without their start, equal too"
        )
    return said


def main() -> None:
    """Measure, and say it."""
    parser = argparse.ArgumentParser(description="Time a sweep on one core and on four.")
    parser.add_argument("--data", type=Path, help="folder of the data; default: a new one")
    parser.add_argument("--dask", action="store_true", help="on a Dask cluster of two, too")
    given = parser.parse_args()
    cores = tuple(sorted(os.sched_getaffinity(0)))[:CORES]
    with tempfile.TemporaryDirectory(prefix="bench-sweep-") as own:
        print(measure(given.data or Path(own) / "data", cores, with_dask=given.dask))


if __name__ == "__main__":
    main()
