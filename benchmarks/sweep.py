"""How much faster a sweep is on four cores than on one: the same runs, the same results.

    python -m benchmarks.sweep
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from arbitrage.research.parquet_writer import write_parquet
from arbitrage.research.simulated import simulated_data
from arbitrage.research.sweep import Sweep, sweep

CORES = 4
SECONDS, RATE = 240.0, 2500  # of the data: 1.2 million records
GRID = {"min_net_bps": tuple(range(10)), "take_profit_bps": (0.5, 1.0, 2.0, 4.0)}


@contextmanager
def _on(cores: tuple[int, ...]) -> Iterator[None]:
    """Run on these cores alone; processes that begin meanwhile stay there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _timed(folder: Path, cores: tuple[int, ...]) -> tuple[float, Sweep]:
    with _on(cores):
        begin = time.perf_counter()
        found = sweep(folder, GRID, workers=len(cores), progress=False)
        return time.perf_counter() - begin, found


def measure(cores: tuple[int, ...]) -> str:
    """Return how often as fast a sweep is on these cores as on the first of them, in words."""
    with tempfile.TemporaryDirectory(prefix="bench-sweep-") as folder:
        data = simulated_data(("BTCUSDT",), SECONDS, rate=RATE)
        records = len(data.records())
        write_parquet(data, folder)
        del data
        one_s, alone = _timed(Path(folder), cores[:1])
        all_s, together = _timed(Path(folder), cores)
    assert not len(alone.failed), alone.failed["error"][0]
    assert alone.results.tobytes() == together.results.tobytes(), "the results differ"
    return (
        f"{len(alone)} runs over {records:,} records of Parquet: {one_s:.1f} s on one core, "
        f"{all_s:.1f} s on {len(cores)}, {one_s / all_s:.2f} times as fast; the start of the "
        "processes is counted in both, the results are equal"
    )


if __name__ == "__main__":
    print(measure(tuple(sorted(os.sched_getaffinity(0)))[:CORES]))
