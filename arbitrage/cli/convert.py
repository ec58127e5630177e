"""``arb convert``: market data from one form into another."""

from typing import Any

import click
import msgspec

from arbitrage.cli import OutputFile, symbols_option, write_text
from arbitrage.cli.replay import progress_bar
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES

__all__ = ["convert"]


def _columns(pairs: tuple[str, ...]) -> dict[str, Any] | None:
    """Read ``bid_px=BID`` of flags; a number for a quantity is that much of every row."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name or not value:
            raise ConfigError(f"--column was {pair!r}; accepted is NAME=COLUMN, bid_px=bid")
        found[name] = value
        if name in {"bid_qty", "ask_qty"}:
            try:
                found[name] = float(value)
            except ValueError:
                continue
    return found or None


def _table(found: dict[str, Any]) -> str:
    lines = [f"{'form':<16}{found['form']:>20}", f"{'target':<16}{found['target']}"]
    lines += [f"{name:<16}{value:>20,}" for name, value in found.items() if isinstance(value, int)]
    lines.append(f"{'wall_s':<16}{found['wall_s']:>20.3f}")
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("source")
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
    source: str,
    target: str,
    okx: str | None,
    form: str | None,
    columns: tuple[str, ...],
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
    address such as s3://bucket/days), or with --column a CSV or Parquet file of best bids and asks.
    TARGET becomes a Parquet data set, a folder of raw frames, or a CSV of quotes; nothing that is
    there is overwritten, whole days are added to a data set.

    \b
    arb convert ~/days/monday ~/parquet
    arb convert bybit.frames.gz s3://bucket/days --okx okx.frames.gz
    arb convert ~/parquet ~/again --to frames --start 2026-03-01 --end 2026-03-02
    arb convert quotes.csv ~/parquet --column recv_ns=time --column time_unit=ms ...
    """
    from arbitrage.research.convert import convert as converted
    from arbitrage.research.market import open_data

    with progress_bar("convert") as progress:
        data = open_data(
            source,
            okx=okx,
            columns=_columns(columns),
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
