"""What the arrays of a backtest, a replay or a recording say, as numbers; NumPy only.

Threads: any; nothing is kept.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from arbitrage.core.records import CloseReason, OppEvent
from arbitrage.research.result_types import CAUGHT_DTYPE, LIVES_DTYPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "AMOUNTS",
    "DAY_NS",
    "HOUR_NS",
    "caught",
    "changes",
    "drawdown",
    "lives_of",
    "percentiles",
    "sharpe",
    "sums_by",
    "time_mean",
]

# the amounts of a pair, in the order in which they make its net result
AMOUNTS = ("gross_usd", "slippage_usd", "fees_usd", "funding_usd", "net_usd")
HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
_BITS = 40  # of a time within a life, ns: 18 minutes; more counts as that


class _Grouped:
    """Events in order of life, and where each life begins among them."""

    def __init__(
        self, events: "NDArray[np.void]", px_mult: "ArrayLike | None", end_ns: int | None
    ) -> None:
        order = np.argsort(events["id"], kind="stable")
        self.events = events = events[order]
        ids = events["id"]
        self.begin = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]]) if len(ids) else order
        self.last = np.r_[self.begin[1:], len(ids)].astype(np.int64) - 1
        first, last = events[self.begin], events[self.last]
        self.open_ns = first["open_mono_ns"].astype(np.int64)
        self.is_closed = last["event"] == int(OppEvent.CLOSE)
        if end_ns is None:
            end_ns = int(events["recv_mono_ns"].max()) if len(events) else 0
        self.close_ns = np.where(self.is_closed, last["recv_mono_ns"], end_ns)
        self.size_usd = _size_usd(events, px_mult)


def _size_usd(events: "NDArray[np.void]", px_mult: "ArrayLike | None") -> "NDArray[np.float64]":
    if px_mult is None:
        return np.full(len(events), np.nan)
    mult = np.asarray(px_mult, np.float64)
    buy_venue = (events["buy_row"] > events["sell_row"]).astype(np.intp)
    found: NDArray[np.float64] = (
        np.minimum(events["ask_qty"], events["bid_qty"])
        * events["ask_px"]
        * mult[buy_venue, events["symbol_index"]]
    )
    return found


def lives_of(
    events: "NDArray[np.void]", px_mult: "ArrayLike | None" = None, end_ns: int | None = None
) -> "NDArray[np.void]":
    """Return one row an opportunity, of its OPEN, UPDATE and CLOSE events.

    Parameters
    ----------
    events : structured array of OPPORTUNITY_DTYPE
        In the order in which they happened; the lives may lie among each other.
    px_mult : array of shape (2, symbols), optional
        What a venue's price is multiplied with to be the price of one coin. Without it no
        contract is known, and ``size_usd`` is nan.
    end_ns : int, optional
        When the data ended: until then a life without a CLOSE stood. Default: the last event.

    Returns
    -------
    structured array of LIVES_DTYPE
        In order of ``open_ns``.
    """
    lives = np.zeros(0, LIVES_DTYPE)
    if len(events) == 0:
        return lives
    groups = _Grouped(events, px_mult, end_ns)
    first, last = groups.events[groups.begin], groups.events[groups.last]
    lives = np.zeros(len(first), LIVES_DTYPE)
    lives["id"] = first["id"]
    lives["open_ns"] = groups.open_ns
    lives["close_ns"] = groups.close_ns
    lives["open_net_bps"] = first["net_bps"]
    lives["gross_bps"] = first["gross_bps"]
    stood = groups.events["event"] != int(OppEvent.CLOSE)
    net = np.where(stood, groups.events["net_bps"], np.nan)
    lives["peak_net_bps"] = np.fmax.reduceat(net, groups.begin)
    lives["size_usd"] = groups.size_usd[groups.begin]
    lives["update_count"] = last["update_count"]
    lives["symbol"] = first["symbol_index"]
    lives["buy_venue"] = first["buy_row"] > first["sell_row"]
    lives["sell_venue"] = first["buy_row"] < first["sell_row"]
    lives["reason"] = np.where(groups.is_closed, last["reason"], int(CloseReason.NONE))
    ordered: NDArray[np.void] = lives[np.lexsort((lives["id"], lives["open_ns"]))]
    return ordered


def caught(
    events: "NDArray[np.void]",
    latencies_us: "ArrayLike",
    px_mult: "ArrayLike | None" = None,
    end_ns: int | None = None,
) -> "NDArray[np.void]":
    """Return what would still have been there this long after each opportunity opened.

    A latency is counted from the receipt of the quote that opened it to the match at the venues:
    receive, decide, send, match. An opportunity is caught when it still stands then; its edge and
    size are those of its newest event up to then.

    Parameters
    ----------
    events, px_mult, end_ns
        As :func:`lives_of`.
    latencies_us : array of float
        Microseconds, from 0.

    Returns
    -------
    structured array of CAUGHT_DTYPE
        One row a latency, in the order given.
    """
    waits = np.atleast_1d(np.asarray(latencies_us, np.float64))
    if not (waits >= 0).all():
        raise ValueError(f"latencies_us were {waits.tolist()}; accepted are numbers from 0")
    found = np.zeros(len(waits), CAUGHT_DTYPE)
    found["latency_us"] = waits
    found["net_bps"] = np.nan
    if len(events) == 0:
        found["share"] = np.nan
        return found
    groups = _Grouped(events, px_mult, end_ns)
    life = np.repeat(np.arange(len(groups.begin)), np.diff(np.r_[groups.begin, len(events)]))
    since = groups.events["recv_mono_ns"] - groups.open_ns[life]
    most = (1 << _BITS) - 1
    keys = (life << _BITS) + np.clip(since, 0, most)
    net = groups.events["net_bps"]
    for row, wait_us in zip(found, waits, strict=True):
        wait_ns = round(min(wait_us * 1e3, most))
        alive = groups.open_ns + wait_ns < groups.close_ns
        here = np.flatnonzero(alive)
        at = np.searchsorted(keys, (here << _BITS) + wait_ns, side="right") - 1
        at = np.maximum(at, groups.begin[here])  # of a life whose OPEN was not recorded
        row["count"] = len(here)
        row["share"] = len(here) / len(groups.begin)
        row["net_bps"] = net[at].mean() if len(here) else np.nan
        row["edge_usd"] = np.nansum(net[at] * groups.size_usd[at]) / 1e4 if len(here) else 0.0
        if px_mult is None:
            row["edge_usd"] = np.nan
    return found


def drawdown(equity_usd: "ArrayLike") -> "NDArray[np.float64]":
    """Return how far each value lies below the highest one before it; the start, 0, counts."""
    values = np.asarray(equity_usd, np.float64)
    under: NDArray[np.float64] = values - np.maximum(np.maximum.accumulate(values), 0.0)
    return under


def changes(
    equity: "NDArray[np.void]", start_ns: int, end_ns: int, step_ns: int
) -> "NDArray[np.float64]":
    """Return how much the equity changed in each UTC hour or day that the data touches, USD.

    Parameters
    ----------
    equity : structured array of EQUITY_DTYPE
    start_ns, end_ns : int
        Of the data. What changed after its end, while pairs were closed, counts to the last step.
    step_ns : int
        HOUR_NS or DAY_NS.
    """
    steps = np.arange(start_ns // step_ns, end_ns // step_ns + 1)
    if len(steps) == 0:
        return np.zeros(0)
    ends = np.searchsorted(equity["ns"], (steps + 1) * step_ns, side="left")
    ends[-1] = len(equity)
    levels = np.r_[0.0, equity["equity_usd"]][ends]
    found: NDArray[np.float64] = np.diff(np.r_[0.0, levels])
    return found


def sharpe(changes_usd: "ArrayLike", steps_a_year: int, least: int) -> float | None:
    """Return mean over deviation of the changes, a year's; None: fewer than `least`, or no change.

    Of money, not of returns: a backtest begins without capital. The riskless rate counts as 0.
    """
    values = np.asarray(changes_usd, np.float64)
    deviation = float(values.std(ddof=1)) if len(values) >= max(2, least) else 0.0
    return float(values.mean()) / deviation * steps_a_year**0.5 if deviation else None


def time_mean(ns: "ArrayLike", values: "ArrayLike", end_ns: int) -> float:
    """Return the mean over time of what holds from each time to the next; nan without time."""
    times = np.asarray(ns, np.int64)
    if len(times) == 0:
        return float("nan")
    spans = np.diff(np.r_[times, max(end_ns, int(times[-1]))]).astype(np.float64)
    total = spans.sum()
    return float((spans * np.asarray(values, np.float64)).sum() / total) if total else float("nan")


def percentiles(values: "ArrayLike", *fractions: float) -> list[float | None]:
    """Return the values at these fractions, 0 to 1; each None when there are no values."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if len(known) == 0:
        return [None] * len(fractions)
    return [float(one) for one in np.quantile(known, fractions)]


def sums_by(
    pairs: "NDArray[np.void]", keys: "ArrayLike", names: "Sequence[str] | None" = None
) -> dict[Any, dict[str, float]]:
    """Return the pairs' amounts, and how many pairs there were, for each value of `keys`."""
    values, place = np.unique(np.asarray(keys), return_inverse=True)
    counts = np.bincount(place, minlength=len(values))
    sums = {name: np.bincount(place, pairs[name], len(values)) for name in AMOUNTS}
    return {
        names[value] if names is not None else value: {
            "pairs": int(counts[row]),
            **{name: float(sums[name][row]) for name in AMOUNTS},
        }
        for row, value in enumerate(values.tolist())
    }
