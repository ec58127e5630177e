"""Market data of the simulated venues, made in virtual time: an hour of it in seconds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from arbitrage.core.market_records import MARKET_DTYPE, MarketFlag, MarketKind
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES
from arbitrage.research.contracts import simulated_contracts
from arbitrage.research.market import MarketData, When, as_ns
from arbitrage.sim.config import SimConfig, SimError
from arbitrage.sim.funding_rates import HOUR_NS, draw_rate
from arbitrage.sim.instruments import Instrument, listed
from arbitrage.sim.market import SeededMarket

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["simulated_data"]

STEP_NS = 20_000_000  # what the market makes at once; more than 50 ms it would skip
START = "2026-03-01T00:00:00"
FEED_MS = (2.0, 1.5)  # what a quote of each venue takes to arrive, in the middle
SCATTER = 0.25  # of it, the deviation of its logarithm


def simulated_data(
    symbols: Sequence[str] = ("BTCUSDT", "ETHUSDT"),
    seconds: float = 60.0,
    *,
    rate: int = 500,
    seed: int = 7,
    start: When = START,
    feed_ms: tuple[float, float] = FEED_MS,
) -> MarketData:
    """Return quotes and funding of both simulated venues, the touch only.

    The prices are those of ``arb sim`` with the same seed: in each slot of three seconds the
    venues of a symbol part by 30 to 60 bps for a moment. That is far more than real venues do.
    Each quote arrives some milliseconds after the venue made it; a venue's quotes keep their order.

    Parameters
    ----------
    symbols : sequence of str
        Canonical, of those that the simulator lists.
    seconds : float
        How long it lasts.
    rate : int
        Quotes a second and venue, over all symbols.
    seed : int
        Another one, another market.
    start : int, str or datetime
        When it begins, UTC.
    feed_ms : pair of float
        What a quote takes to arrive from Bybit and from OKX, median, milliseconds; 0: nothing.

    Raises
    ------
    ConfigError
        A symbol that is not listed, or a number out of range.
    """
    import numpy as np

    if not 0 < seconds <= 86_400 or not 0 < rate <= 1_000_000 or min(feed_ms) < 0:
        raise ConfigError(
            f"seconds were {seconds}, rate {rate}, feed_ms {feed_ms}; accepted are up to 86400 s, "
            "1 to 1000000 quotes a second, and times from 0"
        )
    start_ns = as_ns(start, "start") or 0
    rng = np.random.default_rng(seed)
    parts = []
    for number, venue in enumerate(VENUES):
        try:
            items = listed(venue, tuple(symbols))
        except SimError as error:
            raise ConfigError(str(error)) from None
        quotes = _quotes(items, number, seed, rate, start_ns, round(seconds * 1e9))
        median_ns = feed_ms[number] * 1e6
        delays = (median_ns * np.exp(rng.normal(0.0, SCATTER, len(quotes)))).astype(np.int64)
        # a connection hands over in order: what was held up holds up what follows
        quotes["recv_ns"] = np.maximum.accumulate(quotes["exch_ns"] + delays)
        parts += [_funding(items, number, seed, start_ns), quotes]
    records = np.concatenate(parts)
    records = records[np.lexsort((records["venue"], records["recv_ns"]))]
    return MarketData.from_records(records, tuple(symbols), simulated_contracts(symbols))


def _quotes(
    items: Sequence[Instrument], venue: int, seed: int, rate: int, start_ns: int, span_ns: int
) -> "NDArray[np.void]":
    import numpy as np

    rows: list[tuple[Any, ...]] = []
    ticks = [float(item.tick) for item in items]
    lots = [float(item.lot) for item in items]
    places = [(item.px_places, item.qty_places) for item in items]

    def sink(
        index: int, bid_ticks: int, ask_ticks: int, bid_lots: int, ask_lots: int, wall_ns: int,
        raw: bytes = b"", update_id: int = 0, seq: int = 0,
    ) -> None:  # fmt: skip
        if wall_ns < start_ns:
            return
        tick, lot, (px, qty) = ticks[index], lots[index], places[index]
        rows.append(
            (wall_ns, round(bid_ticks * tick, px), round(bid_lots * lot, qty),
             round(ask_ticks * tick, px), round(ask_lots * lot, qty), index)
        )  # fmt: skip

    market = SeededMarket(items, VENUES[venue], seed, rate, start_ns)
    for since in range(0, span_ns, STEP_NS):
        market.advance(start_ns + since, sink)
    found = np.zeros(len(rows), MARKET_DTYPE)
    columns = list(zip(*rows, strict=True))
    names = ("exch_ns", "bid_px", "bid_qty", "ask_px", "ask_qty", "symbol")
    for name, column in zip(names, columns, strict=True):
        found[name] = column
    found["number"] = np.arange(1, len(rows) + 1)
    found["venue"] = venue
    found["kind"] = MarketKind.QUOTE
    found["flags"] = MarketFlag.LAST
    return found


def _funding(
    items: Sequence[Instrument], venue: int, seed: int, start_ns: int
) -> "NDArray[np.void]":
    """Return what each contract's rate is at the start; it settles at the contract's hours."""
    import numpy as np

    found = np.zeros(len(items), MARKET_DTYPE)
    config = SimConfig(venue=VENUES[venue], seed=seed)
    for row, item in zip(found, items, strict=True):
        interval_ns = item.funding_hours * HOUR_NS
        period = start_ns // interval_ns
        row["recv_ns"] = row["exch_ns"] = start_ns
        row["bid_px"] = float(draw_rate(config, item, period))
        row["bid_qty"] = item.funding_hours
        row["ask_px"] = row["ask_qty"] = np.nan
        row["number"] = (period + 1) * interval_ns
        row["symbol"], row["venue"] = item.index, venue
        row["kind"], row["flags"] = MarketKind.FUNDING, MarketFlag.LAST
    return found
