"""Executions from pushes in any order and number: counted once, ended once, after the last fill."""

import asyncio
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.instruments import Instrument
from arbitrage.venues import executions
from arbitrage.venues.base import ExecutionReport, Fill, OrderReport, TradedSymbol
from arbitrage.venues.executions import ExecutionTracker
from arbitrage.venues.resolver import REJECT_NOT_FOUND, OrderResolver

ROW = 7
LOT = Decimal("0.01")
FILL, DONE, VENUE = 3, 4, 6


def instrument(**changed: Any) -> Instrument:
    return Instrument(
        **{
            "venue": "okx",
            "venue_symbol": "BTC-USDT-SWAP",
            "symbol": "BTCUSDT",
            "base": "BTC",
            "settle": "USDT",
            "contract_base_qty": Decimal("0.01"),
            "tick": Decimal("0.1"),
            "lot": LOT,
            "min_qty": LOT,
            "max_qty": Decimal(0),
            "inst_id_code": 10459,
        }
        | changed
    )


class Desk:
    def __init__(self, item: Instrument | None = None) -> None:
        self.instrument = item or instrument()
        self.published: list[tuple[Any, ...]] = []
        self.fills: list[Fill] = []
        self.settled: list[int] = []
        self.asked: list[tuple[int, str]] = []
        self.tracker = ExecutionTracker(
            1,
            "okx",
            [TradedSymbol(row=ROW, instrument=self.instrument)],
            self,
            self.fills.append,
            self.settled.append,
            lambda client_id, name: self.asked.append((client_id, name)),
        )

    def publish(self, *record: Any) -> bool:
        self.published.append(record)
        return True

    def kinds(self, client_id: int) -> list[int]:
        return [record[1] for record in self.published if record[0] == client_id]

    def fill(self, client_id: int, trade: int, lots: int, **changed: Any) -> bool:
        report = {
            "venue_symbol": self.instrument.venue_symbol,
            "client_id": client_id,
            "trade_id": str(trade),
            "side": 0,
            "px": Decimal("64000.1"),
            "qty_venue": self.instrument.lot * lots,
            "fee": Decimal("0.05"),
            "wall_ms": 1000 + trade,
        } | changed
        return self.tracker.execution(ExecutionReport(**report), 99)

    def end(self, client_id: int, lots: int, *, is_terminal: bool = True) -> None:
        self.tracker.order(
            OrderReport(
                venue_symbol=self.instrument.venue_symbol,
                client_id=client_id,
                order_id="1",
                side=0,
                cum_qty_venue=self.instrument.lot * lots,
                is_terminal=is_terminal,
                state="canceled" if is_terminal else "live",
            ),
            99,
        )


def run(main: Any) -> None:
    asyncio.run(main)


@settings(max_examples=150, deadline=None)
@given(
    orders=st.lists(st.lists(st.integers(1, 50), max_size=4), min_size=1, max_size=4),
    seed=st.integers(0, 2**32),
)
def test_any_order_and_repetition_of_pushes_gives_the_same_account(orders, seed) -> None:
    async def main() -> None:
        desk = Desk()
        events: list[tuple[Any, ...]] = []
        trade = 0
        for client_id, lots in enumerate(orders, start=1):
            for fill_lots in lots:
                trade += 1
                events.append(("fill", client_id, trade, fill_lots))
            events.append(("end", client_id, sum(lots)))
            events.append(("live", client_id))
        events += random.Random(seed).choices(events, k=len(events))
        random.Random(seed).shuffle(events)
        for event in events:
            if event[0] == "fill":
                desk.fill(*event[1:])
            elif event[0] == "end":
                desk.end(*event[1:])
            else:
                desk.end(event[1], 0, is_terminal=False)
        for client_id, lots in enumerate(orders, start=1):
            kinds = desk.kinds(client_id)
            assert kinds == [FILL] * len(lots) + [DONE], "fills once each, then the end"
            done = next(r for r in desk.published if r[:2] == (client_id, DONE))
            assert done[7] == sum(lots)
            filled = [r for r in desk.published if r[:2] == (client_id, FILL)]
            assert sum(record[6] for record in filled) == sum(lots)
        assert sorted(desk.settled) == list(range(1, len(orders) + 1))
        assert len({fill.trade_id for fill in desk.fills}) == len(desk.fills) == trade

    run(main())


def test_a_fill_is_exact_in_coins_and_money() -> None:
    desk = Desk()
    desk.fill(5, 1, 90, fee=Decimal("-0.37842075"))
    (fill,) = desk.fills
    assert fill.qty_base == Decimal("0.009")
    assert fill.px == Decimal("64000.1")
    assert fill.fee == Decimal("-0.37842075")
    assert (fill.venue, fill.symbol, fill.client_id) == ("okx", "BTCUSDT", 5)
    (record,) = desk.published
    _, kind, venue, row, side, px, last, cum, fee_bps, code, recv = record
    assert (kind, venue, row, side, last, cum, code, recv) == (FILL, 1, ROW, 0, 90, 90, 0, 99)
    assert px == 64000.1
    assert fee_bps == pytest.approx(-0.37842075 / (64000.1 * 0.009) * 1e4, rel=1e-6)


def test_a_bundle_of_coins_is_divided_out() -> None:
    desk = Desk(
        instrument(
            venue="bybit",
            venue_symbol="1000PEPEUSDT",
            symbol="PEPEUSDT",
            base="PEPE",
            contract_base_qty=Decimal(1),
            px_mult=Decimal("0.001"),
            tick=Decimal("0.0000001"),
            lot=Decimal(100),
        )
    )
    desk.fill(5, 1, 3, px=Decimal("0.0123456"))
    (fill,) = desk.fills
    assert fill.qty_base == Decimal(300_000)
    assert fill.px == Decimal("0.0000123456")
    assert fill.px * fill.qty_base == Decimal("0.0123456") * 300
    assert desk.published[0][5] == 0.0123456, "the strategy keeps the venue's quotation"


def test_an_end_ahead_of_its_fills_waits_and_then_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(executions, "FILL_GRACE_S", 0.02)
        desk = Desk()
        desk.end(5, 90)
        assert desk.published == []
        desk.fill(5, 1, 40)
        assert desk.kinds(5) == [FILL]
        await asyncio.sleep(0.04)
        assert desk.asked == [(5, "BTC-USDT-SWAP")]
        assert desk.tracker.missing_lots(5) == 50
        desk.fill(5, 2, 50)
        assert desk.kinds(5) == [FILL, FILL, DONE]
        desk.end(6, 10)
        desk.fill(6, 3, 10)
        await asyncio.sleep(0.04)
        assert len(desk.asked) == 1, "whole in time: nothing to ask"

    run(main())


def test_executions_of_others_are_told_and_accounted() -> None:
    desk = Desk()
    desk.fill(0, 1, 10)
    assert desk.tracker.foreign_count == 1
    assert desk.published[0][:2] == (0, VENUE)
    assert desk.fills[0].client_id == 0
    assert not desk.fill(5, 2, 10, venue_symbol="DOGE-USDT-SWAP")
    assert len(desk.fills) == 1


def test_a_fill_after_a_refusal_is_still_accounted() -> None:
    desk = Desk()
    desk.tracker.forget(5)
    assert desk.fill(5, 1, 10), "the venue is right about what it filled"
    assert desk.fills[0].client_id == 5
    assert desk.kinds(5) == [FILL]


# ---- the resolver -----------------------------------------------------------------------------


class Rest:
    """Answers from a script: a report, None for not found, or an error."""

    def __init__(self, desk: Desk, answers: list[Any], fills: list[tuple[int, int]]) -> None:
        self.desk, self.answers, self.fills, self.questions = desk, answers, fills, 0

    async def order_by_client_id(self, client_id: int, venue_symbol: str) -> Any:
        self.questions += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def executions(self, **_: Any) -> list[ExecutionReport]:
        return [
            ExecutionReport(
                venue_symbol="BTC-USDT-SWAP", client_id=5, trade_id=str(trade), side=0,
                px=Decimal(64000), qty_venue=LOT * lots, fee=Decimal("0.1"), wall_ms=1,
            )
            for trade, lots in self.fills
        ]


def report(lots: int, *, is_terminal: bool = True) -> OrderReport:
    return OrderReport(
        venue_symbol="BTC-USDT-SWAP", client_id=5, order_id="1", side=0,
        cum_qty_venue=LOT * lots, is_terminal=is_terminal, state="?",
    )


async def resolve(desk: Desk, rest: Rest, absent_after_s: float = 60.0) -> list[tuple[int, ...]]:
    absent: list[tuple[int, ...]] = []
    resolver = OrderResolver(
        rest,  # type: ignore[arg-type]
        desk.tracker,
        lambda *told: absent.append(told[:2]),
        absent_after_s=absent_after_s,
    )
    import time

    resolver.ask(5, "BTC-USDT-SWAP", time.monotonic_ns())
    resolver.ask(5, "BTC-USDT-SWAP", time.monotonic_ns())
    assert resolver.open_count == 1
    async with asyncio.timeout(5):
        while resolver.open_count:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return absent


def test_the_resolver_asks_on_through_errors_and_live_orders() -> None:
    from arbitrage.errors import ConnectorError

    async def main() -> None:
        desk = Desk()
        answers = [
            ConnectorError("busy", venue="okx"),
            None,
            report(0, is_terminal=False),
            report(30),
        ]
        rest = Rest(desk, answers, [(1, 10), (2, 20)])
        assert await resolve(desk, rest) == []
        assert rest.questions == 4
        assert desk.kinds(5) == [FILL, FILL, DONE]
        assert desk.settled == [5]

    run(main())


def test_not_found_is_final_only_after_the_orders_expiry() -> None:
    async def main() -> None:
        desk = Desk()
        rest = Rest(desk, [None], [])
        assert await resolve(desk, rest, absent_after_s=0.2) == [(5, REJECT_NOT_FOUND)]
        assert rest.questions == 2, "at once, and when the answer is final"
        assert desk.published == []
        assert desk.tracker.is_done(5)

    run(main())
