"""Executions and settlements of made-up pairs, and accounts that hold them."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from arbitrage.core.journal import Journal
from arbitrage.core.records import Leg, make_client_id
from arbitrage.trading.account_journal import AccountJournal
from arbitrage.trading.accounts import AccountFill, AccountFunding, Accounts, known_identities
from arbitrage.trading.pnl import DAY_MS, Book

DAY = 20_700  # 2026-09-04
NOON = DAY * DAY_MS + DAY_MS // 2
BUY, SELL = 0, 1


def fill(at_ms: int, venue: str, side: int, px: str, qty: str, **values: Any) -> AccountFill:
    """Return an execution of run 7, pair 1, unless told otherwise: `ids` is (run, pair, leg)."""
    run, pair, leg = values.pop("ids", (7, 1, Leg.ENTRY_SELL if side else Leg.ENTRY_BUY))
    told = {
        "run": run, "mode": "live", "symbol": "BTCUSDT", "fee": Decimal("0.05"),
        "client_id": make_client_id(run, pair, leg, 0), "trade_id": f"{venue}-{at_ms}-{px}-{qty}",
    }  # fmt: skip
    return AccountFill(
        venue=venue, side=side, px=Decimal(px), qty_base=Decimal(qty), wall_ms=NOON + at_ms,
        **(told | values),
    )  # fmt: skip


def funding(at_ms: int, venue: str, amount: str, symbol: str = "BTCUSDT") -> AccountFunding:
    return AccountFunding(
        run=7, mode="live", venue=venue, symbol=symbol, payment_id=str(at_ms),
        amount=Decimal(amount), wall_ms=NOON + at_ms,
    )  # fmt: skip


def entry(at_ms: int = 0, run: int = 7, pair: int = 1, qty: str = "2") -> list[AccountFill]:
    return [
        fill(at_ms, "bybit", BUY, "100", qty, ids=(run, pair, Leg.ENTRY_BUY)),
        fill(at_ms + 1, "okx", SELL, "101", qty, ids=(run, pair, Leg.ENTRY_SELL)),
    ]


def leave(at_ms: int = 60_000, run: int = 7, pair: int = 1, qty: str = "2") -> list[AccountFill]:
    return [
        fill(at_ms, "bybit", SELL, "100.5", qty, ids=(run, pair, Leg.EXIT_SELL)),
        fill(at_ms + 2, "okx", BUY, "100.75", qty, ids=(run, pair, Leg.EXIT_BUY)),
    ]


def book(*events: AccountFill | AccountFunding, **how: Any) -> Book:
    fills = [event for event in events if isinstance(event, AccountFill)]
    paid = [event for event in events if isinstance(event, AccountFunding)]
    return Book(Accounts(fills, paid, [], [7], []), "live", **how)


def write(
    folder: Path, run: int, *events: AccountFill | AccountFunding, mode: str = "live"
) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / f"account-{run:09d}-00000.journal"
    account = AccountJournal(Journal.create(path, 64, run), mode, known_identities(folder, run))
    for event in events:
        if isinstance(event, AccountFill):
            assert account.fill(event)
        else:
            assert account.funding(event)
    account.journal.close()
