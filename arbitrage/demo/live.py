"""The demo's live line on stderr, read from the trader's segment like any other reader does."""

import math
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from arbitrage.cold.metrics import Latency, Snapshot, read_snapshot
from arbitrage.core.messages import PairEvent
from arbitrage.core.segment import Segment
from arbitrage.core.strategy import EVENTS
from arbitrage.errors import SegmentError

__all__ = ["LiveLine", "how_to_watch", "line_of"]

PERIOD_S = 0.25
_ENDED = {EVENTS.index("closed"), EVENTS.index("unwound")}
PLAIN_PERIOD_S = 5.0


class RunningPnl:
    """Add up what the pairs brought, from the strategy's own broadcast, as pairs end.

    An estimate for the eye: the report's figures come from the ledger.
    """

    def __init__(self, segment: Segment) -> None:
        self._store = segment.store
        self._events = segment.pair_events.reader(from_oldest=True)
        self.usd = 0.0

    def take(self) -> float:
        """Read the new events and return the sum so far."""
        while (record := self._events.try_pop()) is not None:
            event = PairEvent.unpack(record)
            if event.event in _ENDED and not math.isnan(event.pair_bps * event.buy_px):
                px_mult = float(self._store.px_mult.flat[event.buy_row])
                bought_usd = event.buy_px * px_mult * event.base_qty
                self.usd += bought_usd * event.pair_bps / 1e4
        return self.usd


def line_of(shot: Snapshot, updates_per_s: float, pnl_usd: float | None) -> str:
    """Write one snapshot as a line."""
    p99 = shot.latency.get("seen", Latency(0)).p99
    strategy = shot.strategy
    return "   ".join(
        [
            f"{updates_per_s:>8,.0f} updates/s",
            f"opportunities {shot.detector.get('opened', 0):,}",
            f"pairs {strategy.get('pairs_opened', 0):,} opened "
            f"{strategy.get('pairs_closed', 0):,} closed",
            "PnL -" if pnl_usd is None else f"PnL {pnl_usd:+,.2f} USD",
            "p99 -" if p99 is None else f"p99 {p99 / 1000:,.1f} µs",
        ]
    )


def how_to_watch(name: str, state: Path) -> tuple[str, str]:
    """Return two lines: how to look at the trader while it runs."""
    where = shlex.quote(str(state))
    return (
        f"to watch it: arb-monitor --name {name}    (then open http://127.0.0.1:9090/)",
        f"in a terminal: arb dashboard --name {name} --state-dir {where}",
    )


class LiveLine:
    """Show a line that rewrites itself on a terminal; elsewhere one line every few seconds.

    Parameters
    ----------
    name : str
        Segment of the trader.
    attach : callable
        Attaches it read-only by name.
    """

    def __init__(self, name: str, attach: Callable[[str], Segment]) -> None:
        self._name = name
        self._attach = attach
        self._view: Segment | None = None
        self._pnl: RunningPnl | None = None
        self._is_terminal = sys.stderr.isatty()
        self._period_s = PERIOD_S if self._is_terminal else PLAIN_PERIOD_S
        self._shown_s = time.monotonic()
        self._last: tuple[float, int] | None = None
        self._status = None
        if self._is_terminal:
            from rich.console import Console
            from rich.status import Status

            self._status = Status("starting", console=Console(stderr=True), spinner="dots")

    def __enter__(self) -> "LiveLine":
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status:
            self._status.stop()

    def say(self, text: str) -> None:
        """Show a text at once."""
        if self._status:
            self._status.update(text)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def tell(self, text: str) -> None:
        """Write a line that stays, above the live one."""
        if self._status:
            self._status.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            self.say(text)

    def refresh(self) -> None:
        """Show the trader's figures when their time has come."""
        now_s = time.monotonic()
        if now_s - self._shown_s < self._period_s:
            return
        self._shown_s = now_s
        try:
            if self._view is None:
                self._view = self._attach(self._name)
                self._pnl = RunningPnl(self._view)
            shot = read_snapshot(self._view)
        except SegmentError:
            self._view = None
            return
        quotes = sum(feed.quotes for feed in shot.feeds.values())
        before = self._last or (now_s - shot.uptime_s, 0)
        self._last = (now_s, quotes)
        rate = (quotes - before[1]) / max(1e-3, now_s - before[0])
        self.say(line_of(shot, rate, self._pnl.take() if self._pnl else None))
