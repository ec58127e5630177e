"""``arb instruments``: what the venues list, with their grids and the grid common to both."""

import asyncio
import io
import sys
from decimal import Decimal
from typing import Any

import click
import msgspec

from arbitrage.cli import OutputFile, symbols_option, write_text
from arbitrage.config import Settings, load_settings
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES, CommonLot, Instrument, common_lot

__all__ = ["instruments"]

TIMEOUT_S = 30.0
WIDTH = 200
COLUMNS = (
    ("symbol", "Symbol"),
    ("venue", "Venue"),
    ("venue_symbol", "Contract"),
    ("state", "State"),
    ("tick", "Tick"),
    ("lot", "Lot"),
    ("contract_base_qty", "Contract value"),
    ("px_mult", "Price x"),
    ("qty_mult", "Coins a unit"),
    ("min_qty", "Least qty"),
    ("min_notional", "Least USDT"),
    ("funding_interval_h", "Funding h"),
    ("inst_id_code", "instIdCode"),
    ("common_lot", "Common lot, coins"),
)
Row = dict[str, Any]


async def _ask_venue(settings: Settings, venue: str) -> dict[str, Instrument]:
    """Return canonical symbol -> contract, funding interval included."""
    from arbitrage.runtime.connectors import open_public_rest

    async with open_public_rest(settings, venue) as client:
        listed = await client.instruments()
        hours = await client.funding_intervals()
    return {
        item.symbol: msgspec.structs.replace(
            item, funding_interval_h=hours.get(item.venue_symbol, item.funding_interval_h)
        )
        for item in listed
    }


async def _ask(settings: Settings, venues: tuple[str, ...]) -> dict[str, dict[str, Instrument]]:
    """Ask venues at once; return venue -> canonical symbol -> contract."""
    async with asyncio.timeout(TIMEOUT_S):
        found = await asyncio.gather(*(_ask_venue(settings, venue) for venue in venues))
    return dict(zip(venues, found, strict=True))


def _choose(
    found: dict[str, dict[str, Instrument]], wanted: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Return the symbols to show: those asked for, else those that every venue asked lists."""
    if wanted is None:
        return tuple(sorted(set.intersection(*(set(listed) for listed in found.values()))))
    for symbol in wanted:
        for venue, listed in found.items():
            if symbol not in listed:
                raise ConfigError(
                    f"--symbols names {symbol}, but {venue} does not list it; remove it, ask the "
                    "other venue alone with --venue, or check the *_REST_URL variables"
                )
    return wanted


def _row(item: Instrument, grid: CommonLot | None) -> Row:
    row: Row = {name: getattr(item, name) for name, _ in COLUMNS if name != "common_lot"}
    row["common_lot"] = grid.base_qty if grid else None
    if grid:
        row["common_lot_lots"] = grid.lots_a if item.venue == VENUES[0] else grid.lots_b
    return row | {"max_qty": item.max_qty}


def list_rows(
    found: dict[str, dict[str, Instrument]], wanted: tuple[str, ...] | None
) -> list[Row]:
    """Return a row a contract, sorted by symbol unless symbols were named."""
    rows: list[Row] = []
    for symbol in _choose(found, wanted):
        items = [listed[symbol] for listed in found.values()]
        grid = common_lot(items[0], items[1]) if len(items) == len(VENUES) else None
        rows += [_row(item, grid) for item in items]
    return rows


def _text(value: object) -> str:
    """Write a value without exponent or needless zeros; what a venue does not name is a dash."""
    if value is None:
        return "-"
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(rows: list[Row], mode: str) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    symbols = len({row["symbol"] for row in rows})
    table = Table(
        title=f"{symbols} symbols, hosts of mode {mode}",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for _, head in COLUMNS:
        is_word = head in {"Symbol", "Venue", "Contract", "State"}
        table.add_column(head, justify="left" if is_word else "right", no_wrap=True)
    last = ""
    for row in rows:
        cells = [_text(row[name]) for name, _ in COLUMNS]
        if row["symbol"] == last:  # said once for both venues
            cells[0] = cells[-1] = ""
        last = row["symbol"]
        table.add_row(*cells)
    out = io.StringIO()
    # as wide as it needs on any terminal: a wrapped row can still be read, a cut one cannot
    Console(file=out, width=WIDTH, force_terminal=sys.stdout.isatty()).print(table)
    return out.getvalue()


def _csv(rows: list[Row]) -> str:
    import csv

    names = [name for name, _ in COLUMNS] + ["max_qty", "common_lot_lots"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(
        ["" if row.get(name) is None else _text(row[name]) for name in names] for row in rows
    )
    return out.getvalue()


def _json(rows: list[Row]) -> str:
    def plain(value: object) -> object:
        return _text(value) if isinstance(value, Decimal) else value

    return "".join(
        msgspec.json.encode({name: plain(value) for name, value in row.items()}).decode() + "\n"
        for row in rows
    )


@click.command()
@click.option(
    "--venue",
    type=click.Choice([*VENUES, "both"]),
    default="both",
    show_default=True,
    help="One venue's contracts, or those that both list.",
)
@click.option(
    "--symbols",
    type=symbols_option,
    metavar="LIST",
    help="Canonical symbols, such as BTCUSDT,PEPEUSDT; default: all.",
)
@click.option(
    "--mode",
    type=click.Choice(["paper", "demo", "testnet", "live"]),
    help="Whose hosts to ask; default: ARB_MODE, as for the trader.",
)
@click.option(
    "--json",
    "json_path",
    type=OutputFile(),
    metavar="FILE",
    help="Write a JSON object a contract and line, decimals as text, to a file or -.",
)
@click.option(
    "--csv", "csv_path", type=OutputFile(), metavar="FILE", help="Write CSV."
)
def instruments(
    venue: str,
    symbols: tuple[str, ...] | None,
    mode: str | None,
    json_path: str | None,
    csv_path: str | None,
) -> int:
    """List the perpetuals of both venues with their grids. Needs no keys.

    \b
    A price times "Price x" is that of one coin; a quantity times "Coins a unit" is in coins.
    The common lot is the least quantity that both venues can trade exactly.
      arb instruments --symbols BTCUSDT,PEPEUSDT
      arb instruments --venue okx --csv okx.csv
    """
    overrides = {"ARB_MODE": mode} if mode else {}
    settings = load_settings(overrides=overrides, needs_keys=False)
    chosen = VENUES if venue == "both" else (venue,)
    try:
        found = asyncio.run(_ask(settings, chosen))
    except TimeoutError:
        hosts = ", ".join(getattr(settings.hosts, name).rest for name in chosen)
        raise ConfigError(
            f"no answer within {TIMEOUT_S:g} s from {hosts}; check the *_REST_URL variables"
        ) from None
    rows = list_rows(found, symbols)
    if csv_path is not None:
        write_text(csv_path, _csv(rows))
    if json_path is not None:
        write_text(json_path, _json(rows))
    if json_path is None and csv_path is None:
        write_text("-", _table(rows, settings.mode))
    return 0
