"""Which runs a worker gets next, and the slice of the data that it keeps for them."""

from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arbitrage.research.market import MarketData
from arbitrage.research.simulated import simulated_data
from arbitrage.research.sweeps import kept_data, worker
from arbitrage.research.sweeps.kept_data import KeptData, forget_slice, slice_data
from arbitrage.research.sweeps.slices import Batch, SliceQueues
from arbitrage.research.sweeps.tasks import Task
from arbitrage.research.sweeps.worker import Row, run_batch


def task(number: int, slice_key: str, keep_bytes: int = 0) -> Task:
    return Task(f"{number:032x}", {}, {}, {}, "version", slice_key, keep_bytes)


def worked(queues: SliceQueues, workers: int, told: int) -> tuple[Counter[str], int, int]:
    """Let workers of equal speed do all runs; return reads by slice, batches and runs."""
    reads: Counter[str] = Counter()
    last = [""] * workers
    under_way: deque[tuple[int, Batch]] = deque()
    idle, batches, runs = deque(range(workers)), 0, 0
    while True:
        while idle and (batch := queues.batch(workers)):
            assert len({one.slice_key for one in batch}) == 1
            number = idle.popleft()
            reads[batch[0].slice_key] += last[number] != batch[0].slice_key
            last[number] = batch[0].slice_key
            under_way.append((number, batch))
            batches += 1
        if not under_way:
            return reads, batches, runs
        number, batch = under_way.popleft()
        done = min(told, len(batch))
        runs += done
        queues.end(batch, [0.1] * done)
        idle.append(number)


@pytest.mark.parametrize("told", [1, 3, 1000])
def test_each_slice_is_read_once_while_there_are_enough_of_them(told: int) -> None:
    tasks = [task(n, f"slice {n // 20}") for n in range(40 * 20)]
    reads, _, runs = worked(SliceQueues(tasks, spreads=True), 4, told)
    assert runs == 800
    assert len(reads) == 40
    assert sum(reads.values()) <= 40 + 3  # at the end, who has nothing left helps another


@pytest.mark.parametrize("spreads", [True, False])
def test_workers_share_a_slice_where_there_are_few(spreads: bool) -> None:
    tasks = [task(n, f"slice {n // 100}") for n in range(200)]
    reads, batches, runs = worked(SliceQueues(tasks, spreads=spreads), 4, 1000)
    assert runs == 200
    assert max(reads.values()) <= 4
    assert batches > 20  # small ones at the end, so that all are busy until then
    queues = SliceQueues(tasks, spreads=spreads)
    first = [queues.batch(4)[0].slice_key for _ in range(4)]
    assert len(set(first)) == (2 if spreads else 1)


@pytest.mark.parametrize(("read_s", "helps"), [(0.05, True), (0.9, True), (3.0, False)])
def test_a_worker_helps_with_a_slice_only_if_that_is_worth_reading_it(
    read_s: float, helps: bool
) -> None:
    queues = SliceQueues([task(n, f"slice {n // 40}") for n in range(80)], spreads=True)
    first, second = queues.batch(2), queues.batch(2)
    extra_s = read_s
    while first and first[0].slice_key == "slice 0":  # the second one's worker is held up
        queues.end(first, [0.1 + extra_s, *[0.1] * (len(first) - 1)])
        first, extra_s = queues.batch(2), 0.0
    # 25 runs of 0.1 s wait behind one worker
    assert bool(first) == helps
    assert len(second) == 15
    # none of them is forgotten: the one that reads it gets them
    queues.end(second, [0.1] * 15)
    assert queues.batch(2)[0].slice_key == "slice 1"


def test_runs_keep_their_order_and_what_was_not_done_comes_next() -> None:
    queues = SliceQueues([task(n, "one") for n in range(100)])
    batch = queues.batch(2)
    assert [int(one.key, 16) for one in batch] == list(range(25))
    queues.end(batch, [0.1] * 10)
    assert [int(one.key, 16) for one in queues.batch(2)][:3] == [10, 11, 12]


def test_a_batch_is_told_of_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(worker.time, "monotonic", lambda: now[0])

    def run(one: Task) -> Row:
        now[0] += 0.4
        return {"key": one.key}

    assert len(run_batch([task(n, "one") for n in range(50)], run)) == 3


class _Read(MarketData):
    """Counts how often it is read."""

    def __init__(self, whole: MarketData) -> None:
        self.whole, self.reads = whole, 0
        self.symbols, self.contracts, self.has_depth = whole.symbols, whole.contracts, False
        self.start_ns, self.end_ns = whole.start_ns, whole.end_ns

    def blocks(self, rows: int = 500) -> Iterator[Any]:
        self.reads += 1
        yield from self.whole.blocks(500)


def test_records_stay_in_memory_up_to_the_bound_and_no_further() -> None:
    whole = simulated_data(("BTCUSDT",), 2.0, rate=1000)
    records = whole.records()
    for room, reads in ((records.nbytes, 1), (records.nbytes - 1, 3), (0, 3)):
        source = _Read(whole)
        kept = KeptData(source, room)
        for _ in range(3):
            assert np.concatenate(list(kept.blocks())).tobytes() == records.tobytes()
        assert source.reads == reads
        assert kept.is_kept == (reads == 1)
    assert max(map(len, KeptData(_Read(whole), 0).blocks())) == 500
    first = next(iter(kept.blocks()))  # read in part: nothing is known of the rest
    assert len(first) == 500
    assert not kept.is_kept


def test_a_worker_keeps_one_slice_and_never_that_of_other_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[_Read] = []

    def open_data(**source: object) -> MarketData:
        opened.append(_Read(simulated_data(("BTCUSDT",), 1.0, rate=100)))
        return opened[-1]

    monkeypatch.setattr(kept_data, "open_data", open_data)
    forget_slice()
    for key, opens in (("a", 1), ("a", 1), ("b", 2), ("b", 2), ("a", 3)):
        data = slice_data(task(0, key, 1 << 20))
        assert sum(map(len, data.blocks())) > 0
        assert len(opened) == opens
    assert [one.reads for one in opened] == [1, 1, 1]
    assert slice_data(task(0, "a", 1)) is not data  # another bound
    forget_slice()
    slice_data(task(0, "a", 1))
    assert len(opened) == 5
    forget_slice()
