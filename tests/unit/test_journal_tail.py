"""A journal followed while it is written: each record once, over files, runs and a cut end."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbitrage.core.journal import (
    HEADER_BYTES,
    RECORD_BYTES,
    TYPE_NAMES,
    Journal,
    whole_records,
)
from arbitrage.core.messages import Contract, Order
from arbitrage.errors import JournalError
from arbitrage.trading.journal_tail import JournalTail

INTENT, CONTRACT = TYPE_NAMES.index("INTENT"), TYPE_NAMES.index("CONTRACT")
PAGE_RECORDS = 4096 // RECORD_BYTES


def intent(number: int) -> bytes:
    fields = dict.fromkeys(Order._fields, 0) | {"client_id": 1, "opportunity_id": number}
    return Order(**fields).pack()


def naming(folder: Path, run: int) -> Callable[[int], Path]:
    return lambda part: folder / f"orders-{run:09d}-{part:05d}.journal"


def begin(folder: Path, run: int, capacity: int = 64) -> Journal:
    return Journal.create(naming(folder, run)(0), capacity, run)


def send(journal: Journal, folder: Path, numbers: range) -> None:
    for number in numbers:
        journal.tend(naming(folder, journal.run))
        assert journal.append(INTENT, intent(number))


def orders(tail: JournalTail, records_max: int = 1000) -> list[int]:
    return [
        row.row["opportunity_id"]
        for row in tail.take(records_max)
        if row.row["type"] == "intent"
    ]


def test_what_is_appended_comes_once(tmp_path: Path) -> None:
    with JournalTail(tmp_path, "orders", 3) as tail:
        assert tail.take(10) == []  # there is no file yet
        journal = begin(tmp_path, 3)
        send(journal, tmp_path, range(1, 4))
        (begun, *rest) = tail.take(10)
        assert (begun.run, begun.sequence, begun.row["type"]) == (3, 1, "run")
        assert [row.sequence for row in rest] == [2, 3, 4]
        assert abs(rest[0].wall_ns - begun.wall_ns) < 60e9
        assert tail.take(10) == []
        send(journal, tmp_path, range(4, 301))  # several files
        assert orders(tail, 7) == list(range(4, 11))
        assert orders(tail) == list(range(11, 301))
        assert tail.take(10) == []


def test_it_begins_behind_what_is_known_and_knows_the_contracts(tmp_path: Path) -> None:
    journal = begin(tmp_path, 3)
    contract = Contract(0, 0, 1, "BTCUSDT", "BTC-USDT-SWAP", "0.1", "0.01")
    assert journal.append(CONTRACT, contract.pack())
    send(journal, tmp_path, range(1, 101))
    with JournalTail(tmp_path, "orders", 3, 52) as tail:
        found = tail.take(1000)
    assert [row.row["opportunity_id"] for row in found] == list(range(51, 101))
    assert found[0].row["symbol"] == "BTCUSDT"


@pytest.mark.parametrize("count", [PAGE_RECORDS - 1, PAGE_RECORDS, PAGE_RECORDS + 1])
def test_a_file_that_is_closed_and_cut_can_be_followed_to_its_end(
    tmp_path: Path, count: int
) -> None:
    journal = begin(tmp_path, 3, capacity=256)
    with JournalTail(tmp_path, "orders", 3) as tail:
        send(journal, tmp_path, range(1, count))
        assert orders(tail) == list(range(1, count))
        journal.close()
        assert os.stat(naming(tmp_path, 3)(0)).st_size == HEADER_BYTES + count * RECORD_BYTES
        assert tail.take(10) == []  # behind the cut there is nothing, not even a page
        send(begin(tmp_path, 5), tmp_path, range(1, 3))
        assert tail.take(10) == []
        tail.last_run = 5
        assert orders(tail) == [1, 2]


def test_runs_that_left_no_journal_are_passed_over(tmp_path: Path) -> None:
    send(begin(tmp_path, 4), tmp_path, range(1, 3))
    send(begin(tmp_path, 9), tmp_path, range(3, 5))
    send(begin(tmp_path, 12), tmp_path, range(5, 7))
    with JournalTail(tmp_path, "orders", 2) as tail:
        tail.last_run = 9
        assert orders(tail, 3) == [1, 2]
        assert orders(tail) == [3, 4]
        assert tail.take(10) == []


def test_a_broken_file_is_named_and_may_come_right(tmp_path: Path) -> None:
    path = naming(tmp_path, 3)(0)
    path.write_bytes(b"no journal")
    with JournalTail(tmp_path, "orders", 3) as tail:
        with pytest.raises(JournalError, match=f"{path} cannot be read"):
            tail.take(10)
        path.unlink()
        send(begin(tmp_path, 3), tmp_path, range(1, 3))
        assert orders(tail) == [1, 2]


@given(data=st.data())
def test_records_end_at_the_first_that_is_not_whole(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = begin(folder, 3)
    send(journal, folder, range(1, 9))
    journal.close()
    whole = bytearray(naming(folder, 3)(0).read_bytes()[HEADER_BYTES:])
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    found = whole_records(bytes(whole), 3, 1)
    assert [record.sequence for record in found] == list(range(1, at // RECORD_BYTES + 1))
    cut = data.draw(st.integers(0, len(whole)))
    short = whole_records(bytes(whole[:cut]), 3, 1)
    assert len(short) == min(cut // RECORD_BYTES, at // RECORD_BYTES)


def test_records_of_another_run_or_place_are_none(tmp_path: Path) -> None:
    journal = begin(tmp_path, 3)
    send(journal, tmp_path, range(1, 3))
    block = naming(tmp_path, 3)(0).read_bytes()[HEADER_BYTES:]
    assert [record.sequence for record in whole_records(block, 3, 1)] == [1, 2, 3]
    assert whole_records(block, 4, 1) == whole_records(block, 3, 2) == []
    assert whole_records(b"", 3, 1) == []
