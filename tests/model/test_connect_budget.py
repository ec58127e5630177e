"""Connection attempts and subscriptions stay below what the venues count, whoever asks."""

import asyncio
import logging
import random
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_loop import run_virtual

from arbitrage.venues import connect_budget as module
from arbitrage.venues.base import ROW_SYNCING, MarketSymbol
from arbitrage.venues.connect_budget import (
    CONNECT_CAPS,
    Cap,
    ConnectBudget,
    RequestBudget,
    connect_budget,
    share_caps,
)
from arbitrage.venues.connection import Connection
from arbitrage.venues.okx.market_feed import OkxMarketFeed
from arbitrage.venues.reconnect import ReconnectPolicy

VENUE_CAPS = {"bybit": (500, 300.0), "okx": (3, 1.0)}
OKX_URL = "wss://ws.okx.com/ws/v5/public"


def most_in(starts: list[float], window_s: float) -> int:
    starts = sorted(starts)
    return max(sum(a <= b < a + window_s - 1e-9 for b in starts[i:]) for i, a in enumerate(starts))


@given(
    st.integers(1, 8),
    st.floats(0.1, 10.0),
    st.lists(st.floats(0.0, 3.0), min_size=1, max_size=60),
)
def test_no_window_sees_more_attempts_than_the_cap(
    count: int, window_s: float, steps: list[float]
) -> None:
    budget, now_s, starts = ConnectBudget(Cap(count, window_s)), 0.0, []
    for step_s in steps:
        now_s += step_s
        delay_s = budget.reserve(now_s)
        assert delay_s >= 0
        starts.append(now_s + delay_s)
    # a time told as a wait from now comes back but for the last bit
    assert starts == pytest.approx(sorted(starts)), "who asks first goes first"
    assert most_in(starts, window_s) <= count
    assert budget.attempt_count == len(steps)


def test_an_idle_budget_lets_the_next_attempt_start_at_once() -> None:
    budget = ConnectBudget(Cap(2, 1.0))
    assert [budget.reserve(100.0) for _ in range(3)] == [0.0, 0.0, 1.0]
    assert budget.reserve(200.0) == 0.0


def test_threads_share_a_budget() -> None:
    budget, starts = ConnectBudget(Cap(3, 50.0)), []

    def ask() -> None:
        for _ in range(50):
            now_s = time.monotonic()
            starts.append(now_s + budget.reserve(now_s))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(starts) == 200
    assert most_in(starts, 49.9) <= 3


def test_our_caps_lie_below_the_venues() -> None:
    for venue, (count, window_s) in VENUE_CAPS.items():
        cap = CONNECT_CAPS[venue]
        assert cap.count < count
        assert cap.window_s >= window_s


def test_budgets_are_by_host_and_not_for_this_machine() -> None:
    async def main() -> None:
        public = connect_budget("okx", OKX_URL)
        assert public is not None
        assert connect_budget("okx", "wss://ws.okx.com/ws/v5/private") is public
        assert connect_budget("okx", "wss://wspap.okx.com/ws/v5/private") is not public
        for url in ("ws://127.0.0.1:7711/ws/v5/public", "wss://localhost/x", "ws://[::1]:1/x"):
            assert connect_budget("okx", url) is None

    run_virtual(main())


def test_a_loop_with_a_clock_of_its_own_has_budgets_of_its_own() -> None:
    found: list[Any] = []

    async def main() -> None:
        found.append(connect_budget("okx", OKX_URL))

    run_virtual(main())
    run_virtual(main())
    asyncio.run(main())
    asyncio.run(main())
    assert found[0] is not found[1]
    assert found[2] is found[3], "real loops of one process share theirs"
    assert found[2] not in found[:2]


def test_processes_that_share_a_host_share_its_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_shares", 1)

    async def caps() -> list[Cap]:
        urls = [("bybit", "wss://stream.bybit.com/v5/private"), ("okx", OKX_URL)]
        return [budget.cap for one in urls if (budget := connect_budget(*one)) is not None]

    whole = run_virtual(caps())
    for shares in (2, 3):
        share_caps(shares)
        for part, cap in zip(run_virtual(caps()), whole, strict=True):
            rate, of = part.count / part.window_s, cap.count / cap.window_s
            assert rate * shares <= of * 1.0001
            assert rate * shares > of * 0.6


# ---- the connections ----------------------------------------------------------------------------


class Refused(Connection):
    """A connection whose venue takes nobody."""

    async def on_open(self) -> None: ...

    def on_message(self, payload: bytes, recv_mono_ns: int) -> None: ...


@pytest.mark.parametrize(
    ("venue", "url"),
    [("okx", OKX_URL), ("bybit", "wss://stream.bybit.com/v5/public/linear")],
)
def test_a_storm_of_connections_stays_below_the_cap(venue: str, url: str) -> None:
    """Hasty connections, refused for ten minutes: together they stay below the venue's cap."""
    attempts: list[float] = []

    async def refuse(*_: Any, **__: Any) -> Any:
        attempts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(random.Random(len(attempts)).uniform(0.0, 0.02))
        raise ConnectionRefusedError

    async def main() -> None:
        policy = ReconnectPolicy(
            base_s=0.01, cap_s=0.05, slow_cap_s=0.05, patient_cap_s=0.05, attempts_max=10**6
        )
        lines = [
            Refused(
                venue=venue, label="market data", url=url, ping=b"", policy=policy,
                connector=refuse,
            )
            for _ in range(12)
        ]
        tasks = [asyncio.ensure_future(line.run()) for line in lines]
        await asyncio.sleep(600.0)
        for line in lines:
            line.stop()
        async with asyncio.timeout(0.5):  # a connection that waits for its turn ends at once
            await asyncio.gather(*tasks)

    logging.disable(logging.WARNING)
    try:
        run_virtual(main())
    finally:
        logging.disable(logging.NOTSET)
    count, window_s = VENUE_CAPS[venue]
    own = CONNECT_CAPS[venue]
    assert most_in(attempts, window_s) < count
    assert len(attempts) > 0.9 * own.count * 600 / own.window_s, "and make use of what is allowed"


# ---- requests on one connection -----------------------------------------------------------------


@given(st.integers(1, 6), st.lists(st.tuples(st.floats(0, 4), st.integers(1, 4)), max_size=60))
def test_requests_beyond_the_cap_find_no_room(
    cap: int, asked: list[tuple[float, int]]
) -> None:
    budget, now_s, sent = RequestBudget(Cap(cap, 5.0)), 0.0, []
    for step_s, count in asked:
        now_s += step_s
        room = cap - sum(at > now_s - 5.0 for at in sent)
        assert budget.try_take(count, now_s) == (count <= room)
        sent += [now_s] * count * (count <= room)


class OpenLine:
    is_disconnected = False


class Lane:
    def __init__(self) -> None:
        self.states: list[int] = []

    def push_state(self, row: int, state: int, mono_ns: int = 0) -> None:
        self.states.append(state)

    def push_funding(self, *_: Any) -> None: ...


def test_okx_resubscribes_only_within_the_hours_requests(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lane, sent = Lane(), []

    async def main() -> None:
        feed = OkxMarketFeed(
            OKX_URL, 1, lane, [MarketSymbol(3, "BTC-USDT-SWAP", "BTCUSDT")]
        )
        feed.send = sent.append  # type: ignore[method-assign]
        feed._transport = OpenLine()  # type: ignore[assignment]
        await feed.on_open()
        feed._ready.set()
        first, lane.states = len(sent), []
        for _ in range(1000):
            feed.resubscribe(["BTC-USDT-SWAP"])
        assert first + 2 * len(lane.states) == len(sent) <= 470
        assert set(lane.states) == {ROW_SYNCING}, "a row that is not asked for stays what it is"
        assert [r.getMessage() for r in caplog.records if "subscribed again" in r.getMessage()] == [
            "okx: no symbol is subscribed again for now: this connection sent 470 requests within "
            "3600 s, more than that the venue does not take"
        ]
        before = len(sent)
        await asyncio.sleep(3601.0)
        feed.resubscribe(["BTC-USDT-SWAP"])
        assert len(sent) == before + 2
        await feed.on_open()  # a new connection
        for _ in range(100):
            feed.resubscribe(["BTC-USDT-SWAP"])
        assert len(sent) == before + 2 + first + 200

    run_virtual(main(), limit_s=7200)
