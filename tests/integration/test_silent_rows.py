"""Rows that fall silent in a running trader: told in time, not traded, and brought back."""

import json
import time
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from trader_kit import Venues, trader, venues

from arbitrage.core.records import RowState
from arbitrage.core.segment import Segment

VENUE_INDEX = {"bybit": 0, "okx": 1}
SETTINGS = {"ARB_SYMBOLS": "BTCUSDT,ETHUSDT,SOLUSDT", "ARB_MAX_HOLD_S": "0.5"}


class Watch:
    """Every state one row has been seen in, and the opportunities of its symbol."""

    def __init__(self, segment: Segment, venue: str, symbol_index: int) -> None:
        self._segment = segment
        self._place = (VENUE_INDEX[venue], symbol_index)
        self._events = segment.opportunities.reader()
        self.seen: list[tuple[RowState, int, int]] = []  # state, seq, when seen
        self.opened_mono_ns: list[int] = []

    def look(self) -> RowState:
        row = self._segment.store.read_row(*self._place)
        state = RowState(row.state)
        if not self.seen or self.seen[-1][0] != state:
            self.seen.append((state, row.seq, time.monotonic_ns()))
        for event in self._events.drain():
            if event["event"] == 1 and event["symbol_index"] == self._place[1]:
                self.opened_mono_ns.append(int(event["recv_mono_ns"]))
        return state

    def until(self, state: RowState, timeout_s: float) -> int:
        """Wait until the row is in a state; return the last frame's age then, in ns."""
        end_s = time.monotonic() + timeout_s
        while self.look() != state:
            assert time.monotonic() < end_s, f"never {state.name}: {self.seen}"
            time.sleep(0.002)
        return time.monotonic_ns() - self._segment.store.read_row(*self._place).recv_mono_ns

    def states(self) -> list[RowState]:
        return [state for state, _, _ in self.seen]


def silence(running: Venues, venue: str, symbol: str, for_s: float) -> None:
    """Let a venue's public stream say nothing of a symbol, while pings are answered."""
    rule = {"what": "silent", "role": "public", "symbol": symbol, "for_s": for_s}
    url = f"{running.ready[venue]['rest_url']}/admin/faults"
    body = json.dumps({"seed": 1, "rule": [rule]}).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, method="POST"), timeout=5):
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
    watch.until(RowState.LIVE, 10)
    silence(running, "bybit", "ETHUSDT", 6.0)
    age_ns = watch.until(RowState.STALE, 10)
    assert 4.5e9 < age_ns < 5.5e9  # looked at every 50 ms; the rest is this process on a busy core
    stale_ns = watch.seen[-1][2]
    watch.until(RowState.LIVE, 20)
    live_ns = watch.seen[-1][2]
    assert not [at for at in watch.opened_mono_ns if stale_ns < at < live_ns - 50_000_000]


def test_a_silent_symbol_of_okx_does_not_trade_until_its_stream_is_proven(
    market: tuple[Venues, Segment],
) -> None:
    running, segment = market
    watch = Watch(segment, "okx", 0)
    watch.until(RowState.LIVE, 10)
    silence(running, "okx", "BTCUSDT", 4.0)
    age_ns = watch.until(RowState.SUSPECT, 10)
    # Bybit's simulated price leaves the tolerance within a second; half a second later it is told
    assert age_ns < 2.5e9
    suspect_ns = watch.seen[-1][2]
    # the venue stands elsewhere than the silent stream said: it is subscribed again
    watch.until(RowState.SYNCING, 5)
    watch.until(RowState.LIVE, 20)
    live_ns = watch.seen[-1][2]
    assert not [at for at in watch.opened_mono_ns if suspect_ns < at < live_ns - 50_000_000]
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
        end_s = time.monotonic() + 30
        while proven < 2:
            assert time.monotonic() < end_s, watch.seen
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
