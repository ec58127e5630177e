"""Rows that fall silent in a running trader: told in time, not traded, and brought back."""

import json
import time
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from patience import LIMIT_S, Patience
from trader_kit import Venues, trader, venues

from arbitrage.core.records import RowState
from arbitrage.core.segment import Segment

VENUE_INDEX = {"bybit": 0, "okx": 1}
SETTINGS = {
    "ARB_SYMBOLS": "BTCUSDT,ETHUSDT,SOLUSDT",
    "ARB_MAX_HOLD_S": "0.5",
    "ARB_BREAKER_FAILURES": "1000",  # a price that stands still for seconds is often missed
}
TRIES = 4  # of which one has to be in time: what a stopped machine adds is not the trader's


class Watch:
    """Every state one row has been seen in, and the opportunities of its symbol."""

    def __init__(self, segment: Segment, venue: str, symbol_index: int) -> None:
        self._segment = segment
        self._place = (VENUE_INDEX[venue], symbol_index)
        self._events = segment.opportunities.reader()
        self._looked_ns = time.monotonic_ns()
        self.seen: list[tuple[RowState, int, int]] = []  # state, seq, last seen otherwise
        self.opened_mono_ns: list[int] = []
        self.age_ns = 0  # of the last frame, at the last look

    def look(self) -> RowState:
        before_ns, now_ns = self._looked_ns, time.monotonic_ns()
        row = self._segment.store.read_row(*self._place)
        self.age_ns = time.monotonic_ns() - row.recv_mono_ns
        self._looked_ns = now_ns
        state = RowState(row.state)
        if not self.seen or self.seen[-1][0] != state:
            self.seen.append((state, row.seq, before_ns))
        for event in self._events.drain():
            if event["event"] == 1 and event["symbol_index"] == self._place[1]:
                self.opened_mono_ns.append(int(event["recv_mono_ns"]))
        return state

    def finds(self, *states: RowState, limit_s: float = LIMIT_S) -> bool:
        """Look until the row is in one of these states; False when it was not in time."""
        patience = Patience(limit_s)
        while self.look() not in states:
            if patience.is_over():
                return False
            time.sleep(0.002)
        return True

    def live_again(self, *steps: RowState) -> bool:
        """Look until it is LIVE, before which nothing may open; whether `steps` came first."""
        from_ns, count = time.monotonic_ns(), len(self.seen)
        assert self.finds(RowState.LIVE), f"never LIVE: {self.seen}"
        to_ns = self.seen[-1][2]
        self.look()
        assert not [at for at in self.opened_mono_ns if from_ns < at < to_ns - 50_000_000]
        return {*steps} <= {state for state, _, _ in self.seen[count:]}

    def states(self) -> list[RowState]:
        return [state for state, _, _ in self.seen]


def silence(running: Venues, venue: str, symbol: str, for_s: float) -> None:
    """Let a venue's public stream say nothing of a symbol, while pings are answered."""
    rule = {"what": "silent", "role": "public", "symbol": symbol, "for_s": for_s}
    url = f"{running.ready[venue]['rest_url']}/admin/faults"
    body = json.dumps({"seed": 1, "rule": [rule]}).encode()
    request = urllib.request.Request(url, body, method="POST")
    with urllib.request.urlopen(request, timeout=LIMIT_S):
        pass


@pytest.fixture
def market(tmp_path: Path) -> Iterator[tuple[Venues, Segment]]:
    with (
        venues(tmp_path, rate=300, extra=["--admin"]) as running,
        trader(tmp_path, running.environment(), **SETTINGS) as program,
    ):
        segment = program.attach()
        yield running, segment
        segment.close()
        assert program.stop() == 0


def test_a_silent_symbol_of_bybit_is_stale_in_time_and_comes_back(
    market: tuple[Venues, Segment],
) -> None:
    running, segment = market
    watch = Watch(segment, "bybit", 1)
    ages_s = []
    for _ in range(TRIES):
        assert watch.finds(RowState.LIVE)
        silence(running, "bybit", "ETHUSDT", 6.0)
        if watch.finds(RowState.STALE, limit_s=15.0):
            ages_s.append(watch.age_ns / 1e9)
            watch.live_again()
            if ages_s[-1] < 5.5:  # looked at every 50 ms; the rest is this process on a busy core
                break
    assert 4.5 < min(ages_s) < 5.5, ages_s


def test_a_silent_symbol_of_okx_does_not_trade_until_its_stream_is_proven(
    market: tuple[Venues, Segment],
) -> None:
    running, segment = market
    watch = Watch(segment, "okx", 0)
    ages_s = []
    for _ in range(TRIES):
        assert watch.finds(RowState.LIVE)
        silence(running, "okx", "BTCUSDT", 4.0)
        if watch.finds(RowState.SUSPECT, limit_s=15.0):
            # Bybit's simulated price leaves the tolerance within a second; half a second later it
            # is told
            age_s = watch.age_ns / 1e9
            # the venue stands elsewhere than the silent stream said: it is subscribed again
            if watch.live_again(RowState.SYNCING):
                ages_s.append(age_s)
                if age_s < 2.5:
                    break
    assert 0.0 < min(ages_s) < 2.5, ages_s
    assert RowState.STALE not in watch.states()


def test_a_quiet_symbol_of_okx_is_proven_over_rest(tmp_path: Path) -> None:
    # OKX quotes each symbol every three seconds, Bybit a hundred times a second: what OKX leaves
    # unsaid is the truth, and REST says so
    with (
        venues(tmp_path, rate=300, rates={"okx": 1}) as running,
        trader(tmp_path, running.environment(), **SETTINGS, ARB_DEPTH="off") as program,
    ):
        segment = program.attach()
        watch = Watch(segment, "okx", 0)
        proven = 0
        patience = Patience()
        while proven < 2:
            assert not patience.is_over(), watch.seen
            watch.look()
            proven = sum(
                (state, then) == (RowState.SUSPECT, RowState.LIVE) and seq == same
                for (state, seq, _), (then, same, _) in pairwise(watch.seen)
            )
            time.sleep(0.002)
        assert set(watch.states()) <= {RowState.SYNCING, RowState.LIVE, RowState.SUSPECT}
        assert segment.counters()["detector"]["suspected"] >= 2
        segment.close()
        assert program.stop() == 0
