"""Market data of the simulated venues, made in virtual time: an hour of it in seconds."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Any

from arbitrage.core.market_records import MARKET_DTYPE, MarketFlag, MarketKind
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES
from arbitrage.research.contracts import simulated_contracts
from arbitrage.research.market import MarketData, When, as_ns
from arbitrage.sim.config import SimConfig, SimError
from arbitrage.sim.funding_rates import HOUR_NS, draw_rate
from arbitrage.sim.instruments import Instrument, listed
from arbitrage.sim.market import SLOT_S, GapSchedule, SeededMarket

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["simulated_data"]

STEP_NS = 20_000_000  # what the market makes at once; more than 50 ms it would skip
START = "2026-03-01T00:00:00"
FEED_US = (2000.0, 1500.0)  # what a quote of each venue takes to arrive, in the middle
SCATTER = 0.25  # of it, the deviation of its logarithm
STEPS = (1.0, 0.5, 0.25, 0.1)  # of an edge's width, one after the other, then nothing
STEP_S = (0.020, 0.500)  # how long a step stands on average; alike likely by its logarithm


class FadingGaps(GapSchedule):
    """Gaps that open at once and go in steps, each after a time by chance: others take them."""

    __slots__ = ("_ends",)

    def load(self, slot: int) -> None:
        super().load(slot)
        least, most = STEP_S
        rng = Random(f"{self._seed}/{self._symbol}/fading/{slot}")
        mean_s = least * (most / least) ** rng.random()
        self._ends = list(
            accumulate((rng.expovariate(1 / mean_s) for _ in STEPS), initial=self.start)
        )[1:]

    def at(self, t: float, venue: str) -> float:
        slot = int(t // SLOT_S)
        if slot != self._slot:
            self.load(slot)
        if venue != self.venue or t < self.start:
            return 0.0
        step = bisect_right(self._ends, t)
        return self.width * STEPS[step] if step < len(STEPS) else 0.0


def simulated_data(
    symbols: Sequence[str] = ("BTCUSDT", "ETHUSDT"),
    seconds: float = 60.0,
    *,
    rate: int = 500,
    seed: int = 7,
    start: When = START,
    feed_us: tuple[float, float] = FEED_US,
) -> MarketData:
    """Return quotes and funding of both simulated venues, the touch only.

    The prices are those of ``arb sim`` with the same seed but for one thing: in each slot of three
    seconds the venues of a symbol part by 30 to 60 bps at once, as there, and come together in
    steps, the first after 20 to 500 ms on average: who is slow finds less. That they part so far
    and so often is more than real venues do: it shows how things work, not what they earn.
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
    feed_us : pair of float
        What a quote takes to arrive from Bybit and from OKX, median, microseconds; 0: nothing.

    Raises
    ------
    ConfigError
        A symbol that is not listed, or a number out of range.
    """
    import numpy as np

    if not 0 < seconds <= 86_400 or not 0 < rate <= 1_000_000 or min(feed_us) < 0:
        raise ConfigError(
            f"seconds were {seconds}, rate {rate}, feed_us {feed_us}; accepted are up to 86400 s, "
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
        median_ns = feed_us[number] * 1e3
        delays = (median_ns * np.exp(rng.normal(0.0, SCATTER, len(quotes)))).astype(np.int64)
        # a connection hands over in order: what was held up holds up what follows
        quotes["recv_ns"] = np.maximum.accumulate(quotes["exch_ns"] + delays)
        parts += [_funding(items, number, seed, start_ns), quotes]
    records = np.concatenate(parts)
    records = records[np.lexsort((records["venue"], records["recv_ns"]))]
    found = MarketData.from_records(records, tuple(symbols), simulated_contracts(symbols))
    found.contracts_from = "the simulator that made the data"
    return found


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

    market = SeededMarket(items, VENUES[venue], seed, rate, start_ns, gaps=FadingGaps)
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
