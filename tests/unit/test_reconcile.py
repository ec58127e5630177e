"""Recovery: what the last run left, and when a person must look first."""

from pathlib import Path

import pytest

from arbitrage.core.journal import Journal
from arbitrage.core.messages import Execution, Order
from arbitrage.errors import JournalError
from arbitrage.trading.reconcile import read_recovery
from arbitrage.trading.runs import StateFolder


def write(folder: StateFolder, run: int, *, ended: bool) -> Path:
    journal = Journal.create(folder.journal_path(run), 16, run)
    order = Order(**dict.fromkeys(Order._fields, 0) | {"client_id": run, "qty_lots": 3})
    journal.append(2, order.pack())
    if ended:
        done = Execution(**dict.fromkeys(Execution._fields, 0) | {"client_id": run, "kind": 4})
        journal.append(3, done.pack())
    journal.close()
    return folder.journal_path(run)


def test_nothing_to_recover_in_a_new_folder(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        assert read_recovery(folder, 5) is None


def test_the_newest_run_is_read(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        write(folder, 3, ended=False)
        write(folder, 4, ended=True)
        first, second = read_recovery(folder, 4), read_recovery(folder, 5)
    assert first is not None
    assert second is not None
    assert [one.order.client_id for one in first.open_intents] == [3]
    assert (first.is_clean, second.is_clean) == (False, True)
    assert (second.run, second.record_count, second.torn) == (4, 3, False)


def test_a_torn_end_is_told_and_a_damaged_middle_stops(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        path = write(folder, 3, ended=True)
        data = bytearray(path.read_bytes())
        data[4096 + 2 * 128 + 60] ^= 1
        path.write_bytes(data)
        torn = read_recovery(folder, 9)
        assert torn is not None
        assert (torn.torn, torn.is_clean, len(torn.open_intents)) == (True, False, 1)
        data[4096 + 128 + 60] ^= 1
        data[4096 + 2 * 128 + 60] ^= 1
        path.write_bytes(data)
        with pytest.raises(JournalError, match="damaged after record 1: 1 whole records"):
            read_recovery(folder, 9)


def test_a_foreign_file_is_one_clear_line(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        folder.journal_path(3).write_bytes(b"\0" * 9000)
        with pytest.raises(JournalError, match="is no journal"):
            read_recovery(folder, 9)
