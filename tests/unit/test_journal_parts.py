"""A journal of many files: parts made in time, none lost, and read back as one."""

import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.core.journal import Journal
from arbitrage.core.messages import Order
from arbitrage.errors import JournalError
from arbitrage.runtime.journal_keeper import JournalKeeper
from arbitrage.trading.run_journal import RunJournal

HEADER, RECORD, INTENT = 4096, 128, 2
CAPACITY = 8


def intent(number: int) -> bytes:
    return Order(**dict.fromkeys(Order._fields, 0) | {"client_id": number}).pack()


def naming(folder: Path) -> Callable[[int], Path]:
    return lambda part: folder / f"part-{part:03d}"


def numbers(journal: RunJournal) -> list[int]:
    return [Order.unpack(record.payload).client_id for record in journal if record.type == "INTENT"]


def write(folder: Path, count: int) -> list[Path]:
    """Write a journal of so many intents; return its parts."""
    name = naming(folder)
    journal = Journal.create(name(0), CAPACITY, run=3)
    for number in range(count):
        journal.tend(name)
        assert journal.append(INTENT, intent(number))
    journal.close()
    return sorted(folder.iterdir())


@pytest.mark.parametrize("count", [0, 6, 7, 8, 15, 16, 100])
def test_parts_are_one_journal(tmp_path: Path, count: int) -> None:
    parts = write(tmp_path, count)
    assert len(parts) == max(1, -(-(count + 1) // CAPACITY))
    with RunJournal(parts) as journal:
        assert numbers(journal) == list(range(count))
        assert [record.sequence for record in journal] == list(range(1, count + 2))
        assert journal.verify() == (len(parts), count + 1, False, 0)
    last = os.stat(parts[-1]).st_size - HEADER
    assert last == ((count + 1) - (len(parts) - 1) * CAPACITY) * RECORD, "cut to what it holds"


def test_a_part_is_made_when_half_is_used_and_counts_as_room(tmp_path: Path) -> None:
    name = naming(tmp_path)
    journal = Journal.create(name(0), CAPACITY, run=3)
    made = []
    for number in range(5):
        made.append(journal.tend(name))
        journal.append(INTENT, intent(number))
    assert made == [False, False, False, True, False]
    assert name(1).stat().st_mode & 0o777 == 0o600
    assert journal.room == CAPACITY - 6 + CAPACITY
    journal.close()
    assert [path.name for path in tmp_path.iterdir()] == ["part-000"], "the spare one is gone"


def test_without_a_next_part_appends_are_refused_and_none_is_lost(tmp_path: Path) -> None:
    name = naming(tmp_path)
    journal = Journal.create(name(0), CAPACITY, run=3)
    results = [journal.append(INTENT, intent(number)) for number in range(10)]
    assert results == [True] * 7 + [False] * 3
    assert (journal.room, journal.refused) == (0, 3)
    assert journal.tend(name)
    assert journal.append(INTENT, intent(7))
    journal.close()
    with RunJournal([name(0), name(1)]) as held:
        assert numbers(held) == list(range(8))


def test_a_next_part_that_cannot_be_made_leaves_the_present_one(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "part-000", CAPACITY, run=3)
    for number in range(6):
        journal.append(INTENT, intent(number))
    with pytest.raises(FileNotFoundError):
        journal.tend(lambda part: tmp_path / "gone" / str(part))
    assert journal.append(INTENT, intent(6))
    assert not journal.append(INTENT, intent(7))


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ((0, 2), "part 2 of run 3 from record 17; expected part 1 of run 3 from record 9"),
        ((1, 2), "part 1 of run 3 from record 9; expected part 0"),
        ((0, 1, 1), "expected part 2"),
    ],
)
def test_a_missing_part_is_named(tmp_path: Path, order: tuple[int, ...], says: str) -> None:
    parts = write(tmp_path, 20)
    with pytest.raises(JournalError, match=says):
        RunJournal([parts[index] for index in order])


def test_a_part_of_another_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    parts = write(tmp_path / "a", 20)
    other = Journal.create(tmp_path / "b", CAPACITY, run=4)
    other.close()
    with pytest.raises(JournalError, match="part 0 of run 4 from record 1; expected part 1 of run"):
        RunJournal([parts[0], tmp_path / "b"])


@settings(max_examples=150, deadline=None)
@given(count=st.integers(0, 40), data=st.data())
def test_every_truncation_leaves_a_valid_prefix(
    tmp_path_factory: pytest.TempPathFactory, count: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    parts = write(folder, count)
    cut = data.draw(st.integers(0, len(parts) - 1))
    size = data.draw(st.integers(HEADER, os.stat(parts[cut]).st_size))
    os.truncate(parts[cut], size)
    for path in parts[cut + 1 :]:
        path.unlink()
    held_records = cut * CAPACITY + (size - HEADER) // RECORD
    with RunJournal(parts[: cut + 1]) as journal:
        assert numbers(journal) == list(range(max(0, held_records - 1)))
        assert journal.verify().valid == held_records
        assert journal.verify().stray == 0


@settings(max_examples=150, deadline=None)
@given(count=st.integers(9, 40), data=st.data())
def test_torn_writes_end_the_journal_and_what_follows_is_told(
    tmp_path_factory: pytest.TempPathFactory, count: int, data: st.DataObject
) -> None:
    parts = write(tmp_path_factory.mktemp("journal"), count)
    place = data.draw(st.integers(0, count))
    torn = bytearray(parts[place // CAPACITY].read_bytes())
    start = HEADER + place % CAPACITY * RECORD
    kept = data.draw(st.integers(0, RECORD - 1))
    before = bytes(torn[start : start + RECORD])
    torn[start + kept : start + RECORD] = bytes(RECORD - kept)
    parts[place // CAPACITY].write_bytes(torn)
    is_whole = before == bytes(torn[start : start + RECORD])
    with RunJournal(parts) as journal:
        report = journal.verify()
    assert report.valid == (count + 1 if is_whole else place)
    assert report.stray == (0 if is_whole else count - place)


# ---- the cold thread -----------------------------------------------------------------------------


def until(test: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 10
    while not test():
        assert time.monotonic() < end_s
        time.sleep(0.005)


def test_the_keeper_keeps_up_with_an_appender(tmp_path: Path) -> None:
    name = naming(tmp_path)
    journal = Journal.create(name(0), 64, run=3)
    keeper = JournalKeeper(journal, name, sync_s=0.01)
    keeper.start()
    for number in range(1000):
        until(lambda number=number: journal.append(INTENT, intent(number)))
    keeper.stop()
    journal.close()
    assert keeper.lost is None
    with RunJournal(sorted(tmp_path.iterdir())) as held:
        assert numbers(held) == list(range(1000))


def test_a_folder_that_comes_back_is_used_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal.create(tmp_path / "part-000", CAPACITY, run=3)
    for number in range(7):
        journal.append(INTENT, intent(number))
    later = tmp_path / "later"
    keeper = JournalKeeper(journal, lambda part: later / f"part-{part:03d}", sync_s=None)
    keeper.start()
    until(lambda: "next file cannot be made" in caplog.text)
    assert not journal.append(INTENT, intent(7))
    later.mkdir()
    until(lambda: journal.append(INTENT, intent(7)))
    until(lambda: "next file is made" in caplog.text)
    keeper.stop()
    journal.close()
    assert caplog.text.count("next file cannot be made") == 1
    with RunJournal([tmp_path / "part-000", later / "part-001"]) as held:
        assert numbers(held) == list(range(8))


def test_a_failed_sync_is_final(caplog: pytest.LogCaptureFixture) -> None:
    class Disk:
        syncs = 0

        def tend(self, path_of_part: Callable[[int], Path]) -> bool:
            return False

        def sync(self) -> None:
            self.syncs += 1
            raise OSError(5, "Input/output error")

    disk = Disk()
    keeper = JournalKeeper(disk, naming(Path()), sync_s=0.0)
    keeper.start()
    until(lambda: keeper.lost is not None)
    time.sleep(0.2)
    keeper.stop()
    assert disk.syncs == 1
    assert "no pair is opened any more" in caplog.text


def test_a_full_disk_is_an_error_before_anything_is_lost(tmp_path: Path) -> None:
    # a limit on file size stands for a full disk: reserving the next part's blocks fails alike
    journal = Journal.create(tmp_path / "part-000", CAPACITY, run=3)
    for number in range(6):
        journal.append(INTENT, intent(number))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (HEADER, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            journal.tend(naming(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["part-000"]
    assert journal.append(INTENT, intent(6))


# ---- durability ----------------------------------------------------------------------------------

WRITES = """
import sys
from arbitrage.core.journal import Journal
journal = Journal.create(sys.argv[1], 64, run=1, durable=sys.argv[2] == "durable")
for kind in (2, 3, 2, 4, 2):
    assert journal.append(kind, b"x")
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace on this machine")
@pytest.mark.parametrize(("how", "syncs"), [("durable", 3), ("plain", 0)])
def test_a_durable_journal_syncs_each_intent_and_nothing_else(
    tmp_path: Path, how: str, syncs: int
) -> None:
    trace = tmp_path / "trace"
    command = [sys.executable, "-c", WRITES, str(tmp_path / "journal"), how]
    subprocess.run(["strace", "-f", "-e", "trace=msync", "-o", trace, *command], check=True)
    assert trace.read_text().count("msync(") == syncs


def test_readers_may_look_on_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal.create(path, 20_000, run=1)
    seen: list[int] = []

    def look() -> None:
        while not seen or seen[-1] < 20_000:
            reader = Journal.open_readonly(path)
            report = reader.verify()
            assert report.stray == 0
            seen.append(report.valid)
            reader.close()

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(19_999):
        assert journal.append(INTENT, intent(number))
    reader.join(20)
    assert not reader.is_alive()
    assert seen == sorted(seen)


def resident_kb(path: Path) -> int:
    """Return how much of a mapped file this process holds in memory."""
    blocks = Path("/proc/self/smaps").read_text().split(f" {path}\n")[1:]
    return sum(int(block.split("Rss:")[1].split()[0]) for block in blocks)


def test_only_the_pages_around_the_present_record_are_resident(tmp_path: Path) -> None:
    name, capacity, window_kb = naming(tmp_path), 1 << 16, 512
    with_margin_kb = 3 * window_kb  # ahead, behind, and what the kernel maps around a fault
    journal = Journal.create(name(0), capacity, run=3)
    assert window_kb <= resident_kb(name(0)) <= with_margin_kb, "of 8 MB"
    faults = 0
    for number in range(capacity // 2 - 2):
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        assert journal.append(INTENT, intent(number))
        faults += resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before
        if number % 512 == 0:
            journal.tend(name)
            assert window_kb <= resident_kb(name(0)) <= with_margin_kb
    assert faults <= 8, "the cold thread was ahead"
    assert journal.verify().valid == capacity // 2 - 1
    journal.close()
