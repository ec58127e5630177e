"""Positions and wallet by their own streams: late, repeated, paged, and held against executions."""

import asyncio
import json
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.config import Credentials
from arbitrage.instruments import Instrument
from arbitrage.secret import Secret
from arbitrage.venues import account_view
from arbitrage.venues.account_view import AccountView
from arbitrage.venues.base import Fill, Position, TradedSymbol, Wallet
from arbitrage.venues.bybit.private_feed import BybitPrivateFeed
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.executions import ExecutionTracker
from arbitrage.venues.okx.private_feed import OkxPrivateFeed
from arbitrage.venues.okx.rest import OkxRest

KEYS = Credentials(key=Secret("the-key"), secret=Secret("hidden"), passphrase=Secret("phrase"))
NAMES = ("BTC-USDT-SWAP", "ETH-USDT-SWAP")
CONTRACT = Decimal("0.01")


def traded(venue: str = "okx", names: tuple[str, ...] = NAMES) -> dict[str, TradedSymbol]:
    return {
        name: TradedSymbol(
            row=row,
            instrument=Instrument(
                venue=venue, venue_symbol=name, symbol=name[:3] + "USDT", base=name[:3],
                settle="USDT", contract_base_qty=CONTRACT, tick=Decimal("0.1"),
                lot=Decimal(1), min_qty=Decimal(1), max_qty=Decimal(0), inst_id_code=row,
            ),
        )
        for row, name in enumerate(names)
    }


def position(qty: int, version: int, name: str = NAMES[0]) -> Position:
    return Position(
        venue="okx", venue_symbol=name, qty_venue=Decimal(qty), entry_px=Decimal(1),
        version=version,
    )


def fill(lots: int, side: int = 0, symbol: str = "BTCUSDT") -> Fill:
    return Fill(
        venue="okx", symbol=symbol, client_id=1, trade_id="1", side=side, px=Decimal(1),
        qty_base=CONTRACT * lots, fee=Decimal(0), wall_ms=1,
    )


def wallet(equity: int, version: int) -> Wallet:
    cash = Decimal(equity)
    return Wallet(equity=cash, available=cash, cash=cash, version=version)


def run(work: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(10):
            await work()

    asyncio.run(main())


@settings(max_examples=100, deadline=None)
@given(
    lots=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 1)), max_size=8),
    seed=st.integers(0, 2**32),
)
def test_any_order_and_repetition_of_pushes_ends_in_the_same_account(
    lots: list[tuple[int, int]], seed: int
) -> None:
    async def work() -> None:
        told: list[str] = []
        view = AccountView(traded(), told.append)
        view.begin([position(3, 100)])
        held, events = 3, []
        for version, (count, side) in enumerate(lots, start=101):
            held += -count if side else count
            events += [("fill", fill(count, side)), ("position", position(held, version))]
            events.append(("wallet", wallet(1000 + version, version)))
        repeated = [event for event in events if event[0] != "fill"]
        rng = random.Random(seed)
        events += rng.choices(repeated, k=len(repeated)) if repeated else []
        rng.shuffle(events)
        for kind, what in events:
            if kind == "fill":
                view.filled(what)
            elif kind == "position":
                view.told(what)
            else:
                view.told_wallet(what)
        assert view.holds(NAMES[0]) == (CONTRACT * held, CONTRACT * held)
        assert not view.differs(NAMES[0])
        if lots:
            assert view.positions[NAMES[0]].version == 100 + len(lots)
            assert view.wallet == wallet(1100 + len(lots), 100 + len(lots))
        assert told == []

    run(work)


def test_a_difference_is_told_once_both_are_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_view, "SETTLE_S", 0.5)

    async def work() -> None:
        told: list[str] = []
        view = AccountView(traded(), told.append)
        view.filled(fill(5))
        assert not view.differs(NAMES[0]), "what came before the beginning is in it"
        view.begin([])
        view.filled(fill(5))
        view.filled(fill(5, symbol="XRPUSDT"))
        assert view.differs(NAMES[0])
        view.told(position(5, 1))
        await asyncio.sleep(1.0)
        assert told == [], "the position came in time"
        view.told(position(7, 2))
        await asyncio.sleep(0.05)
        view.told(position(8, 3))
        await asyncio.sleep(0.05)
        assert told == [], "something moved meanwhile"
        await asyncio.sleep(1.0)
        assert told == [NAMES[0]]
        assert view.holds(NAMES[0]) == (CONTRACT * 8, CONTRACT * 5)
        view.filled(fill(3))
        await asyncio.sleep(1.0)
        assert told == [NAMES[0]]

    run(work)


def test_a_whole_list_makes_flat_what_it_does_not_name_unless_a_push_came_since() -> None:
    async def work() -> None:
        view = AccountView(traded(), lambda _: None)
        view.begin([position(3, 1), position(4, 1, NAMES[1])])
        mark = view.mark()
        view.told(position(5, 2))
        changed = view.restated([], mark)
        assert [(item.venue_symbol, item.qty_venue) for item in changed] == [(NAMES[1], 0)]
        assert view.positions[NAMES[0]].qty_venue == 5
        assert view.restated([position(5, 2), position(9, 9, "OTHER")], view.mark()) == []
        assert not view.told(position(1, 1)), "older than what is known"
        assert view.stale_count == 1

    run(work)


# ---- the venues' frames -------------------------------------------------------------------------


def feed_of(venue: str, names: tuple[str, ...]) -> tuple[Any, list[Position], list[Wallet]]:
    publisher: Any = None
    items = list(traded(venue, names).values())
    tracker = ExecutionTracker(0, venue, items, publisher, lambda _: None, lambda _: True)
    rest, feed = {"okx": (OkxRest, OkxPrivateFeed), "bybit": (BybitRest, BybitPrivateFeed)}[venue]
    positions: list[Position] = []
    wallets: list[Wallet] = []
    made: Any = feed
    client: Any = rest("http://127.0.0.1:1", KEYS)
    return (
        made("ws://127.0.0.1:1", KEYS, client, tracker, on_position=positions.append,
             on_wallet=wallets.append),
        positions,
        wallets,
    )


def okx_page(number: int, is_last: bool, *rows: tuple[str, int, int]) -> bytes:
    return json.dumps(
        {
            "arg": {"channel": "positions", "instType": "SWAP", "uid": "1"},
            "eventType": "snapshot", "curPage": number, "lastPage": is_last,
            "data": [
                {"instId": name, "pos": str(qty), "posSide": "net", "posId": "1", "avgPx": "1",
                 "upl": "0", "uTime": str(at), "instType": "SWAP", "tradeId": "5"}
                for name, qty, at in rows
            ],
        }
    ).encode()


def test_okx_pages_of_a_regular_snapshot_and_the_position_that_is_gone() -> None:
    async def work() -> None:
        feed, told, _ = feed_of("okx", NAMES)
        feed.account.begin([])
        feed.on_message(okx_page(1, False, (NAMES[0], 3, 10)), 1)
        feed.on_message(okx_page(2, True, (NAMES[1], -4, 11)), 1)
        assert [item.qty_venue for item in told] == [3, -4]
        feed.on_message(okx_page(1, True, (NAMES[0], 3, 10)), 1)
        assert [(item.venue_symbol, item.qty_venue) for item in told][2:] == [
            (NAMES[0], 3), (NAMES[1], 0),
        ], "absent from a whole snapshot is flat"
        feed.on_message(okx_page(2, True), 1)
        feed.on_message(okx_page(1, False), 1)
        feed.on_message(okx_page(3, True), 1)
        assert feed.account.positions[NAMES[0]].qty_venue == 3, "a page was missing"
        feed.on_message(okx_page(1, True, (NAMES[0], 9, 9)), 1)
        assert feed.account.positions[NAMES[0]].qty_venue == 3, "older than what is known"

    run(work)


def test_okx_account_repeats_and_the_newest_counts() -> None:
    def account(equity: str, at: int) -> bytes:
        detail = {"ccy": "USDT", "eq": equity, "availEq": equity, "cashBal": equity}
        return json.dumps(
            {
                "arg": {"channel": "account", "ccy": "USDT"}, "eventType": "event_update",
                "data": [{"totalEq": equity, "uTime": str(at), "details": [detail]}],
            }
        ).encode()

    feed, _, told = feed_of("okx", NAMES)
    for equity, at in (("10", 1), ("12", 3), ("12", 3), ("11", 2)):
        feed.on_message(account(equity, at), 1)
    assert [item.equity for item in told] == [10, 12, 12]
    assert feed.account.wallet.equity == 12


def test_bybit_positions_by_seq_and_wallets_by_time() -> None:
    def push(topic: str, at: int, **row: Any) -> bytes:
        return json.dumps({"topic": topic, "creationTime": at, "data": [row]}).encode()

    async def work() -> None:
        feed, told, wallets = feed_of("bybit", ("BTCUSDT",))
        feed.account.begin([])
        for size, side, seq in (("2", "Sell", 7), ("2", "Sell", 7), ("5", "Buy", 6), ("0", "", 8)):
            feed.on_message(
                push("position", 1, symbol="BTCUSDT", size=size, side=side, seq=seq,
                     entryPrice="1", category="linear"), 1,
            )
        assert [item.qty_venue for item in told] == [-2, -2, 0]
        for cash, at in (("10", 5), ("9", 4)):
            coin = {"coin": "USDT", "equity": cash, "walletBalance": cash}
            feed.on_message(
                push("wallet", at, totalAvailableBalance=cash, coin=[coin]), 1
            )
        assert [item.cash for item in wallets] == [10]

    run(work)
