"""``arb convert``: market data from one form into another."""

from contextlib import suppress
from typing import Any

import click
import msgspec

from arbitrage.cli import OutputFile, symbols_option, write_text
from arbitrage.cli.replay import progress_bar
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES

__all__ = ["convert"]


def _pairs(flag: str, example: str, words: tuple[str, ...]) -> dict[str, str]:
    """Read ``NAME=VALUE`` of a flag that is given once a name."""
    found: dict[str, str] = {}
    for word in words:
        name, sign, value = (part.strip() for part in word.partition("="))
        if not sign or not name or not value:
            raise ConfigError(f"{flag} was {word!r}; accepted is {example}")
        if name in found:
            raise ConfigError(f"{flag} gave {name} twice, {found[name]!r} and {value!r}; leave one")
        found[name] = value
    return found


def _columns(
    columns: tuple[str, ...], venues: tuple[str, ...], symbols: tuple[str, ...]
) -> dict[str, Any] | None:
    """Read ``bid_px=BID`` of flags; a number for a quantity is that much of every row."""
    found: dict[str, Any] = {**_pairs("--column", "NAME=COLUMN, bid_px=bid", columns)}
    for name in {"bid_qty", "ask_qty"} & set(found):
        with suppress(ValueError):
            found[name] = float(found[name])
    if venues:
        found["venues"] = _pairs("--venue", "WORD=VENUE, okex-swap=okx", venues)
    if symbols:
        found["symbols"] = _pairs("--symbol", "NAME=SYMBOL, BTC-PERP=BTCUSDT", symbols)
    return found or None


def _table(found: dict[str, Any]) -> str:
    lines = [f"{'form':<16}{found['form']:>20}", f"{'target':<16}{found['target']}"]
    lines += [f"{name:<16}{value:>20,}" for name, value in found.items() if isinstance(value, int)]
    lines.append(f"{'wall_s':<16}{found['wall_s']:>20.3f}")
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.argument("target")
@click.option("--okx", metavar="FILE", help="With SOURCE a file of Bybit: that of OKX.")
@click.option(
    "--to",
    "form",
    type=click.Choice(["parquet", "frames", "csv"]),
    help="What TARGET shall be; default: csv where it ends so, else parquet.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=COLUMN",
    help="SOURCE is a CSV or Parquet file of quotes: bid_px=bid, time_unit=ms, symbol=BTCUSDT ...",
)
@click.option(
    "--venue",
    "venue_words",
    multiple=True,
    metavar="WORD=VENUE",
    help="What a word of the venues' column stands for: okex-swap=okx, binance=none.",
)
@click.option(
    "--symbol",
    "symbol_words",
    multiple=True,
    metavar="NAME=SYMBOL",
    help="What a name of the symbols' column stands for: BTC-PERP=BTCUSDT.",
)
@click.option("--instruments", metavar="FILE", help="Contracts, as arb instruments --json wrote.")
@click.option("--symbols", metavar="LIST", help="Only these; default all.")
@click.option("--venues", metavar="LIST", help="Only these; default both.")
@click.option("--start", metavar="TIME", help="From then on, UTC: 2026-03-01 or 2026-03-01T08:30.")
@click.option("--end", metavar="TIME", help="Up to before then.")
@click.option(
    "--stream",
    type=click.Choice(["frames", "decisions"]),
    help="Of a recording: frames as they came, or quotes as the trader applied them.",
)
@click.option(
    "--compress",
    type=click.Choice(["gzip", "zstd", "none"]),
    default="gzip",
    show_default=True,
    help="Of frames.",
)
@click.option("--json", "json_path", type=OutputFile(), help="Write the result as JSON; - stdout.")
def convert(
    sources: tuple[str, ...],
    target: str,
    okx: str | None,
    form: str | None,
    columns: tuple[str, ...],
    venue_words: tuple[str, ...],
    symbol_words: tuple[str, ...],
    instruments: str | None,
    symbols: str | None,
    venues: str | None,
    start: str | None,
    end: str | None,
    stream: str | None,
    compress: str,
    json_path: str | None,
) -> int:
    """Convert market data: recordings, raw frames, Parquet, CSV.

    SOURCE is the folder of a recording, a file of raw frames, a Parquet data set (a folder, or an
    address such as s3://bucket/days), or with --column a CSV or Parquet file of best bids and asks;
    of files there may be several.
    TARGET becomes a Parquet data set, a folder of raw frames, or a CSV of quotes; nothing that is
    there is overwritten, whole days are added to a data set.

    \b
    arb convert ~/days/monday ~/parquet
    arb convert bybit.frames.gz s3://bucket/days --okx okx.frames.gz
    arb convert ~/parquet ~/again --to frames --start 2026-03-01 --end 2026-03-02
    arb convert quotes.csv ~/parquet --column recv_ns=time --column time_unit=ms ...
    arb convert data/*.csv ~/parquet --column venue=exchange --venue okex-swap=okx ...
    """
    from arbitrage.research.convert import convert as converted
    from arbitrage.research.market import open_data

    with progress_bar("convert") as progress:
        data = open_data(
            sources[0] if len(sources) == 1 else sources,
            okx=okx,
            columns=_columns(columns, venue_words, symbol_words),
            instruments=instruments,
            symbols=None if symbols is None else symbols_option(symbols),
            venues=None if venues is None else _venues(venues),
            start=start,
            end=end,
            stream=stream,
        )
        found = converted(data, target, form, compress=compress, progress=progress)
    if json_path is None:
        write_text("-", _table(found))
    else:
        write_text(json_path, msgspec.json.encode(found).decode() + "\n")
    return 0


def _venues(text: str) -> tuple[str, ...]:
    found = tuple(word.strip().lower() for word in text.split(","))
    for venue in found:
        if venue not in VENUES:
            raise ConfigError(f"--venues was {text!r}; accepted are {', '.join(VENUES)}")
    return found
