"""``arb replay``: recorded frames of both venues through the trader's own parsers and detector."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import msgspec

from arbitrage.cli import OutputFile, fees_option, symbols_option, write_text
from arbitrage.errors import ConfigError
from arbitrage.fees import FeeSchedule
from arbitrage.instruments import VENUES, Instrument, listed_instrument

__all__ = ["progress_bar", "replay"]

Progress = Callable[[float], None]
_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@contextmanager
def progress_bar(what: str) -> Iterator[Progress | None]:
    """Show a bar on stderr when that is a terminal; else nothing at all."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (what, BarColumn(bar_width=40), TaskProgressColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction)


def _table(result: dict[str, Any]) -> str:
    lines = [f"{name:<16}{value:>20,}" for name, value in result.items() if isinstance(value, int)]
    lines.append(f"{'wall_s':<16}{result['wall_s']:>20.3f}")
    lines.append(f"{'frames_per_s':<16}{result['frames_per_s']:>20,.0f}")
    lines.append(f"{'events_sha256':<16}{result['events_sha256'][:16]:>20}")
    return "\n".join(lines) + "\n"


def _tell(
    result: dict[str, Any], table_of: Callable[[dict[str, Any]], str], json_path: str | None
) -> int:
    """Print a result as a table, or write it as JSON where that is asked for."""
    if json_path is None:
        write_text("-", table_of(result))
    else:
        write_text(json_path, msgspec.json.encode(result).decode() + "\n")
    return 0


def _events(
    bybit: Path,
    okx: Path,
    min_net_bps: float,
    fees: FeeSchedule,
    max_age_ms: int,
    events: str | None,
) -> dict[str, Any]:
    """Find the opportunities in frames, and write them down where a file is named."""
    from arbitrage.research.replay import run_replay

    with progress_bar("replay") as progress:
        return run_replay(
            bybit=bybit,
            okx=okx,
            min_net_bps=min_net_bps,
            fees=fees.by_venue(),
            max_age_ms=max_age_ms,
            events_path=None if events is None else Path(events),
            progress=progress,
            needs_quotes=True,
        )


# ---- trading -------------------------------------------------------------------------------------


def _contracts(path: Path | None, symbols: tuple[str, ...]) -> list[Instrument]:
    """Read contracts from a file of `arb instruments --json`, or take the simulator's."""
    if path is None:
        from arbitrage.sim.instruments import CANONICAL_SYMBOLS, listed

        known = tuple(symbol for symbol in symbols if symbol in CANONICAL_SYMBOLS)
        return [_simulated(venue, item) for venue in VENUES for item in listed(venue, known)]
    try:
        rows = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
        return [listed_instrument(row) for row in rows if row["symbol"] in symbols]
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ConfigError(
            f"--instruments {path} is not what `arb instruments --json` writes: {error}"
        ) from None


def _simulated(venue: str, item: Any) -> Instrument:
    bundle = item.base[: -len(item.canonical.removesuffix("USDT"))]
    return Instrument(
        venue=venue,
        venue_symbol=item.name,
        symbol=item.canonical,
        base=item.canonical.removesuffix("USDT"),
        settle="USDT",
        contract_base_qty=item.contract_value,
        tick=item.tick,
        lot=item.lot,
        min_qty=item.qty(item.min_lots),
        max_qty=item.qty(item.max_lots),
        px_mult=Decimal(1) / Decimal(bundle or 1),
    )


def _trade(
    bybit: Path,
    okx: Path,
    min_net_bps: float,
    fees: FeeSchedule,
    max_age_ms: int,
    strategy: str | None,
    symbols: tuple[str, ...] | None,
    contracts_path: Path | None,
) -> dict[str, Any]:
    from arbitrage.config import load_settings
    from arbitrage.runtime.replay_trade import common_symbols, replay_market, replay_trade
    from arbitrage.trading.strategy_host import check_names

    chosen = symbols or common_symbols(bybit, okx)
    overrides = {
        "ARB_NAME": f"arbitrage-replay-{os.getpid()}",
        "ARB_MODE": "paper",
        "ARB_SYMBOLS": ",".join(chosen),
        "ARB_MIN_NET_BPS": repr(min_net_bps),
        "ARB_MIN_GROSS_BPS": repr(min(0.0, min_net_bps)),
        "ARB_FEES": ",".join(f"{venue}={bps!r}" for venue, bps in fees.by_venue().items()),
        "ARB_MAX_AGE_MS": str(max_age_ms),
        "ARB_STAGES": "inline",
        "ARB_FEED_MODE": "loop",
        "ARB_DEPTH": "off",
        "ARB_CONNECTIONS_PER_VENUE": "1",
    }
    if strategy is not None:
        overrides["ARB_STRATEGY"] = strategy
    settings = load_settings(overrides=overrides, needs_keys=False)
    check_names(settings.strategies)
    market = replay_market(settings, _contracts(contracts_path, chosen), chosen)
    return replay_trade(settings, market, bybit, okx)


def net_of(ledger: dict[str, str]) -> Decimal:
    """Return what all pairs brought together: fills less fees, since paper pays no funding."""
    return sum((Decimal(ledger[name]) for name in ("realised", "fees", "funding")), Decimal(0))


def _trade_table(found: dict[str, Any]) -> str:
    lines = [f"{name:<16}{value:>20,}" for name, value in found.items() if isinstance(value, int)]
    lines += [f"pairs {name:<10}{value:>20,}" for name, value in found["pairs"].items()]
    lines += [f"{name + ' USD':<16}{value:>20}" for name, value in found["ledger"].items()]
    lines.append(f"{'net USD':<16}{net_of(found['ledger']):>20}")
    for pair in found["by_pair"]:
        lines.append(
            f"  {pair['pair']:>5} {pair['symbol']:<10} {pair['kind']:<8} {pair['end']:<8} "
            f"{pair['reason']:<13} {pair['pair_bps']:>8.2f} bps"
        )
    return "\n".join(lines) + "\n"


def _decisions(folder: Path, verify: bool, events: str | None, json_path: str | None) -> int:
    from arbitrage.cli.replay_folder import replay_folder, table_of

    _only_given("FOLDER", {"folder", "verify", "events", "json_path"})
    with progress_bar("replay") as progress:
        found, is_well = replay_folder(folder, verify, events, progress)
    _tell(found, table_of, json_path)
    return 0 if is_well else 1


def _only_given(what: str, accepted: set[str]) -> None:
    """Refuse options that say nothing to `what`."""
    context = click.get_current_context()
    given = [
        parameter.opts[-1]
        for parameter in context.command.params
        if parameter.name is not None
        and parameter.name not in accepted
        and context.get_parameter_source(parameter.name) == click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        raise ConfigError(f"{', '.join(given)} belongs to frames, not to {what}; leave it out")


@click.command()
@click.argument(
    "folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--verify",
    is_flag=True,
    help="With FOLDER: compare with what the trader published; exit with 1 when it differs.",
)
@click.option("--bybit", type=_FILE, help="Frames of Bybit: .gz, .zst, plain.")
@click.option("--okx", type=_FILE, help="Frames of OKX: .gz, .zst, plain.")
@click.option(
    "--min-net-bps", type=float, default=0.0, show_default=True, help="Least net edge to open."
)
@click.option(
    "--fees",
    type=fees_option,
    metavar="LIST",
    default="bybit=5.5,okx=5.0",
    show_default=True,
    help="Taker fees in bps.",
)
@click.option(
    "--max-age-ms",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Oldest quote of a leg; 0: off.",
)
@click.option(
    "--events",
    type=OutputFile(),
    metavar="FILE",
    help="Write the events as CSV.",
)
@click.option(
    "--trade",
    "is_trading",
    is_flag=True,
    help="Also trade them on paper, in the files' own time, and report.",
)
@click.option(
    "--strategy",
    metavar="LIST",
    help="With --trade: spread, funding, package.module:Class, file.py:Class.",
)
@click.option(
    "--symbols",
    type=symbols_option,
    metavar="LIST",
    help="With --trade: canonical symbols; default: those in both files.",
)
@click.option(
    "--instruments",
    "contracts_path",
    type=_FILE,
    help="With --trade: contracts, as `arb instruments --json` wrote them; default: the "
    "simulated venues' list.",
)
@click.option(
    "--json",
    "json_path",
    type=OutputFile(),
    metavar="FILE",
    help="Write the result as one JSON object to a file, or - for stdout.",
)
def replay(
    folder: Path | None,
    verify: bool,
    bybit: Path | None,
    okx: Path | None,
    min_net_bps: float,
    fees: FeeSchedule,
    max_age_ms: int,
    events: str | None,
    is_trading: bool,
    strategy: str | None,
    symbols: tuple[str, ...] | None,
    contracts_path: Path | None,
    json_path: str | None,
) -> int:
    """Find the opportunities in a recording again.

    \b
    FOLDER is what `arb record` wrote: the trader's own decisions, by its own
    detector, wherever the recording has no gap.
      arb replay FOLDER --verify

    \b
    Frames are parsed and judged anew, with the files' own clock. A file holds one
    `recv_ns TAB frame` a line. Both are merged by recv_ns.
      arb replay --bybit bybit.frames.gz --okx okx.frames.gz --min-net-bps 4 \\
          --fees bybit=0,okx=0 --events events.csv --json -

    
    With --trade the trader's own detector and strategies run over the files in
    their own time and trade on paper; ARB_* variables say the limits and
    thresholds that are no options here.
      arb replay --bybit bybit.frames.gz --okx okx.frames.gz --trade \\
          --strategy examples/basis_reversion.py:BasisReversion --json -
    """
    if folder is not None:
        return _decisions(folder, verify, events, json_path)
    if bybit is None or okx is None or verify:
        raise ConfigError(
            "name the FOLDER of a recording (with --verify to compare), or --bybit FILE and "
            "--okx FILE"
        )
    if min_net_bps != min_net_bps or abs(min_net_bps) == float("inf"):
        raise ConfigError(f"--min-net-bps was {min_net_bps}; accepted is a finite number")
    if is_trading:
        if events is not None:
            raise ConfigError("--events is of a replay without --trade; leave one of them out")
        found = _trade(
            bybit, okx, min_net_bps, fees, max_age_ms, strategy, symbols, contracts_path
        )
        return _tell(found, _trade_table, json_path)
    if strategy or symbols or contracts_path:
        raise ConfigError("--strategy, --symbols and --instruments belong to --trade; add it")
    found = _events(bybit, okx, min_net_bps, fees, max_age_ms, events)
    return _tell(found, _table, json_path)
