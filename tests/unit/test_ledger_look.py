"""A look at a ledger beside its writer: the ledger's own sums, never a half-made change."""

import sys
import threading
from decimal import Decimal

import msgspec

from arbitrage.fills import Fill
from arbitrage.trading.ledger import Ledger
from arbitrage.trading.ledger_look import TRIES, LedgerLook, VenueMoney
from arbitrage.trading.positions import PositionAccount


class Payment(msgspec.Struct, frozen=True):
    venue: str
    symbol: str
    payment_id: str
    amount: Decimal


def fill(trade: int, side: int, px: str, qty: str = "1", fee: str = "0.5") -> Fill:
    return Fill(
        venue="okx", symbol="BTCUSDT", client_id=9, trade_id=str(trade), side=side,
        px=Decimal(px), qty_base=Decimal(qty), fee=Decimal(fee),
    )  # fmt: skip


def test_the_sums_are_the_ledgers() -> None:
    ledger = Ledger()
    look = LedgerLook(ledger)
    assert look.by_venue(lambda *_: None) == {}
    ledger.apply_fill(fill(1, 0, "100", "2"))
    ledger.apply_fill(fill(2, 1, "110"))
    ledger.apply_funding(Payment("okx", "BTCUSDT", "a", Decimal("0.25")))
    for mark in (120.0, 130.0):
        found = look.by_venue(lambda *_, mark=mark: mark)
        totals = ledger.totals({("okx", "BTCUSDT"): Decimal(mark)})
        assert found == {"okx": VenueMoney(**{key: float(x) for key, x in totals.items()})}
    assert look.by_venue(lambda *_: None)["okx"].unrealised is None
    ledger.apply_fill(fill(3, 1, "90"))
    assert look.by_venue(lambda *_: None)["okx"] == VenueMoney(0.0, -1.5, -0.25, 0.0)


def test_a_change_under_way_is_not_read() -> None:
    ledger = Ledger()
    look = LedgerLook(ledger)
    ledger.apply_fill(fill(1, 0, "100"))
    before = look.by_venue(lambda *_: 100.0)
    ledger.changes += 1  # as within apply_fill
    ledger.accounts()[0].fill_count += 1
    ledger.accounts()[0].fees.units *= 10
    assert look.by_venue(lambda *_: 100.0) == before
    ledger.changes += 1
    ledger.apply_fill(fill(2, 1, "100"))
    assert look.by_venue(lambda *_: 100.0) != before


class Interrupted(Ledger):
    """A ledger that changes, and is whole again, while it is looked at: for some looks."""

    times = 0

    def accounts(self) -> list[PositionAccount]:
        found = super().accounts()
        if self.times:
            self.times -= 1
            self.apply_fill(fill(100 + self.times, 0, "100"))
        return found


def test_a_change_during_a_look_makes_it_look_again() -> None:
    ledger = Interrupted()
    look = LedgerLook(ledger)
    ledger.apply_fill(fill(1, 0, "100"))
    before = look.by_venue(lambda *_: 100.0)
    ledger.times = TRIES - 1
    money = look.by_venue(lambda *_: 100.0)["okx"]
    assert money.fees == -0.5 * (1 + TRIES - 1)
    ledger.times = 10 * TRIES  # it never rests
    assert look.by_venue(lambda *_: 100.0)["okx"] == money
    assert before["okx"].fees == -0.5


def test_every_look_beside_a_writer_is_whole() -> None:
    """Each buy at 100 is followed by a sell at 101: at a mark of 100 nothing is unrealised."""
    ledger = Ledger()
    look = LedgerLook(ledger)
    done = threading.Event()

    def write() -> None:
        for trade in range(0, 4000, 2):
            ledger.apply_fill(fill(trade, 0, "100", fee="0"))
            ledger.apply_fill(fill(trade + 1, 1, "101", fee="0"))
        done.set()

    writer = threading.Thread(target=write)
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads take turns within a change as well
    try:
        writer.start()
        seen = 0.0
        while not done.is_set():
            money = look.by_venue(lambda *_: 100.0).get("okx", VenueMoney())
            assert money.unrealised == 0.0
            assert money.realised == int(money.realised) >= seen
            seen = money.realised
    finally:
        sys.setswitchinterval(before_s)
        writer.join()
    assert look.by_venue(lambda *_: 100.0)["okx"].realised == 2000.0
