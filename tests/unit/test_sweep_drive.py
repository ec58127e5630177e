"""Driving runs over real worker processes that die, hang and refuse; and the rows on disk."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.research.sweeps import rows as rows_module
from arbitrage.research.sweeps.drive import Drive
from arbitrage.research.sweeps.pool import ProcessPools
from arbitrage.research.sweeps.rows import RowStore
from arbitrage.research.sweeps.tasks import Task
from arbitrage.research.sweeps.worker import DONE, FAILED, REFUSED, Row, run_task


def task(number: int, **settings: object) -> Task:
    return Task(f"{number:032x}", {"day": "all", "number": number}, settings, {}, "version")


def stand_in(one: Task) -> Row:
    """A run that ends its process when it is asked to: each time, or the first time only."""
    settings = one.settings
    if settings.get("dies"):
        os.kill(os.getpid(), signal.SIGKILL)
    once = settings.get("dies_once")
    if isinstance(once, str):
        try:
            os.close(os.open(once, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    status = REFUSED if settings.get("refuses") else DONE
    return {"key": one.key, **one.labels, "status": status, "error": "host:1", "net_usd": 1.0}


@contextmanager
def pools(workers: int = 2) -> Iterator[ProcessPools]:
    found = ProcessPools(workers)
    try:
        yield found
    finally:
        found.end()


def driven(found: ProcessPools, tasks: list[Task]) -> list[Row]:
    drive = Drive(found.make, can_replace=True, window=found.workers, is_ours=True, run=stand_in)
    return sorted(drive.rows(tasks), key=lambda row: int(row["number"]))


def test_a_worker_that_dies_under_a_run_changes_nothing(tmp_path: Path) -> None:
    marks = [str(tmp_path / f"died-{number}") for number in range(3)]
    tasks = [
        task(number, dies_once=marks[number // 10] if number % 10 == 4 else None)
        for number in range(30)
    ]
    with pools() as found:
        rows = driven(found, tasks)
    assert [row["number"] for row in rows] == list(range(30))
    assert {row["status"] for row in rows} == {DONE}
    assert all(map(os.path.exists, marks))


def test_the_run_that_kills_its_workers_is_found_and_the_others_are_done() -> None:
    tasks = [task(number, dies=number == 5) for number in range(12)]
    with pools() as found:
        rows = driven(found, tasks)
    assert [row["number"] for row in rows if row["status"] == FAILED] == [5]
    assert [row["status"] for row in rows].count(DONE) == 11
    assert "ended abruptly" in rows[5]["error"]


def test_workers_that_never_get_to_a_run_are_not_started_for_ever() -> None:
    with (
        pools(1) as found,
        pytest.raises(ArbitrageError, match=r"ended 3 times before one run .*__main__"),
    ):
        driven(found, [task(number, dies=True) for number in range(9)])


def test_a_pool_that_breaks_as_a_whole_is_replaced(tmp_path: Path) -> None:
    tasks = [task(n, dies_once=str(tmp_path / f"{n}") if n % 10 == 4 else None) for n in range(30)]
    tasks.append(task(30, dies=True))
    drive = Drive(lambda: ProcessPoolExecutor(2), can_replace=True, window=8, run=stand_in)
    rows = {row["number"]: row["status"] for row in drive.rows(tasks)}
    drive.end()
    assert rows == dict.fromkeys(range(30), DONE) | {30: FAILED}


def place_of(batch: tuple[Task, ...]) -> int:
    return os.getpid()


def test_a_slice_goes_to_the_worker_that_read_it_and_a_death_is_its_own() -> None:
    with pools(3) as found:
        pool = found.make()
        slices = [(task(n),) for n in range(3)]
        for number, (one,) in enumerate(slices):
            slices[number] = (Task(one.key, {}, {}, {}, "version", f"slice {number}"),)
        first = [pool.submit(place_of, batch) for batch in slices]
        places = [future.result() for future in first]
        assert len(set(places)) == 3
        for order in ((2, 0, 1), (1, 2, 0)):
            again = {number: pool.submit(place_of, slices[number]) for number in order}
            assert [again[number].result() for number in range(3)] == places
        os.kill(places[1], signal.SIGKILL)
        deadline = time.monotonic() + 30
        while True:  # until the pool has noticed
            try:
                other = pool.submit(place_of, slices[1]).result()
            except BrokenExecutor:
                continue
            assert time.monotonic() < deadline
            if other != places[1]:
                break
        assert pool.submit(place_of, slices[0]).result() == places[0]
        assert pool.submit(place_of, slices[2]).result() == places[2]


def test_an_executor_of_the_callers_is_not_replaced() -> None:
    with ProcessPoolExecutor(1) as given:
        drive = Drive(lambda: given, can_replace=False, window=1, run=stand_in)
        rows = drive.rows([task(0), task(1, dies=True), task(2)])
        assert next(rows)["number"] == 0
        with pytest.raises(ArbitrageError, match=r"broken after 1 run .*sweep again"):
            next(rows)


def test_another_version_in_a_worker_ends_the_sweep() -> None:
    with ThreadPoolExecutor(1) as given:
        drive = Drive(lambda: given, can_replace=False, window=2, run=stand_in)
        with pytest.raises(ConfigError, match="worker host:1 than this process"):
            list(drive.rows([task(0, refuses=True)]))
    assert run_task(task(1))["status"] == REFUSED


def test_an_executor_that_cannot_send_a_run_says_why() -> None:
    class Broken(ThreadPoolExecutor):
        def submit(self, *args: object, **more: object) -> object:  # type: ignore[override]
            return super().submit(int, "no number")

    with Broken(1) as given:
        made: Executor = given
        drive = Drive(lambda: made, can_replace=False, window=2, run=stand_in)
        with pytest.raises(ArbitrageError, match="cannot do a run: ValueError: invalid literal"):
            list(drive.rows([task(0)]))


def test_workers_end_when_the_sweep_is_killed(tmp_path: Path) -> None:
    """A parent that is killed with -9 leaves no process behind."""
    import subprocess
    import sys

    code = (
        "import os, sys\n"
        "from arbitrage.research.sweeps.pool import ProcessPools\n"
        "if __name__ == '__main__':\n"
        "    pool = ProcessPools(2).make()\n"
        "    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    script = tmp_path / "killed.py"
    script.write_text(code)
    told = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    pid = int(told.stdout)
    deadline = time.monotonic() + 30
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{pid}")


# ---- rows ----------------------------------------------------------------------------------------


def row(number: int, status: str = DONE, **more: object) -> Row:
    return {"key": f"{number:032x}", "status": status, "error": "", **more}


def test_rows_are_whole_or_not_there(tmp_path: Path) -> None:
    keys = {f"{number:032x}" for number in range(4)}
    with RowStore(tmp_path) as store:
        store.add(row(0, min_net_bps=1.5, net_usd=2.0))
        store.add(row(1, FAILED, min_net_bps=2.5))
        with pytest.raises(ConfigError, match="another sweep writes into"):
            RowStore(tmp_path)
    # killed while it wrote, and a part that the disk has damaged
    (tmp_path / "parts/runs-9.parquet.part").write_bytes(b"PAR1half")
    (tmp_path / "parts/runs-8.parquet").write_bytes(b"PAR1half")
    with RowStore(tmp_path) as store:
        there = store.load(keys)
        store.add(row(1, net_usd=3.0))
        store.add(row(9, net_usd=4.0))
    assert there == {
        f"{0:032x}": row(0, min_net_bps=1.5, net_usd=2.0),
        f"{1:032x}": row(1, FAILED, min_net_bps=2.5),
    }
    with RowStore(tmp_path) as store:
        there = store.load(keys)
    assert there[f"{1:032x}"] == row(1, net_usd=3.0)  # a done one before a failed one
    assert len(there) == 2
    assert not list(tmp_path.glob("parts/*.part"))


def test_many_parts_become_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "PARTS_MAX", 3)
    with RowStore(tmp_path) as store:
        for number in range(5):
            store.add(row(number, net_usd=float(number)))
            store.flush()
    keys = {f"{number:032x}" for number in range(5)}
    with RowStore(tmp_path) as store:
        before = store.load(keys)
    assert len(list(tmp_path.glob("parts/*.parquet"))) == 1
    with RowStore(tmp_path) as store:
        assert store.load(keys) == before
    assert len(before) == 5
