"""How far apart two venues stood over time, both ways: from data of any size, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from arbitrage.core.market_records import ALL_SYMBOLS, MarketKind
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES, canonical_base, venue_symbol

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from arbitrage.research.replay import Replay

__all__ = ["Spreads", "spreads_of"]

BINS = 1200  # more than a plot is wide
SIDES = ("bid", "ask")


class Stream(Protocol):
    """What of market data is needed: `MarketData` is one."""

    symbols: tuple[str, ...]
    contracts: Any
    start_ns: int
    end_ns: int

    def blocks(self, rows: int = ...) -> "Iterator[NDArray[np.void]]":
        """Yield the records in order."""


@dataclass(frozen=True)
class Spreads:
    """The gross edge of one symbol over time, (bid - ask) / ask of the two venues, basis points.

    Attributes
    ----------
    symbol : str
        Canonical.
    ns : array of shape (bins,)
        Where each stretch of time begins, UTC nanoseconds.
    low, high, last : array of shape (2, bins)
        Least, greatest and last value in it; row 0 buys at Bybit and sells at OKX, row 1 the other
        way. What stood before goes on until a quote changes it; nan: a side had no quote.
    """

    symbol: str
    ns: "NDArray[np.int64]"
    low: "NDArray[np.float64]"
    high: "NDArray[np.float64]"
    last: "NDArray[np.float64]"

    @property
    def step_ns(self) -> int:
        """Length of a stretch."""
        return int(self.ns[1] - self.ns[0]) if len(self.ns) > 1 else 0


class _Tops:
    """The newest touch of both venues after each record of one symbol, across blocks."""

    def __init__(self, px_mult: "NDArray[np.float64]") -> None:
        self._mult = px_mult
        self._now = {(venue, side): np.nan for venue in range(len(VENUES)) for side in SIDES}

    def edges(self, records: "NDArray[np.void]") -> "NDArray[np.float64]":
        """Return (2, records): the gross edge both ways after each of them."""
        tops = {}
        for venue in range(len(VENUES)):
            mine = records["venue"] == venue
            place = np.maximum.accumulate(np.where(mine, np.arange(len(records)), -1))
            for side in SIDES:
                value = records[f"{side}_px"] * self._mult[venue]
                top = np.where(place >= 0, value[place], self._now[venue, side])
                tops[venue, side] = top
                self._now[venue, side] = float(top[-1])
        return np.stack(
            [
                (tops[1 - buy, "bid"] - tops[buy, "ask"]) / tops[buy, "ask"] * 1e4
                for buy in range(len(VENUES))
            ]
        )


def spreads_of(source: "Stream | Replay", symbol: str | None = None, bins: int = BINS) -> Spreads:
    """Return how the gross edge of a symbol went, in stretches of equal length.

    Nothing that happened between two stretches' ends is lost: `high` and `low` hold it.

    Parameters
    ----------
    source : MarketData or Replay
        Quotes: LEVEL records of books are not looked at.
    symbol : str, optional
        Canonical; default: the first.
    bins : int
        How many stretches.

    Raises
    ------
    ConfigError
        The symbol is not in it, or one of its venues has no quote.
    """
    symbols = source.symbols
    name = symbol if symbol is not None else symbols[0] if symbols else ""
    if name not in symbols:
        raise ConfigError(f"symbol was {name!r}; this data holds {', '.join(symbols) or 'none'}")
    index = symbols.index(name)
    parts = _parts(source, index)
    start_ns, end_ns, px_mult = next(parts)
    step_ns = max(1, -(-(end_ns - start_ns + 1) // bins))
    count = max(1, -(-(end_ns - start_ns + 1) // step_ns))
    low, high, last = (np.full((len(VENUES), count), np.nan) for _ in range(3))
    tops = _Tops(px_mult)
    touched = np.zeros(count, np.bool_)
    for records in parts:
        edges = tops.edges(records)
        place = (records["recv_ns"] - start_ns) // step_ns
        begin = np.flatnonzero(np.r_[True, place[1:] != place[:-1]])
        at = place[begin]
        touched[at] = True
        high[:, at] = np.fmax(high[:, at], np.fmax.reduceat(edges, begin, axis=1))
        low[:, at] = np.fmin(low[:, at], np.fmin.reduceat(edges, begin, axis=1))
        last[:, at] = edges[:, np.r_[begin[1:], len(records)] - 1]
    if np.isnan(last).all():
        raise ConfigError(f"no quotes of {name} at both venues in this data")
    return Spreads(name, start_ns + step_ns * np.arange(count), *_carried(touched, low, high, last))


def _carried(
    touched: "NDArray[np.bool_]",
    low: "NDArray[np.float64]",
    high: "NDArray[np.float64]",
    last: "NDArray[np.float64]",
) -> "tuple[NDArray[np.float64], ...]":
    """Let what stood at the end of a stretch stand in the next one, too, until a quote changes it.

    A stretch in which a side went away keeps nan as its last value, and so do those after it.
    """
    place = np.maximum.accumulate(np.where(touched, np.arange(len(touched)), -1))
    for row in range(len(last)):
        last[row] = np.where(place >= 0, last[row][place], np.nan)
        before = np.r_[np.nan, last[row][:-1]]
        low[row], high[row] = np.fmin(low[row], before), np.fmax(high[row], before)
    return low, high, last


def _parts(source: Any, index: int) -> Iterator[Any]:
    """Yield first (start_ns, end_ns, px_mult), then the symbol's records, blocks with recv_ns."""
    if hasattr(source, "quotes"):  # a replay: both venues' prices as they came
        quotes = source.quotes
        times = quotes["recv_ns"]
        ends = (int(times.min()), int(times.max())) if len(times) else (0, 0)
        yield *ends, _px_mults(source, index)
        mine = quotes[quotes["symbol_index"] == index]
        if len(mine):
            yield mine
        return
    yield source.start_ns, source.end_ns, _px_mults(source, index)
    for block in source.blocks():
        ours = (block["symbol"] == index) | (block["symbol"] == ALL_SYMBOLS)
        quotes = (block["kind"] == MarketKind.QUOTE) | (block["kind"] == MarketKind.GAP)
        mine = block[ours & quotes]
        if len(mine):
            yield _without_gaps(mine)


def _without_gaps(records: "NDArray[np.void]") -> "NDArray[np.void]":
    """A gap is a quote without prices."""
    gap = records["kind"] == MarketKind.GAP
    if gap.any():
        records = records.copy()
        for side in SIDES:
            records[f"{side}_px"][gap] = np.nan
    return records


def _px_mults(source: Any, index: int) -> "NDArray[np.float64]":
    """Return what each venue's price is multiplied with: its contract's, else by its name."""
    contracts = getattr(source, "contracts", {})
    symbol = source.symbols[index]
    found = []
    for venue in VENUES:
        known = contracts.get((venue, symbol))
        base = canonical_base(venue_symbol(venue, symbol).removesuffix("USDT"))
        found.append(1.0 / base[1] if known is None else float(known.px_mult))
    return np.array(found)
