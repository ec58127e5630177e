"""``arb pnl``: what was earned, read from the accounts that traders keep. Also while one runs."""

import csv
import importlib
import io
import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import click
import msgspec

from arbitrage.cli import OutputFile, write_text
from arbitrage.errors import ArbitrageError, ConfigError, JournalError
from arbitrage.trading.accounts import MODES, Accounts, read_accounts
from arbitrage.trading.history import History
from arbitrage.trading.pnl import Book, Marks
from arbitrage.trading.pnl_rows import (
    GROUPS,
    KEYS,
    Row,
    columns_of,
    money_of,
    pnl_rows,
    position_rows,
)
from arbitrage.trading.run_journal import RunJournal
from arbitrage.trading.runs import journal_parts

__all__ = ["pnl"]

_EXACT = {"volume", "realised", "fees", "funding", "net", "unrealised", "qty", "mark_px"}
_EXACT |= {"buy_px", "sell_px", "buy_exit_px", "sell_exit_px", "entry_px"}
_WIDE = {
    "pair": (
        "run", "pair", "symbol", "buy_venue", "sell_venue", "state", "reason", "started", "hold_s",
        "naked_ms", "realised", "fees", "funding", "net",
    ),
}  # fmt: skip
# What fits into 100 columns; `buy` says the rest of both venues, `end` is the state or the reason.
_NARROW = {
    "pair": ("run", "pair", "symbol", "buy", "end", "started", "fees", "funding", "net"),
}
_CENT = Decimal("0.0001")
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?Z?)?")


class Moment(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """A UTC day or time, as milliseconds from the epoch."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        try:
            if _TIME.fullmatch(value) is None:
                raise ValueError
            moment = datetime.fromisoformat(value.removesuffix("Z")).replace(tzinfo=UTC)
        except ValueError:
            flag = param.opts[0] if param is not None else "time"
            raise ConfigError(
                f"{flag} was {value!r}; accepted are UTC days and times such as 2026-11-22 and "
                "2026-11-22T08:00:00"
            ) from None
        return round(moment.timestamp() * 1000)


@click.command()
@click.option(
    "--by", type=click.Choice(GROUPS), default="day", show_default=True, help="A row for each."
)
@click.option("--since", type=Moment(), help="Only money that moved from this UTC day or time on.")
@click.option("--until", type=Moment(), help="Only money that moved before it.")
@click.option("--run", type=click.IntRange(0), help="Only what this run ordered.")
@click.option(
    "--mode", type=click.Choice(MODES), help="Whose money; default: the newest run's that traded."
)
@click.option(
    "--marks", metavar="NAME", help="Value what stands at this running trader's mid prices."
)
@click.option("--wide", is_flag=True, help="More columns of pairs than fit into 100 letters.")
@click.option("--state-dir", metavar="FOLDER", help="Folder; default: ARB_STATE_DIR.")
@click.option("--json", "json_path", type=OutputFile(), metavar="FILE", help="Write JSON, or -.")
@click.option("--csv", "csv_path", type=OutputFile(), metavar="FILE", help="Write CSV, or -.")
@click.option("--parquet", type=OutputFile(), metavar="FILE", help="Write Parquet (pyarrow).")
def pnl(
    by: str,
    since: int | None,
    until: int | None,
    run: int | None,
    mode: str | None,
    marks: str | None,
    wide: bool,
    state_dir: str | None,
    json_path: str | None,
    csv_path: str | None,
    parquet: str | None,
) -> int:
    """Show what was earned: realised profit, fees and funding, exact, and what still stands.

    Read from the accounts of all runs in the state folder, also while a trader writes there.
    """
    outputs = [path for path in (json_path, csv_path, parquet) if path is not None]
    if len(outputs) > 1:
        raise ConfigError("give one of --json, --csv and --parquet")
    if parquet == "-":
        raise ConfigError("--parquet was '-'; Parquet is no text, name a file")
    arrow = _arrow() if parquet is not None else None
    folder = _folder(state_dir)
    known = journal_parts(folder, "account")
    if run is not None and run not in known:
        raise ConfigError(f"{folder} holds no account of run {run}; the newest is {max(known)}")
    accounts = read_accounts(folder)
    chosen = mode or _newest_mode(accounts)
    prices = {} if marks is None else _marks(marks)
    histories = _histories(folder, accounts)
    book = Book(accounts, chosen, histories, since_ms=since, until_ms=until, run=run)
    rows = pnl_rows(book, by, prices, histories)
    # one run closes what another one opened: what stands is known of all of them together only
    standing = position_rows(book, prices) if run is None else []
    totals: Row = {"mode": chosen} | money_of(book.total) | {"unrealised": book.unrealised(prices)}
    for note in accounts.notes:
        click.echo(f"not whole: {note}", err=True)
    if json_path is not None:
        _write_json(json_path, by, rows, totals, standing, accounts)
    elif csv_path is not None:
        _write_csv(csv_path, by, rows)
    elif parquet is not None:
        _write_parquet(arrow, parquet, by, rows)
    else:
        text = _table(by, rows, totals, standing, of_all=run is None, wide=wide)
        if standing and since is None and until is None:
            text += _worth(totals)
        write_text("-", text)
        others = sorted({fill.mode for fill in accounts.fills} - {chosen})
        if others:
            write_text("-", f"other money in this folder: --mode {', --mode '.join(others)}\n")
    return 0


# ---- reading -------------------------------------------------------------------------------------


def _folder(path: str | None) -> Path:
    from arbitrage.config import load_settings

    overrides = {"ARB_STATE_DIR": path} if path else {}
    folder = load_settings(overrides=overrides, needs_keys=False).state_path
    if not folder.is_dir():
        raise ConfigError(f"there is no state folder {folder}; give --state-dir")
    if not journal_parts(folder, "account"):
        raise ConfigError(f"{folder} holds no account; give --state-dir, or run a trader first")
    return folder


def _newest_mode(accounts: Accounts) -> str:
    """Name whose money the newest run that traded moved."""
    newest = max(accounts.fills, key=lambda fill: fill.run, default=None)
    return MODES[0] if newest is None else newest.mode


def _histories(folder: Path, accounts: Accounts) -> dict[int, History]:
    """Replay the order journals of the runs that traded; what is gone or damaged is left out."""
    found: dict[int, History] = {}
    traded = {fill.client_id >> 35 for fill in accounts.fills if fill.client_id}
    for run, paths in journal_parts(folder).items():
        if run not in traded:
            continue
        try:
            with RunJournal(paths) as journal:
                found[run] = History.read(journal)
        except JournalError as error:
            accounts.notes.append(str(error))
    return found


def _marks(name: str) -> Marks:
    """Read a running trader's mid prices, in coins; rows without a live quote have none."""
    from arbitrage.core.store import ROW_LIVE
    from arbitrage.instruments import VENUES
    from arbitrage.runtime.attach import attach

    segment = attach(name)
    store = segment.store
    mult = store.column("px_mult")
    found: dict[tuple[str, str], Decimal] = {}
    for index, symbol in enumerate(segment.symbols):
        for venue_index, venue in enumerate(VENUES):
            row = store.read_row(venue_index, index)
            if row.state == ROW_LIVE and row.bid_px > 0 and row.ask_px > 0:
                mid = (Decimal(str(row.bid_px)) + Decimal(str(row.ask_px))) / 2
                found[venue, symbol] = mid * Decimal(str(float(mult[venue_index, index])))
    return found


# ---- writing -------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    return f"{value:f}" if isinstance(value, Decimal) else value


def _cell(name: str, value: Any) -> str:
    """Write a value for a person: money to a hundredth of a cent, rounded for display alone."""
    if value is None:
        return "-"
    if isinstance(value, Decimal) and name in {"realised", "fees", "funding", "net", "unrealised"}:
        return f"{value.quantize(_CENT, rounding=ROUND_HALF_EVEN):+,f}"
    if isinstance(value, Decimal):
        return f"{value.quantize(_CENT):,f}" if name == "volume" else f"{value:f}"
    return f"{value:,}" if name == "fills" else str(value)


def _table(
    by: str, rows: list[Row], totals: Row, standing: list[Row], *, of_all: bool, wide: bool
) -> str:
    chosen = (_WIDE if wide else _NARROW).get(by)
    columns = chosen or (*KEYS[by], "fills", "volume", "realised", "fees", "funding", "net")
    if by == "pair" and not wide:
        rows = [row | _short(row) for row in rows]
    grid = [list(columns)]
    grid += [[_cell(name, row.get(name)) for name in columns] for row in rows]
    if by != "total":
        label = ["total"] + [""] * (len(columns) - 1)
        last = [_cell(name, totals[name]) if name in totals else "" for name in columns]
        grid.append([word or figure for word, figure in zip(label, last, strict=True)])
    widths = [max(len(line[index]) for line in grid) for index in range(len(columns))]
    text = f"money of mode {totals['mode']}, USDT; fees and funding as they changed it\n"
    for line in grid:
        cells = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        text += "  ".join(cells).rstrip() + "\n"
    for row in standing:
        text += (
            f"standing: {_plain(row['qty'])} {row['symbol']} at {row['venue']}, entered at "
            f"{_plain(row['entry_px'])}, "
        )
        if row["unrealised"] is None:
            text += "mark unknown: its result is not counted here\n"
        else:
            text += f"mark {_plain(row['mark_px'])}: {_cell('unrealised', row['unrealised'])}\n"
    if standing or not of_all:
        return text
    return text + "nothing stands\n"


def _worth(totals: Row) -> str:
    """Return the line of all that was earned and stands; none where a mark is not known."""
    if totals["unrealised"] is None:
        return ""
    worth = {name: _cell(name, totals[name]) for name in ("net", "unrealised")}
    whole = _cell("net", totals["net"] + totals["unrealised"])
    return f"net {worth['net']}, unrealised {worth['unrealised']}, together {whole}\n"


def _short(row: Row) -> Row:
    """Return what stands in a pair's row in place of longer columns."""
    started = row.get("started")
    return {
        "buy": row.get("buy_venue"),
        "end": row.get("reason") if row.get("state") == "closed" else row.get("state"),
        "started": None if started is None else started[5:19].replace("T", " "),
    }


def _write_json(
    path: str, by: str, rows: list[Row], totals: Row, standing: list[Row], accounts: Accounts
) -> None:
    whole = {
        "mode": totals["mode"],
        "by": by,
        "rows": rows,
        "totals": totals,
        "standing": standing,
        "not_whole": accounts.notes,
    }
    text = msgspec.json.encode(_with_plain_decimals(whole))
    write_text(path, msgspec.json.format(text, indent=2).decode() + "\n")


def _with_plain_decimals(value: Any) -> Any:
    """Write decimals as texts without exponents, in nested lists and objects."""
    if isinstance(value, dict):
        return {name: _with_plain_decimals(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_plain_decimals(part) for part in value]
    return _plain(value)


def _write_csv(path: str, by: str, rows: list[Row]) -> None:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(columns_of(by)), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _plain(value) for name, value in row.items()} for row in rows)
    write_text(path, out.getvalue())


def _arrow() -> Any:
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError:
        raise ConfigError(
            "--parquet needs pyarrow, which is not installed: pip install pyarrow, or "
            "pip install '.[parquet]' in a clone"
        ) from None


def _write_parquet(arrow: Any, path: str, by: str, rows: list[Row]) -> None:
    """Write exact decimals as decimal128, each column as fine as its finest value."""
    columns, fields = [], []
    for name in columns_of(by):
        values = [row.get(name) for row in rows]
        kind = _arrow_type(arrow, name, values)
        columns.append(arrow.array(values, type=kind))
        fields.append(arrow.field(name, kind))
    table = arrow.Table.from_arrays(columns, schema=arrow.schema(fields))
    try:
        arrow.parquet.write_table(table, path)
    except OSError as error:
        raise ConfigError(f"--parquet {path} cannot be written: {error}") from None


def _arrow_type(arrow: Any, name: str, values: list[Any]) -> Any:
    if name in {"fills", "run", "pair"}:
        return arrow.int64()
    if name in {"hold_s", "naked_ms"}:
        return arrow.float64()
    if name not in _EXACT:
        return arrow.string()
    scale = whole = 1
    for value in values:
        if value is not None:
            _, digits, exponent = value.as_tuple()
            scale = max(scale, -exponent)
            whole = max(whole, len(digits) + exponent)
    if scale + whole > 38:
        raise ArbitrageError(
            f"column {name} needs {scale + whole} digits, and Parquet's decimals hold 38; use --csv"
        )
    return arrow.decimal128(38, scale)
