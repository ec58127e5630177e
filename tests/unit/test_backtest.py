"""A backtest of markets made by hand: every figure below is worked out on paper."""

from typing import Any

import pytest

from arbitrage.research.result_types import OrderOutcome
from tests.backtest_rig import BYBIT, MS, OKX, START, S, gap, quote, run

EDGE = [quote(0, BYBIT, 99.9, 100.0), quote(0, OKX, 101.0, 101.1)]  # 100 bps between the venues
GONE = [quote(500 * MS, BYBIT, 100.5, 100.6), quote(500 * MS, OKX, 100.5, 100.6)]


def test_a_pair_opens_and_closes_and_its_money_is_right() -> None:
    found = run([*EDGE, *GONE])
    buy, sell, out, back = found.fills
    # 60 USD at the dearer price and half the slip: 9 steps of 0.06 coins
    assert [round(fill["base_qty"], 9) for fill in found.fills] == [0.54] * 4
    assert (buy["px"], sell["px"], out["px"], back["px"]) == (100.0, 101.0, 100.5, 100.6)
    assert (buy["venue"], sell["venue"]) == (BYBIT, OKX)
    (pair,) = found.pairs
    fees = 0.54 * (100.0 * 5.5 + 101.0 * 5.0 + 100.5 * 5.5 + 100.6 * 5.0) * 1e-4
    # Bybit's new price came first: the pair left while OKX' ask stood at 101.1
    assert pair["gross_usd"] == pytest.approx(0.54 * (101.0 - 100.0 + 100.5 - 101.1), abs=1e-9)
    assert pair["fees_usd"] == pytest.approx(-fees, abs=1e-9)
    assert pair["slippage_usd"] == pytest.approx(0.54 * (101.1 - 100.6), abs=1e-9)
    assert pair["net_usd"] == pytest.approx(found.equity["equity_usd"][-1], abs=1e-9)
    assert pair["net_usd"] == pytest.approx(0.54 * 0.9 - fees, abs=1e-9)
    assert pair["expected_net_bps"] == pytest.approx(100 - 21, abs=1e-6)


def test_orders_travel_and_answers_come_back() -> None:
    found = run([*EDGE, *GONE])
    first = found.orders[0]
    assert first["sent_ns"] == START
    assert first["arrived_ns"] == START + MS
    assert first["answered_ns"] == START + 2 * MS
    assert {OrderOutcome(each) for each in found.orders["outcome"]} == {OrderOutcome.FILLED}
    assert list(found.fills["seen_ns"] - found.fills["exch_ns"]) == [MS] * 4


def test_an_order_meets_the_book_as_its_venue_had_it() -> None:
    # made before the order arrives, received after: the ask has left
    late = quote(3 * MS, BYBIT, 100.4, 100.5, made_ns=MS // 2)
    found = run([*EDGE, late, *GONE])
    assert OrderOutcome(found.orders["outcome"][0]) is OrderOutcome.MISSED
    later = quote(3 * MS, BYBIT, 100.4, 100.5, made_ns=MS + 1)
    found = run([*EDGE, later, *GONE])
    assert OrderOutcome(found.orders["outcome"][0]) is OrderOutcome.FILLED


def test_the_touch_gives_what_it_holds_until_it_is_quoted_anew() -> None:
    rows = [
        quote(0, BYBIT, 99.9, 100.0, ask_qty=0.6), quote(0, OKX, 101.0, 101.1),
        quote(10 * MS, OKX, 100.0, 100.1),  # out again, at a gain
        quote(50 * MS, BYBIT, 99.9, 100.0, ask_qty=0.6),  # the same stated again is no new quote
        quote(100 * MS, OKX, 101.0, 101.1),
    ]  # fmt: skip
    asked = run(rows, close_at_end=False).orders
    asked = asked[(asked["venue"] == BYBIT) & (asked["side"] > 0)]
    assert list(asked["qty"]) == pytest.approx([0.54, 0.54])
    assert asked["filled_qty"][1] == 0  # not seen to its end: the data ends first
    rows.append(quote(200 * MS, OKX, 101.0, 101.1))
    found = run(rows, complete_tries=0).orders
    found = found[(found["venue"] == BYBIT) & (found["side"] > 0)]
    assert list(found["filled_qty"]) == pytest.approx([0.54, 0.06])
    rows[3] = quote(50 * MS, BYBIT, 99.9, 100.0, ask_qty=0.8)
    found = run(rows, complete_tries=0).orders
    found = found[(found["venue"] == BYBIT) & (found["side"] > 0)]
    assert list(found["filled_qty"]) == pytest.approx([0.54, 0.54])


def test_nothing_is_known_in_a_gap() -> None:
    found = run([*EDGE, gap(MS // 2, BYBIT), quote(50 * MS, BYBIT, 99.9, 100.0), *GONE])
    assert OrderOutcome(found.orders["outcome"][0]) is OrderOutcome.MISSED


@pytest.mark.parametrize("close", [True, False])
def test_what_stands_at_the_end_is_closed_or_valued(close: bool) -> None:
    found = run([*EDGE, quote(10 * MS, BYBIT, 99.9, 100.0, number=1)], close_at_end=close)
    assert bool(found.pairs["closed_ns"][0]) is close
    assert found.pairs["net_usd"][0] == pytest.approx(found.equity["equity_usd"][-1], abs=1e-9)
    assert bool(found.equity["exposure_usd"][-1]) is not close


def test_the_same_twice_is_the_same(tmp_path: Any) -> None:
    rows = [*EDGE, quote(200 * MS, OKX, 100.4, 100.5), *GONE, quote(2 * S, OKX, 101.0, 101.2)]
    assert run(rows).sha256 == run(rows).sha256
