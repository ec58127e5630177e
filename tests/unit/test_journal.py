"""The journal file: whole records or none, and what recovery reads from them."""

import os
import resource
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.core.journal import Journal
from arbitrage.core.messages import Execution, Order

HEADER, RECORD = 4096, 128
INTENT, EXEC = 2, 3


def order(client_id: int, lots: int = 10) -> Order:
    fields = dict.fromkeys(Order._fields, 0) | {"client_id": client_id, "qty_lots": lots}
    return Order(**fields)


def told(client_id: int, kind: int, last: int = 0, cum: int = -1) -> bytes:
    fields = dict.fromkeys(Execution._fields, 0) | {
        "client_id": client_id, "kind": kind, "last_qty_lots": last, "cum_qty_lots": cum,
    }  # fmt: skip
    return Execution(**fields).pack()


def test_records_come_back_in_order(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "j", 8, run=5)
    assert journal.append(INTENT, order(1).pack(), 123)
    assert journal.append(EXEC, told(1, 4, cum=10), 456)
    copy = Journal.open_readonly(tmp_path / "j")
    assert [record.type for record in copy] == ["RUN", "INTENT", "EXEC"]
    assert [record.sequence for record in copy] == [1, 2, 3]
    assert {record.run for record in copy} == {5}
    assert copy[1].mono_ns == 123
    assert Order.unpack(copy[1].payload) == order(1)
    assert abs((copy[2].wall_ns - copy[1].wall_ns) - 333) == 0
    assert copy.verify() == (3, False, 0)


def test_a_full_journal_refuses_and_counts(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "j", 2, run=1)
    assert journal.append(INTENT, b"x")
    assert not journal.append(INTENT, b"y")
    assert (journal.count, journal.refused) == (2, 1)


def test_the_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    Journal.create(tmp_path / "j", 2, run=1)
    assert stat.S_IMODE(os.stat(tmp_path / "j").st_mode) == 0o600
    with pytest.raises(FileExistsError):
        Journal.create(tmp_path / "j", 2, run=2)


def test_a_closed_journal_refuses(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "j", 4, run=1)
    journal.append(INTENT, b"x")
    journal.sync()
    journal.close()
    journal.close()
    with pytest.raises(ValueError, match="is closed"):
        journal.append(INTENT, b"x")
    assert os.stat(tmp_path / "j").st_size == HEADER + 2 * RECORD, "cut to what it holds"
    assert Journal.open_readonly(tmp_path / "j").verify() == (2, False, 0)


@pytest.mark.parametrize(
    "content",
    [b"", b"short", b"\0" * 5000, os.urandom(5000)],
    ids=["empty", "short", "zeros", "noise"],  # every worker must find the same names
)
def test_a_foreign_file_is_no_journal(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "j").write_bytes(content)
    with pytest.raises(ValueError, match="is no journal"):
        Journal.open_readonly(tmp_path / "j")


def test_a_truncated_file_gives_its_whole_records(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "j", 10, run=1)
    for number in range(5):
        journal.append(INTENT, order(number + 1).pack())
    os.truncate(tmp_path / "j", HEADER + 3 * RECORD + 50)
    assert len(list(Journal.open_readonly(tmp_path / "j"))) == 3


@settings(max_examples=200, deadline=None)
@given(
    place=st.integers(0, 6 * RECORD - 1),
    flip=st.integers(1, 255),
)
def test_any_changed_byte_ends_the_journal_there(
    tmp_path_factory: pytest.TempPathFactory, place: int, flip: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "j"
    journal = Journal.create(path, 10, run=1)
    for number in range(5):
        journal.append(INTENT, order(number + 1).pack())
    journal.close()
    data = bytearray(path.read_bytes())
    data[HEADER + place] ^= flip
    path.write_bytes(data)
    report = Journal.open_readonly(path).verify()
    assert report == (place // RECORD, True, 5 - place // RECORD)
    assert len(list(Journal.open_readonly(path))) == place // RECORD


@pytest.mark.parametrize(("capacity", "run"), [(0, 1), (1 << 27, 1), (8, -1), (8, 1 << 28)])
def test_bad_arguments_are_named(tmp_path: Path, capacity: int, run: int) -> None:
    with pytest.raises(ValueError, match="accepted values are"):
        Journal.create(tmp_path / "j", capacity, run)
    assert not (tmp_path / "j").exists()


# ---- pages that the kernel has written -----------------------------------------------------------


def faults_of(journal: Journal, records: int) -> int:
    """Append so many records; return how many page faults that was to this thread."""
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for _ in range(records):
        journal.append(1, b"x", 1)
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before


def test_a_tended_journal_takes_no_fault_after_a_sync(tmp_path: Path) -> None:
    """A page that went to the disk is written again without a fault, seven pages ahead."""
    journal = Journal.create(tmp_path / "orders.journal", 4096, run=1)
    faults_of(journal, 64)
    journal.sync()
    if faults_of(journal, 160) < 4:
        pytest.skip("this file system lets pages be written at once after a sync")
    found = []
    for _ in range(3):  # a fault of the interpreter's own would be another
        journal.sync()
        journal.tend(lambda part: tmp_path / f"part-{part}")
        found.append(faults_of(journal, 160))
    assert min(found) == 0, found
    records = list(journal)
    assert len(records) == journal.count
    journal.close()
