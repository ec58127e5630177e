"""A running trader in a notebook: live arrays, tables of this moment, and a plot that updates.

All of it is read from the trader's shared memory, which is mapped read-only: nothing done here can
slow or change the trader.
"""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from arbitrage.cold.deck import Deck, DeckReader
from arbitrage.core.records import OPPORTUNITY_DTYPE, OppEvent
from arbitrage.core.segment import VENUES, Segment
from arbitrage.core.store import ROW_LIVE
from arbitrage.errors import ConfigError, SegmentGoneError
from arbitrage.research.figures import duration, usd
from arbitrage.research.live_table import Table
from arbitrage.runtime.attach import attach as attach_segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from arbitrage.research.live_plot import LiveSeries

__all__ = ["LiveTrader", "attach"]

LOOK_S = 0.02  # between two looks at the quotes while a plot runs
EVENTS_KEPT = 200_000  # 24 MB
SHOWN = 10  # opportunities of an overview


def attach(name: str = "arbitrage", *, dead: bool = False) -> "LiveTrader":
    """Attach to a trader's shared memory; nothing done with it can slow or change the trader.

    Parameters
    ----------
    name : str
        The trader's name (``ARB_NAME``).
    dead : bool
        Whether to read what a trader that was killed has left, too: its last quotes and counts,
        as they were then. They stay until the next start of that name.

    Returns
    -------
    LiveTrader
        Live arrays and tables. Everything of `Segment` is in it: ``store`` (zero-copy read-only
        arrays, venue by symbol: axis 0 in the order of `arbitrage.VENUES`, axis 1 in that of
        ``symbols``), ``symbols``, ``opportunities``, ``counters()``, ``queues()``, ``latency``,
        ``threads()``, ``alive``.

    Raises
    ------
    SegmentGoneError
        No such trader runs; one that was killed counts only with `dead`.
    SegmentError
        It is of another release.

    Examples
    --------
    >>> trader = arbitrage.attach("arbitrage")          # doctest: +SKIP
    >>> trader.store.bid_px                             # doctest: +SKIP
    >>> trader.quotes().to_pandas()                     # doctest: +SKIP
    >>> trader.watch("BTCUSDT", seconds=30)             # doctest: +SKIP
    """
    return LiveTrader(attach_segment(name, dead=dead))


class LiveTrader:
    """A trader that is attached, read-only; attributes of its `Segment` are attributes of it.

    Threads: one.

    Parameters
    ----------
    segment : Segment
        What `arbitrage.runtime.attach` found.
    """

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self._deck = DeckReader(segment.name, lambda _: segment)
        self._cursor: Any = None
        self._kept: deque[NDArray[np.void]] = deque()
        self._kept_count = self._given_count = 0  # events taken from the ring; told as new

    def __getattr__(self, name: str) -> Any:
        if name == "segment":  # half made: there is nothing to ask
            raise AttributeError(name)
        return getattr(self.segment, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self.segment)})

    # ---- tables of this moment ------------------------------------------------------------------

    def look(self) -> Deck:
        """Return everything that page and terminal show, as one struct.

        A trader that has ended or is stuck: ``alive`` is False, ``why_not`` says why.
        """
        return self._deck.look()

    def edges(self) -> "NDArray[np.float64]":
        """Return the gross edges now, bps: (2, symbols), row 0 buys at Bybit and sells at OKX.

        nan: one of the two rows is not LIVE, or has no quote on that side.
        """
        store = self.segment.store
        count = len(self.segment.symbols)
        live = store.column("state")[:, :count] == ROW_LIVE
        columns = [store.column(name)[:, :count] for name in ("bid_px", "ask_px")]
        bids, asks = (np.asarray(each, np.float64) for each in columns)
        mult = self.px_mult
        bid, ask = np.where(live, bids * mult, np.nan), np.where(live, asks * mult, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.stack([(bid[1 - buy] - ask[buy]) / ask[buy] * 1e4 for buy in range(2)])

    def quotes(self) -> Table:
        """Return the best bid and ask of each symbol at each venue, and the edge both ways."""
        store, now_ns = self.segment.store, time.monotonic_ns()
        edges = self.edges()
        rows = []
        for place, symbol in enumerate(self.segment.symbols):
            row: dict[str, Any] = {"symbol": symbol}
            ages = []
            for number, venue in enumerate(VENUES):
                for side in ("bid_px", "ask_px"):
                    row[f"{venue}_{side}"] = float(getattr(store, side)[number, place])
                stamp = int(store.recv_mono_ns[number, place])
                ages.append((now_ns - stamp) / 1e6 if stamp else float("nan"))
            row["buy_bybit_bps"], row["buy_okx_bps"] = (float(each) for each in edges[:, place])
            row["age_ms"] = max(ages)
            rows.append(row)
        forms = {f"{venue}_{side}_px": ",.10g" for venue in VENUES for side in ("bid", "ask")}
        ways = {"buy_bybit_bps": ".2f", "buy_okx_bps": ".2f", "age_ms": ".1f"}
        return Table("Quotes", {"symbol": "", **forms, **ways}, rows)

    def opportunity_table(self, rows_max: int | None = None) -> Table:
        """Return the opportunities that are open, the widest first, then those closed lately."""
        columns = {
            "symbol": "", "buy_venue": "", "sell_venue": "", "state": "", "gross_bps": ".2f",
            "net_bps": ".2f", "peak_net_bps": ".2f", "size_usd": ",.0f", "age_ms": ",.0f",
            "lasted_ms": ",.1f", "reason": "",
        }  # fmt: skip
        return _table("Opportunities", columns, self._alive().opportunities, rows_max)

    def pairs(self) -> Table:
        """Return the pairs that are not over, with what each would bring now."""
        columns = {
            "pair": "", "symbol": "", "kind": "", "phase": "", "buy_venue": "", "sell_venue": "",
            "buy_qty": ",.6g", "sell_qty": ",.6g", "entry_bps": ".2f", "unrealised_usd": ",.2f",
        }  # fmt: skip
        return _table("Pairs", columns, self._alive().pairs)

    def money(self) -> Table:
        """Return what the run has brought at each venue, as it changed the equity."""
        columns = dict.fromkeys(
            ("realised_usd", "fees_usd", "funding_usd", "unrealised_usd", "equity_usd"), ",.2f"
        )
        return _table("Money", {"venue": "", **columns}, self._alive().money)

    def latencies(self) -> Table:
        """Return how long each stage has taken, nanoseconds."""
        columns = {"stage": "", "count": ",d"}
        columns |= dict.fromkeys(("p50_ns", "p99_ns", "p999_ns", "max_ns"), ",d")
        lines = [line for line in self._alive().latency if line.count]
        return _table("Latency, ns", columns, lines)

    @property
    def events(self) -> "NDArray[np.void]":
        """The opportunity events since it was first asked, and what was kept then: the newest.

        An array of OPPORTUNITY_DTYPE; its times are the machine's monotonic clock. The plots of
        opportunities and latency take a trader for it: ``plots.latency(trader)``.
        """
        self._take()
        return np.concatenate([np.zeros(0, OPPORTUNITY_DTYPE), *self._kept])

    def new_events(self) -> "NDArray[np.void]":
        """Return the opportunity events since the call before, at first all that is kept."""
        events = self.events
        fresh = min(self._kept_count - self._given_count, len(events))
        self._given_count = self._kept_count
        return events[len(events) - fresh :]

    @property
    def px_mult(self) -> "NDArray[np.float64]":
        """(venues, symbols): a venue's price times this is the price of a coin."""
        mult = self.segment.store.column("px_mult")[:, : len(self.segment.symbols)]
        return np.asarray(mult, np.float64)

    def _take(self) -> None:
        if self._cursor is None:
            self._cursor = self.segment.opportunities.reader(from_oldest=True)
        found: NDArray[np.void] = self._cursor.drain()
        if len(found):
            self._kept.append(found)
            self._kept_count += len(found)
        while sum(map(len, self._kept)) > EVENTS_KEPT and len(self._kept) > 1:
            self._kept.popleft()

    def _alive(self) -> Deck:
        deck = self.look()
        if not deck.alive:
            raise SegmentGoneError(deck.why_not)
        return deck

    # ---- the plot that updates ------------------------------------------------------------------

    def watch(
        self,
        symbol: str | None = None,
        seconds: float = 30.0,
        *,
        every_s: float = 0.5,
        window_s: float = 30.0,
        show: Callable[[Any], None] | None = None,
    ) -> Any:
        """Plot the gross edge of a symbol and the trader's result, drawn anew as they change.

        Returns when the time is over, the trader has ended, or Ctrl-C (a notebook's stop button)
        says so.

        Parameters
        ----------
        symbol : str, optional
            Canonical; default: the first.
        seconds : float
            How long.
        every_s : float
            Between two drawings; the quotes are looked at fifty times a second.
        window_s : float
            How far back it shows.
        show : callable, optional
            Takes each figure. Default: the output of the notebook's cell; elsewhere nothing.

        Returns
        -------
        Figure
            The last one.
        """
        from arbitrage.research.live_plot import LiveSeries, draw_live

        names = list(self.segment.symbols)
        name = symbol if symbol is not None else names[0] if names else ""
        if name not in names:
            raise ConfigError(f"symbol was {name!r}; this trader has {', '.join(names) or 'none'}")
        series, put = LiveSeries(name, window_s), show or _notebook_output()
        title = f"{name}: trader {self.segment.name!r}, {self.segment.mode}"
        end_s, figure = time.monotonic() + seconds, None
        with _Looking(self, series, names.index(name)) as looking:
            try:
                while figure is None or (time.monotonic() < end_s and self.segment.alive):
                    time.sleep(max(0.0, min(every_s, end_s - time.monotonic())))
                    now_s = time.monotonic()
                    with looking.lock:
                        self._note_result(series, now_s)
                        series.forget(now_s)
                        seen = deepcopy(series)
                    figure = draw_live(seen, now_s, title)
                    put(figure)
            except KeyboardInterrupt:
                pass  # the reader has seen enough
        return figure

    def _note_result(self, series: "LiveSeries", now_s: float) -> None:
        pnl = self.look().pnl
        if pnl:
            series.result.append((now_s, pnl[-1][1]))

    # ---- how it shows itself --------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"LiveTrader({self.segment!r})"

    def _repr_html_(self) -> str:
        deck = self.look()
        head = f"<b>trader {escape(deck.name)}</b>"
        if not deck.alive:
            return f'<div style="font-size:13px">{head}: {escape(deck.why_not)}</div>'
        result = deck.pnl[-1][1] if deck.pnl else None
        about = (
            f"{deck.mode}, {deck.strategy or 'no strategy'}, up {duration(deck.uptime_s)}, "
            f"net {usd(result, signed=True)} USD"
        )
        tables: list[Table] = [self.quotes(), self.opportunity_table(SHOWN), self.pairs()]
        tables += [self.money(), self.latencies()]
        parts = "".join(
            f'<div style="margin:8px 24px 0 0">{table._repr_html_()}</div>' for table in tables
        )
        return (
            f'<div style="font-size:13px">{head}: {escape(about)}'
            f'<div style="display:flex;flex-wrap:wrap">{parts}</div></div>'
        )


class _Looking:
    """Look at the quotes of one symbol fifty times a second, also while a plot is being drawn."""

    def __init__(self, trader: LiveTrader, series: "LiveSeries", index: int) -> None:
        self.lock = threading.Lock()
        self._trader, self._series, self._index = trader, series, index
        self._follow = trader.segment.opportunities.reader()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="arb-look", daemon=True)

    def __enter__(self) -> "_Looking":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_S):
            with self.lock:
                self._note()

    def _note(self) -> None:
        series = self._series
        edges = self._trader.edges()[:, self._index]
        if np.isfinite(edges).any():
            series.edges.append((time.monotonic(), float(edges[0]), float(edges[1])))
        for event in self._follow.drain():
            if event["symbol_index"] != self._index or event["event"] == OppEvent.CLOSE:
                continue
            series.opens_at_bps = float(event["gross_bps"] - event["net_bps"])
            if event["event"] == OppEvent.OPEN:
                buys_at = int(event["buy_row"] > event["sell_row"])
                at_s = float(event["recv_mono_ns"] / 1e9)
                series.marks.append((at_s, float(event["gross_bps"]), buys_at))


def _table(title: str, columns: dict[str, str], lines: Any, rows_max: int | None = None) -> Table:
    rows = [{name: getattr(line, name) for name in columns} for line in lines]
    return Table(title, columns, rows, rows_max)


def _notebook_output() -> Callable[[Any], None]:
    """Return what draws over a cell's output; elsewhere what does nothing."""
    shell = sys.modules.get("IPython")
    if shell is None or shell.get_ipython() is None:
        return lambda _: None
    handle = import_module("IPython.display").display(display_id=True)

    def put(figure: Any) -> None:
        handle.update(figure)

    return put
