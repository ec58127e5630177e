"""What is said of a state folder where no trader answers."""

import os
from pathlib import Path

from test_history import RUN, Writer

from arbitrage.cli.no_trader import had_run, last_run_text, state_folder_of
from arbitrage.core.messages import RunTaken
from arbitrage.core.records import Leg
from arbitrage.trading.runs import StateFolder


def wrote(folder: Path) -> Writer:
    """Begin a run that has bought one leg."""
    writer = Writer(folder)
    writer.contracts()
    writer.append("TAKEN", RunTaken(0, 0, 3))
    writer.filled(writer.intent(Leg.ENTRY_BUY, 3), 3)
    return writer


def end(writer: Writer, folder: Path) -> None:
    writer.journal.close()
    (folder / "orders.journal").rename(folder / f"orders-{RUN:09d}-00000.journal")


def test_what_the_last_run_left_is_told_from_its_journal(tmp_path: Path) -> None:
    assert last_run_text(tmp_path) == ""
    writer = wrote(tmp_path)
    writer.intent(Leg.ENTRY_SELL, 2)
    end(writer, tmp_path)
    assert last_run_text(tmp_path) == (
        "the last run (8) ended without closing: 1 leg stands (long 0.003 of BTCUSDT at bybit) "
        "and the end of 1 order is not known; start the trader to take that over"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["orders-000000008-00000.journal"]


def test_a_run_that_closed_left_nothing(tmp_path: Path) -> None:
    writer = wrote(tmp_path)
    writer.filled(writer.intent(Leg.EXIT_SELL, 3), 3)
    end(writer, tmp_path)
    assert last_run_text(tmp_path) == ""


def test_who_holds_a_folder_is_told_instead(tmp_path: Path) -> None:
    with StateFolder(tmp_path):
        assert had_run(tmp_path), "a trader that starts there for the first time"
    assert not had_run(tmp_path)
    end(wrote(tmp_path), tmp_path)
    assert had_run(tmp_path)
    with StateFolder(tmp_path) as folder:
        folder.next_run()
        assert state_folder_of(os.getpid()) == tmp_path
        assert last_run_text(tmp_path).startswith(f"process {os.getpid()} holds the folder")
    assert last_run_text(tmp_path).startswith("the last run (8) ended without closing")
