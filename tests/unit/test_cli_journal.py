"""`arb journal`: a run in a person's words, checked, exported and pruned."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from arbitrage.cli.journal import _folded
from arbitrage.cli.journal import journal as command
from arbitrage.core.journal import TYPE_NAMES, Journal
from arbitrage.core.messages import Contract, ControlWords, Execution, Order, PairPhase
from arbitrage.core.records import ExecKind, Leg, make_client_id
from arbitrage.errors import ArbitrageError, ConfigError, JournalError
from arbitrage.trading.journal_rows import rows
from arbitrage.trading.run_journal import RunJournal
from arbitrage.trading.runs import StateFolder

BUY_ID, SELL_ID = make_client_id(7, 3, Leg.ENTRY_BUY, 0), make_client_id(7, 3, Leg.ENTRY_SELL, 0)


def append(journal: Journal, kind: str, record: Any, mono_ns: int) -> None:
    assert journal.append(TYPE_NAMES.index(kind), record.pack(), mono_ns)


def zeros(tuple_kind: Any, /, **values: Any) -> Any:
    return tuple_kind(**dict.fromkeys(tuple_kind._fields, 0) | values)


def write_run(folder: StateFolder, run: int, *, ended: bool) -> None:
    journal = Journal.create(folder.journal_path(run), 64, run)
    bybit = Contract(0, 0, 0, "BTCUSDT", "BTCUSDT", "0.10", "0.001")
    okx = Contract(8, 0, 1, "BTCUSDT", "BTC-USDT-SWAP", "0.1", "0.01")
    append(journal, "CONTRACT", bybit, 1)
    append(journal, "CONTRACT", okx, 2)
    buy = zeros(Order, client_id=BUY_ID, px_ticks=840001, qty_lots=25, opportunity_id=9)
    sell = buy._replace(client_id=SELL_ID, row=8, venue=1, side=1, px_ticks=840101, qty_lots=250)
    append(journal, "INTENT", buy, 3)
    append(journal, "INTENT", sell, 4)
    fill = zeros(
        Execution, client_id=BUY_ID, kind=int(ExecKind.FILL), px=84000.05, last_qty_lots=25,
        cum_qty_lots=25, fee_bps=5.5,
    )  # fmt: skip
    append(journal, "EXEC", fill, 5)
    append(journal, "EXEC", fill._replace(kind=int(ExecKind.DONE)), 6)
    if ended:
        refused = zeros(
            Execution, client_id=SELL_ID, row=8, venue=1, kind=int(ExecKind.REJECT),
            venue_code=51008, cum_qty_lots=-1,
        )  # fmt: skip
        append(journal, "EXEC", refused, 7)
        phase = zeros(
            PairPhase, pair=3, long_lots=25, sell_row=8, phase=4, reason=5, opportunity_id=9
        )
        append(journal, "PAIR", phase, 8)
        append(journal, "KILL", zeros(ControlWords, kill=2, opening_off=1, flatten=1), 9)
    journal.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with StateFolder(tmp_path / "state") as state:
        write_run(state, 5, ended=False)
        write_run(state, 7, ended=True)
    return tmp_path / "state"


def run(*args: str) -> Result:
    result = CliRunner().invoke(command, list(args))
    if result.exception is not None and not isinstance(result.exception, ArbitrageError):
        raise result.exception
    return result


def test_runs_are_listed_with_what_they_left_open(folder: Path) -> None:
    lines = run("list", "--state-dir", str(folder)).output.splitlines()
    assert lines[0].split() == ["run", "began", "files", "records", "open", "account", "state"]
    assert lines[1].split()[0] == "5"
    assert lines[1].split()[2:] == ["1", "7", "1", "-", "whole"]
    assert lines[2].split()[2:] == ["1", "10", "0", "-", "whole"]


def test_the_run_of_a_trader_that_holds_the_folder_is_running(folder: Path) -> None:
    def states() -> list[str]:
        lines = run("list", "--state-dir", str(folder)).output.splitlines()[1:]
        return [line[line.rindex("  ") :].strip() for line in lines]

    with StateFolder(folder) as state:
        number = state.next_run()
        write_run(state, number, ended=False)
        assert states() == ["whole", "whole", "running"]
    assert states() == ["whole", "whole", "whole"]


def test_the_newest_run_is_shown_in_words(folder: Path) -> None:
    lines = run("show", "--state-dir", str(folder)).output.splitlines()
    text = "\n".join(lines)
    assert len(lines) == 10
    assert "bybit  BTCUSDT  BTCUSDT, tick 0.10, lot 0.001" in lines[1]
    assert "pair 3 entry_buy#0  bybit  BTCUSDT  new_ioc  buy  0.025 BTC at 84000.1" in lines[3]
    assert "pair 3 entry_sell#0  okx  BTCUSDT  new_ioc  sell  2.5 contracts at 84010.1" in lines[4]
    assert "fill  buy  0.025 BTC at 84000.05  in all 0.025  fee bps 5.5" in lines[5]
    assert "okx  BTCUSDT  reject  code 51008" in lines[7]
    assert "BTCUSDT  unwinding  holds 0.025 BTC long, 0 contracts short  (leg_failed)" in lines[8]
    assert lines[9].endswith("killed (signal), opening_off, flatten")
    assert all(line.split()[1].endswith("Z") for line in lines), text


def test_a_fill_that_a_venue_made_is_nobodys_order(folder: Path) -> None:
    path = folder / "by-itself.journal"
    journal = Journal.create(path, 64, run=9)
    taken = zeros(
        Execution, kind=int(ExecKind.VENUE), side=1, px=83000.5, last_qty_lots=25, fee_bps=5.5
    )
    append(journal, "EXEC", taken, 5)
    with RunJournal([path]) as run_journal:
        *_, row = rows(run_journal)
    found = [row[key] for key in ("what", "side", "qty", "px")]
    assert found == ["venue", "sell", "25 lots", "83000.5"]
    assert not {"pair", "leg", "client_id"} & set(row)


@pytest.mark.parametrize(
    ("args", "count"),
    [
        (["--type", "intent"], 2),
        (["--type", "exec", "--type", "kill"], 4),
        (["--pair", "3"], 6),
        (["--pair", "4"], 0),
        (["--last", "2"], 2),
    ],
)
def test_records_are_chosen(folder: Path, args: list[str], count: int) -> None:
    done = run("show", *args, "--state-dir", str(folder))
    assert len(done.stdout.splitlines()) == count
    assert ("has no such record" in done.stderr) == (count == 0)


def test_exports_hold_the_same_rows(folder: Path, tmp_path: Path) -> None:
    state = ["--state-dir", str(folder)]
    run("export", "--json", str(tmp_path / "j"), *state)
    run("export", "--csv", str(tmp_path / "c"), *state)
    rows = [json.loads(line) for line in (tmp_path / "j").read_text().splitlines()]
    with (tmp_path / "c").open() as lines:
        table = list(csv.DictReader(lines))
    assert len(rows) == len(table) == 10
    for row, line in zip(rows, table, strict=True):
        assert {key: str(value) for key, value in row.items()} == {
            key: value for key, value in line.items() if value
        }
    assert rows[4]["client_id"] == SELL_ID
    assert (rows[4]["qty"], rows[4]["px"]) == ("2.5", "84010.1")
    assert [rows[index]["unit"] for index in (3, 4, 5)] == ["BTC", "contracts", "BTC"]
    assert "unit" not in rows[7]


def test_a_healthy_journal_verifies(folder: Path) -> None:
    result = run("verify", "--state-dir", str(folder))
    assert result.exit_code == 0
    assert "run 5: 7 records in 1 file" in result.output
    assert f"order {SELL_ID}: its end is not known" in result.output


def test_a_damaged_journal_is_named(folder: Path) -> None:
    path = next(folder.glob("orders-000000007-*"))
    data = bytearray(path.read_bytes())
    data[4096 + 2 * 128 + 70] ^= 1
    path.write_bytes(data)
    result = run("verify", "--state-dir", str(folder))
    assert "run 7: 2 records in 1 file, the one after them is not whole; damaged: 7" in (
        result.output
    )
    assert isinstance(result.exception, JournalError)
    assert "damaged" in run("list", "--state-dir", str(folder)).output


def test_a_history_that_cannot_be_is_told_with_its_record(folder: Path) -> None:
    with StateFolder(folder) as state:
        journal = Journal.create(state.journal_path(8), 64, 8)
    lone = zeros(Execution, client_id=make_client_id(8, 1, Leg.ENTRY_BUY, 0), kind=1)
    append(journal, "EXEC", lone, 1)
    order = zeros(Order, client_id=make_client_id(8, 2, Leg.ENTRY_BUY, 0), qty_lots=5)
    append(journal, "INTENT", order, 2)
    append(journal, "INTENT", order, 3)
    more = zeros(Execution, client_id=order.client_id, kind=3, last_qty_lots=6, cum_qty_lots=6)
    append(journal, "EXEC", more, 4)
    append(journal, "PAIR", zeros(PairPhase, pair=2, sell_row=8, phase=6), 5)
    append(journal, "PAIR", zeros(PairPhase, pair=2, sell_row=8, phase=7, long_lots=1), 6)
    journal.close()
    result = run("verify", "8", "--state-dir", str(folder))
    assert "1 of 1 journal tells what cannot be" in str(result.exception)
    told = result.output.split("5 records that cannot be:\n")[1].splitlines()
    assert [line.strip() for line in told] == [
        f"record 2: order {lone.client_id} was never intended here",
        f"record 4: order {order.client_id} was intended twice",
        f"record 5: order {order.client_id}: fills of 6 lots, of 5 ordered",
        "record 6: pair 2: it went from idle to closing",
        "record 7: pair 2 was written down with 1 lots long and 0 short; its orders make 0 and 0",
    ]


def test_pruning_keeps_the_newest_and_what_is_open(folder: Path) -> None:
    with StateFolder(folder) as state:
        write_run(state, 8, ended=True)
        write_run(state, 9, ended=True)
    state_dir = ["--state-dir", str(folder)]
    told = run("prune", "--keep", "1", "--dry-run", *state_dir).output
    assert "run 7: 1 file would go" in told
    assert len(list(folder.glob("*.journal"))) == 4
    told = run("prune", "--keep", "1", *state_dir).output
    assert "run 5 stays: the end of 1 order is not known" in told
    left = sorted(int(path.name.split("-")[1]) for path in folder.glob("*.journal"))
    assert left == [5, 9]
    assert "run 5: 1 file gone" in run("prune", "--keep", "1", "--open-too", *state_dir).output


def test_pruning_beside_a_trader_is_refused(folder: Path) -> None:
    with StateFolder(folder):
        result = run("prune", "--keep", "1", "--state-dir", str(folder))
    assert isinstance(result.exception, JournalError)
    assert "is in use by process" in str(result.exception)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["show", "6"], "there is no journal of run 6; the newest are 5, 7"),
        (["export"], "give one of --csv FILE and --json FILE"),
        (["export", "--csv", "-", "--json", "-"], "give one of"),
    ],
)
def test_what_is_not_there_is_one_clear_line(folder: Path, args: list[str], says: str) -> None:
    result = run(*args, "--state-dir", str(folder))
    assert isinstance(result.exception, ConfigError)
    assert says in str(result.exception)


def test_no_folder_and_no_journal_are_told_apart(tmp_path: Path) -> None:
    result = run("list", "--state-dir", str(tmp_path / "none"))
    assert "there is no state folder" in str(result.exception)
    result = run("list", "--state-dir", str(tmp_path))
    assert "holds no journal" in str(result.exception)


def test_long_lines_are_folded_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"{1:>8}  " + "word " * 30 + "end"
    assert _folded(line) == line
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    parts = _folded(line).split("\n")
    assert all(len(part) <= 100 for part in parts)
    assert " ".join(" ".join(parts).split()) == " ".join(line.split())
    assert parts[1].startswith(" " * 10 + "word")
