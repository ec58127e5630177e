"""Backtest: the trader's own detector, strategies, gate and leg machine over recorded markets.

Virtual time: see `arbitrage.core.backtest` and docs/backtest.md, which says what the simulated
venues do and what they do not.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES
from arbitrage.research.array_data import ArrayData
from arbitrage.research.backtest_run import Progress, Run, arrays_of
from arbitrage.research.backtest_settings import (
    Named,
    Venue,
    plain_settings,
    read_config,
    rules_of,
)
from arbitrage.research.contracts import SIMULATORS_LIST
from arbitrage.research.figures import utc
from arbitrage.research.latency import Latency
from arbitrage.research.market import MarketData, open_data
from arbitrage.wording import listed

if TYPE_CHECKING:
    from arbitrage.research.results import Backtest

__all__ = ["Venue", "backtest", "read_config"]

_log = logging.getLogger("arbitrage.backtest")


def backtest(
    data: "MarketData | str | Path",
    strategy: Named | Sequence[Named] = "spread",
    config: Mapping[str, Any] | None = None,
    *,
    latency: Latency | None = None,
    venues: Venue | Mapping[str, Venue] | None = None,
    seed: int = 0,
    sample_s: float = 1.0,
    keep_opportunities: bool = True,
    close_at_end: bool = True,
    progress: Progress | None = None,
) -> "Backtest":
    """Run strategies over recorded markets in virtual time, and return what they did.

    The same data, strategy, config, latency and seed give the same result, to the byte.

    Parameters
    ----------
    data : MarketData, str or Path
        Or what `arbitrage.open_data` takes.
    strategy : str, class or sequence of them
        ``spread``, ``funding``, both with a comma between, a class made from
        `arbitrage.Strategy`, ``package.module:Class`` or ``file.py:Class``.
    config : mapping, optional
        Settings of the trader by field name or ARB_* name; the environment is not read. Fees are
        ``fees`` where given, else those of the contracts.
    latency : Latency, optional
        5 ms to a venue and 5 ms back where nothing is said.
    venues : Venue or mapping of str to Venue, optional
        Refusals, price band and money of both venues, or of each.
    seed : int
        Of all chance.
    sample_s : float
        Equity is noted at each change and so often; 0: at changes only.
    keep_opportunities : bool
        Whether the detector's events are kept: 120 bytes each.
    close_at_end : bool
        Whether pairs that stand at the last record are closed at the last books.
    progress : callable, optional
        Given the fraction that is done, now and then.

    Raises
    ------
    ConfigError
        A setting, strategy or latency that cannot be, no contract that is known, or nothing of
        one of the venues in the data.
    ArbitrageError
        A strategy's own code raised.

    Examples
    --------
    >>> result = arbitrage.backtest("recordings/monday", config={"min_net_bps": 2})
    >>> print(result)
    """
    from arbitrage.research.results import Backtest

    begun = time.perf_counter()
    _check_types(config, latency, seed, sample_s)
    opened, chosen, rules = _opened(data), latency or Latency(), rules_of(venues)
    _check_venues(opened)
    settings = read_config(config, opened.symbols)
    run = Run(
        opened, strategy, settings, chosen, rules,
        seed=seed, sample_s=sample_s, keep_opportunities=keep_opportunities,
    )  # fmt: skip
    run.run(opened, progress, close_at_end=close_at_end, in_one=isinstance(opened, ArrayData))
    _check_heard(opened, run)
    return Backtest(
        arrays_of(run.core),
        symbols=opened.symbols,
        contracts=opened.contracts,
        config=plain_settings(settings, opened.contracts),
        strategy=run.strategy_words,
        seed=seed,
        latency=chosen.describe(),
        counts=run.counts(),
        start_ns=opened.start_ns,
        end_ns=opened.end_ns,
        wall_s=time.perf_counter() - begun,
        source=_source(opened),
        contracts_from=opened.contracts_from,
        data=opened,
    )


# ---- what cannot be ------------------------------------------------------------------------------


def _check_types(config: Any, latency: Any, seed: Any, sample_s: Any) -> None:
    if config is not None and not isinstance(config, Mapping):
        raise ConfigError(
            f"config was {config!r}; accepted is a mapping of settings, {{'min_net_bps': 2}}"
        )
    if latency is not None and not isinstance(latency, Latency):
        raise ConfigError(
            f"latency was {latency!r}; accepted is a Latency, Latency.constant(order_us=3000)"
        )
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ConfigError(f"seed was {seed!r}; accepted is a whole number")
    if isinstance(sample_s, bool) or not isinstance(sample_s, int | float):
        raise ConfigError(f"sample_s was {sample_s!r}; accepted is a number of seconds")
    if not 0 <= sample_s <= 86_400:
        raise ConfigError(f"sample_s was {sample_s}; accepted values are 0 to 86400")


def _check_venues(data: MarketData) -> None:
    """Refuse data that cannot hold both venues, or any record, before it is read."""
    if not data.symbols:
        raise ConfigError("the data holds no symbol")
    if data.end_ns < data.start_ns or data.count == 0:
        raise ConfigError(f"the data holds no record of {listed(data.symbols)} in that time")
    venues = {venue for venue, _ in data.contracts}
    if len(venues) == 1:
        missing = next(venue for venue in VENUES if venue not in venues)
        raise ConfigError(
            f"the data holds {next(iter(venues))} alone; a backtest needs both venues, and nothing "
            f"is there of {missing}"
        )
    if data.contracts_from == SIMULATORS_LIST:
        _log.warning(
            "the contracts are the built-in simulator's: grids and sizes may not be those of the "
            "venues; `arb instruments --json FILE` says them, as instruments"
        )


def _check_heard(data: MarketData, run: Run) -> None:
    """Refuse a run in which a venue said nothing: its zeros would mean nothing."""
    heard = run.core.heard
    if all(heard):
        return
    silent = [venue for venue, records in zip(VENUES, heard, strict=True) if not records]
    raise ConfigError(
        f"the data holds no quote of {listed(silent)} for {listed(data.symbols)} from "
        f"{utc(data.start_ns, 'seconds')} to {utc(data.end_ns, 'seconds')}; a backtest needs both "
        "venues"
    )


def _opened(data: Any) -> MarketData:
    if isinstance(data, MarketData):
        return data
    if not isinstance(data, str | Path):
        raise ConfigError(
            f"data was {type(data).__name__}; accepted are a path, or MarketData of "
            "arbitrage.open_data or MarketData.from_records"
        )
    return open_data(data)


def _source(data: MarketData) -> dict[str, Any] | None:
    try:
        return data.source
    except ConfigError:
        return None
