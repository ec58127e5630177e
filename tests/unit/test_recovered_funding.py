"""What was settled while no trader listened is read at the next start, and counted once."""

import asyncio
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from arbitrage.core.journal import Journal
from arbitrage.instruments import Instrument
from arbitrage.runtime.recovery import Recovered, recover
from arbitrage.runtime.taking_over import take_over
from arbitrage.trading.account_journal import AccountJournal
from arbitrage.trading.accounts import known_identities, read_accounts
from arbitrage.trading.ledger import Ledger
from arbitrage.trading.past import Past
from arbitrage.venues.base import FundingReport

HOUR_MS = 3_600_000
T0_MS = 1_790_000_000_000 // HOUR_MS * HOUR_MS
BTC = Instrument(
    venue="okx", venue_symbol="BTC-USDT-SWAP", symbol="BTCUSDT", base="BTC", settle="USDT",
    contract_base_qty=Decimal("0.01"), tick=Decimal("0.1"), lot=Decimal("0.01"),
    min_qty=Decimal("0.01"), max_qty=Decimal(0),
)  # fmt: skip


class Client:
    """A venue where nothing is open and two settlements were paid."""

    clock = SimpleNamespace(wall_ms=lambda: T0_MS + 2 * HOUR_MS)
    asked_since_ms = 0

    async def nothing(self, **_: Any) -> list[Any]:
        return []

    open_orders = executions = positions = nothing

    async def funding_paid(self, since_ms: int) -> list[FundingReport]:
        self.asked_since_ms = since_ms
        return [
            FundingReport(
                venue_symbol=name, payment_id=number, amount=Decimal(amount), wall_ms=at_ms
            )
            for name, number, amount, at_ms in (
                ("BTC-USDT-SWAP", "1", "0.25", T0_MS),
                ("BTC-USDT-SWAP", "2", "-0.5", T0_MS + HOUR_MS),
                ("ETH-USDT-SWAP", "3", "9", T0_MS),
            )
        ]


def recover_with(client: Any, past: Past) -> Recovered:
    settings: Any = SimpleNamespace(mode="demo", symbols_source="ARB_SYMBOLS")
    return asyncio.run(recover(settings, {"okx": client}, {"okx": {"BTCUSDT": BTC}}, past))


def start(folder: Path, run: int, recovered: Recovered) -> None:
    account = AccountJournal(
        Journal.create(folder / f"account-{run:09d}-00000.journal", 64, run),
        "demo",
        known_identities(folder, run),
    )
    journal = Journal.create(folder / f"orders-{run:09d}-00000.journal", 64, run)
    state: Any = SimpleNamespace(account=account, journal=journal, mode=2)
    core: Any = SimpleNamespace(traded_symbols={})
    incidents: Any = SimpleNamespace(note=lambda *_, **__: None)
    take_over(core, state, Ledger(), recovered, incidents)
    account.journal.close()
    journal.close()


def test_settlements_of_the_time_between_two_runs_are_counted_once(tmp_path: Path) -> None:
    client = Client()
    recovered = recover_with(client, Past(run=7, last_wall_ns=(T0_MS - HOUR_MS) * 1_000_000))
    assert [paid.payment_id for paid in recovered.fundings] == ["1", "2"]
    assert client.asked_since_ms < T0_MS - HOUR_MS
    for run in (8, 9):
        start(tmp_path, run, recovered)
    held = read_accounts(tmp_path).fundings
    assert [(one.run, one.amount, one.wall_ms, one.recovered) for one in held] == [
        (8, Decimal("0.25"), T0_MS, True),
        (8, Decimal("-0.5"), T0_MS + HOUR_MS, True),
    ]


def test_a_first_run_asks_for_nothing() -> None:
    client = Client()
    recovered = recover_with(client, Past())
    assert (recovered.fundings, client.asked_since_ms) == ((), 0)
