"""The ledger's book-keeping, one rule a test."""

from decimal import Decimal, Inexact

import pytest

from arbitrage.fills import EXACT, Fill, FundingPayment, signed
from arbitrage.trading.ledger import Ledger


def fill(trade: str, side: int, px: str, qty: str, fee: str = "0", venue: str = "okx") -> Fill:
    return Fill(
        venue=venue, symbol="BTCUSDT", client_id=9, trade_id=trade, side=side, px=Decimal(px),
        qty_base=Decimal(qty), fee=Decimal(fee),
    )  # fmt: skip


def paid(number: str, amount: str) -> FundingPayment:
    return FundingPayment(
        venue="bybit", symbol="BTCUSDT", payment_id=number, amount=Decimal(amount), wall_ms=0
    )


def test_a_round_trip_is_its_cash_flows() -> None:
    ledger = Ledger()
    ledger.apply_fill(fill("1", 0, "61800.1", "0.003", "0.1"))
    ledger.apply_fill(fill("2", 1, "61850.3", "0.003", "-0.02"))
    assert ledger.totals() == {
        "realised": Decimal("0.1506"),
        "unrealised": Decimal(0),
        "fees": Decimal("-0.08"),
        "funding": Decimal(0),
    }
    assert ledger.open_legs == 0


def test_a_short_gains_when_the_mark_falls() -> None:
    ledger = Ledger()
    ledger.apply_fill(fill("1", 1, "100", "2"))
    view = ledger.position("okx", "BTCUSDT", Decimal("90"))
    assert (view.qty_base, view.avg_entry_px) == (Decimal(-2), Decimal(100))
    assert (view.realised, view.unrealised) == (Decimal(0), Decimal(20))
    assert ledger.position("okx", "BTCUSDT").unrealised is None
    assert ledger.totals()["unrealised"] == 0


def test_turning_around_realises_the_old_side_and_opens_the_new() -> None:
    ledger = Ledger()
    ledger.apply_fill(fill("1", 0, "100", "1"))
    ledger.apply_fill(fill("2", 1, "110", "3"))
    view = ledger.position("okx", "BTCUSDT", Decimal("105"))
    assert (view.realised, view.qty_base, view.avg_entry_px) == (10, -2, 110)
    assert view.unrealised == 10


def test_an_execution_counts_once_and_a_changed_repeat_is_noticed() -> None:
    ledger = Ledger()
    assert ledger.apply_fill(fill("1", 0, "100", "1"))
    assert not ledger.apply_fill(fill("1", 0, "100", "1"))
    assert not ledger.apply_fill(fill("1", 0, "100", "2"))
    assert ledger.apply_fill(fill("1", 0, "100", "1", venue="bybit"))
    assert (ledger.repeats, ledger.conflicts, ledger.fill_count) == (2, 1, 2)


def test_funding_paid_is_negative_and_counts_once() -> None:
    ledger = Ledger()
    payment = paid("f1", "0.25")
    assert ledger.apply_funding(payment)
    assert not ledger.apply_funding(payment)
    assert ledger.apply_funding(paid("f2", "-1"))
    assert ledger.totals()["funding"] == Decimal("0.75")


@pytest.mark.parametrize(
    ("px", "qty", "fee"),
    [
        ("0", "1", "0"),
        ("NaN", "1", "0"),
        ("1", "-1", "0"),
        ("1", "Infinity", "0"),
        ("1", "1", "NaN"),
    ],
)
def test_numbers_that_are_none_are_refused_and_change_nothing(px: str, qty: str, fee: str) -> None:
    ledger = Ledger()
    with pytest.raises(ValueError, match="okx BTCUSDT"):
        ledger.apply_fill(fill("1", 0, px, qty, fee))
    assert ledger.fill_count == 0
    assert ledger.totals()["realised"] == 0


def test_money_is_never_rounded_silently() -> None:
    with pytest.raises(Inexact):
        EXACT.divide(Decimal(1), Decimal(3))
    with pytest.raises(Inexact):
        EXACT.add(Decimal("1e60"), Decimal("1e-60"))


def test_a_side_is_buy_or_sell() -> None:
    assert signed(1, Decimal(2)) == -2
    with pytest.raises(ValueError, match="side was 255"):
        signed(255, Decimal(2))
