"""Recovery: which run the next one takes over, and when a person must look first."""

from decimal import Decimal
from pathlib import Path

import pytest

from arbitrage.cli.no_trader import last_run_text
from arbitrage.core.journal import TYPE_NAMES, Journal
from arbitrage.core.messages import Contract, Execution, Order, PairPhase, RunTaken
from arbitrage.core.records import ExecKind, Leg, make_client_id
from arbitrage.core.strategy import PHASES
from arbitrage.errors import JournalError
from arbitrage.trading.reconcile import newest_taken, read_recovery
from arbitrage.trading.run_journal import RunJournal
from arbitrage.trading.runs import StateFolder, journal_parts

MODE = 3
CODE = {name: TYPE_NAMES.index(name) for name in TYPE_NAMES}


def write(folder: StateFolder, run: int, *, ended: bool, mode: int | None = MODE) -> Path:
    """Write a run of one order for 3 lots; `mode` None: it died during its own recovery."""
    journal = Journal.create(folder.journal_path(run), 16, run)
    journal.append(CODE["CONTRACT"], Contract(0, 0, 0, "BTCUSDT", "BTCUSDT", "0.1", "1").pack())
    if mode is not None:
        journal.append(CODE["TAKEN"], RunTaken(0, 0, mode).pack())
        client_id = make_client_id(run, 1, Leg.ENTRY_BUY)
        order = Order(
            **dict.fromkeys(Order._fields, 0) | {"client_id": client_id, "qty_lots": 3}
        )
        journal.append(CODE["INTENT"], order.pack())
        if ended:
            fields = {"client_id": client_id, "kind": ExecKind.DONE, "cum_qty_lots": 0}
            done = Execution(**dict.fromkeys(Execution._fields, 0) | fields)
            journal.append(CODE["EXEC"], done.pack())
    journal.close()
    return folder.journal_path(run)


def test_nothing_to_recover_in_a_new_folder(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        assert read_recovery(folder, 5, MODE) is None


def test_the_newest_run_is_read(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        write(folder, 3, ended=False)
        write(folder, 4, ended=True)
        first, second = read_recovery(folder, 4, MODE), read_recovery(folder, 5, MODE)
    assert first is not None
    assert second is not None
    (order,) = first.past.open_orders
    assert (order.venue, order.venue_symbol, order.qty) == ("bybit", "BTCUSDT", Decimal(3))
    assert (first.is_clean, second.is_clean) == (False, True)
    assert (second.run, second.record_count, second.torn) == (4, 5, False)
    assert second.problems == ()


def test_records_that_cannot_be_are_told_with_their_numbers(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        path = write(folder, 3, ended=False)
        with RunJournal([path]) as journal:
            (intent,) = (record for record in journal if record.type == "INTENT")
        order = Order.unpack(intent.payload)
        again = Journal.create(folder.journal_path(4), 16, 4)
        again.append(CODE["CONTRACT"], Contract(0, 0, 0, "BTCUSDT", "BTCUSDT", "0.1", "1").pack())
        again.append(CODE["TAKEN"], RunTaken(0, 3, MODE).pack())
        for _ in range(2):
            again.append(CODE["INTENT"], order.pack())
        again.close()
        found = read_recovery(folder, 5, MODE)
    assert found is not None
    ((sequence, text),) = found.problems
    assert (sequence, text) == (5, f"order {order.client_id} was intended twice")


def test_runs_that_died_in_their_own_recovery_are_passed_over(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        write(folder, 3, ended=False)
        for run in range(4, 40):
            write(folder, run, ended=False, mode=None)
        found = read_recovery(folder, 99, MODE)
    assert found is not None
    assert (found.run, len(found.past.open_orders)) == (3, 1)


def test_a_run_of_another_mode_is_not_taken_over(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        write(folder, 3, ended=False, mode=1)
        write(folder, 4, ended=False, mode=MODE)
        assert [
            found.run for mode in (1, MODE) if (found := read_recovery(folder, 9, mode)) is not None
        ] == [3, 4]
        assert read_recovery(folder, 9, 2) is None


def test_the_run_that_the_next_start_needs_is_known_whatever_came_after_it(
    tmp_path: Path,
) -> None:
    with StateFolder(tmp_path) as folder:
        write(folder, 2, ended=True)
        write(folder, 3, ended=True)
        write(folder, 4, ended=True, mode=1)
        for run in range(5, 9):
            write(folder, run, ended=False, mode=None)
        assert newest_taken(journal_parts(tmp_path)) == {3, 4}


def test_a_torn_end_is_told_and_a_damaged_middle_stops(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        path = write(folder, 3, ended=True)
        data = bytearray(path.read_bytes())
        data[4096 + 4 * 128 + 60] ^= 1
        path.write_bytes(data)
        torn = read_recovery(folder, 9, MODE)
        assert torn is not None
        assert (torn.torn, torn.is_clean, len(torn.past.open_orders)) == (True, False, 1)
        data[4096 + 3 * 128 + 60] ^= 1
        data[4096 + 4 * 128 + 60] ^= 1
        path.write_bytes(data)
        with pytest.raises(JournalError, match="damaged after record 3: 1 whole records") as caught:
            read_recovery(folder, 9, MODE)
        place, title = str(caught.value).rsplit(": ", 1)[1].split(", ")
        page = (Path(__file__).parents[2] / place).read_text()
        assert f"\n## {title.strip(chr(34))}\n" in page, "it sends people to what is not there"


def test_a_journal_that_does_not_say_what_was_traded_stops(tmp_path: Path) -> None:
    """Its records are whole, and none is of a contract: no run of this program writes that."""
    with StateFolder(tmp_path) as folder:
        journal = Journal.create(folder.journal_path(3), 16, 3)
        journal.append(CODE["TAKEN"], RunTaken(0, 0, MODE).pack())
        fields = {"client_id": make_client_id(3, 1, Leg.ENTRY_BUY), "qty_lots": 3, "row": 5}
        journal.append(CODE["INTENT"], Order(**dict.fromkeys(Order._fields, 0) | fields).pack())
        journal.close()
        with pytest.raises(JournalError) as caught:
            read_recovery(folder, 9, MODE)
    assert str(caught.value).startswith(
        f"{folder.journal_path(3)} is damaged: row 5 was traded, and no record says which "
        "contract that is; close at the venues what it left standing"
    )
    # `arb status` and the others that no trader answers
    assert last_run_text(tmp_path) == (
        "what run 3 left is not known: row 5 was traded, and no record says which contract that is"
        '; see docs/recovery.md, "A damaged journal"'
    )


def test_a_pair_whose_contracts_are_not_told_stops(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        journal = Journal.create(folder.journal_path(3), 16, 3)
        journal.append(CODE["TAKEN"], RunTaken(0, 0, MODE).pack())
        fields = {"pair": 1, "phase": PHASES.index("opening"), "buy_row": 2, "sell_row": 6}
        told = PairPhase(**dict.fromkeys(PairPhase._fields, 0) | fields)
        journal.append(CODE["PAIR"], told.pack())
        journal.close()
        with pytest.raises(JournalError, match="is damaged: row 2 was traded"):
            read_recovery(folder, 9, MODE)


def test_a_whole_record_of_no_known_kind_stops(tmp_path: Path) -> None:
    """A payload too short for its kind, as a program of another layout would write it."""
    with StateFolder(tmp_path) as folder:
        journal = Journal.create(folder.journal_path(3), 16, 3)
        journal.append(CODE["TAKEN"], RunTaken(0, 0, MODE).pack())
        journal.append(CODE["EXEC"], b"1234")
        journal.close()
        with pytest.raises(JournalError, match="damaged: record 3 of run 3 is whole, and of no"):
            read_recovery(folder, 9, MODE)


def test_with_a_damaged_journal_moved_away_the_run_before_it_counts(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        write(folder, 3, ended=False)
        path = write(folder, 4, ended=True)
        data = bytearray(path.read_bytes())
        data[4096 + 3 * 128 + 60] ^= 1
        path.write_bytes(data)
        with pytest.raises(JournalError, match="docs/recovery"):
            read_recovery(folder, 9, MODE)
        (tmp_path / "kept").mkdir()
        path.rename(tmp_path / "kept" / path.name)
        found = read_recovery(folder, 9, MODE)
    assert found is not None
    assert (found.run, len(found.past.open_orders)) == (3, 1)


def test_a_foreign_file_is_one_clear_line(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        folder.journal_path(3).write_bytes(b"\0" * 9000)
        with pytest.raises(JournalError, match="is no journal"):
            read_recovery(folder, 9, MODE)


def test_a_journal_that_was_being_made_is_none(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        write(folder, 3, ended=True)
        unfinished = Path(f"{folder.journal_path(4)}.new")
        unfinished.write_bytes(b"\0" * 9000)
        found = read_recovery(folder, 9, MODE)
        assert found is not None
        assert found.run == 3
    with StateFolder(tmp_path):
        assert not unfinished.exists()
