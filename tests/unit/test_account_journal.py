"""The account's journal: exact, each event once, through crashes, restarts and a full disk."""

import os
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arbitrage.cli.journal import journal as command
from arbitrage.core.journal import Journal
from arbitrage.core.records import Leg, make_client_id
from arbitrage.fills import Fill
from arbitrage.trading.account_journal import AccountJournal
from arbitrage.trading.accounts import AccountFill, AccountFunding, known_identities, read_accounts
from arbitrage.trading.runs import StateFolder

UUID = "3a4c1d2e-5f60-4789-8abc-0123456789ab"
HEADER, RECORD = 4096, 128


def fill(trade: str, **values: object) -> Fill:
    told = {
        "venue": "bybit", "symbol": "BTCUSDT", "client_id": make_client_id(7, 1, Leg.ENTRY_BUY, 0),
        "trade_id": trade, "side": 0, "px": Decimal("84000.10"), "qty_base": Decimal("0.025"),
        "fee": Decimal("1.155001375"), "wall_ms": 1_790_000_000_123,
    }  # fmt: skip
    return Fill(**(told | values))


def payment(number: str, amount: str, wall_ms: int = 1_790_000_000_000) -> AccountFunding:
    return AccountFunding(
        run=0, mode="live", venue="okx", symbol="BTCUSDT", payment_id=number,
        amount=Decimal(amount), wall_ms=wall_ms,
    )  # fmt: skip


def begin(folder: Path, run: int, capacity: int = 64, mode: str = "live") -> AccountJournal:
    folder.mkdir(exist_ok=True)
    path = folder / f"account-{run:09d}-00000.journal"
    account = AccountJournal(
        Journal.create(path, capacity, run), mode, known_identities(folder, run)
    )
    account.add_contract(3, "bybit", "BTCUSDT", "BTCUSDT", "0.10", "0.001")
    account.add_contract(9, "okx", "BTCUSDT", "BTC-USDT-SWAP", "0.1", "0.01")
    return account


def test_what_was_appended_is_read_back_exactly(tmp_path: Path) -> None:
    account = begin(tmp_path, 7)
    assert account.fill(fill(UUID))
    assert account.fill(fill("242720720", venue="okx", side=1, fee=Decimal("-0.5")))
    assert account.funding(payment("681000000000000001", "0.123456789012345678"))
    account.position("okx", "BTCUSDT", Decimal("-0.025"), Decimal("84000.1"), by_venue=True)
    account.journal.close()
    held = read_accounts(tmp_path)
    first, second = sorted(held.fills, key=lambda one: one.venue)
    sent = fill(UUID)
    assert first == AccountFill(
        run=7, mode="live", **{name: getattr(sent, name) for name in sent.__struct_fields__}
    )
    assert (second.venue, second.trade_id, second.fee) == ("okx", "242720720", Decimal("-0.5"))
    assert held.fundings[0].amount == Decimal("0.123456789012345678")
    assert held.fundings[0].payment_id == "681000000000000001"
    (position,) = held.positions
    assert (position.qty_base, position.entry_px) == (Decimal("-0.025"), Decimal("84000.1"))
    assert (position.by_venue, held.notes, held.runs) == (True, [], [7])


numbers = st.decimals(allow_nan=False, allow_infinity=False, places=12).filter(
    lambda value: abs(value) < 10**30
)


@settings(max_examples=200, deadline=None)
@given(value=numbers)
@example(value=Decimal("9223372036854775807"))
@example(value=Decimal("-9223372036854775808"))
@example(value=Decimal("1E-40"))
@example(value=Decimal("-0.00"))
def test_a_decimal_is_exact_or_says_that_it_is_not(
    tmp_path_factory: pytest.TempPathFactory, value: Decimal
) -> None:
    folder = tmp_path_factory.mktemp("account")
    account = begin(folder, 7)
    account.fill(fill("1", fee=value))
    account.journal.close()
    (held,) = read_accounts(folder).fills
    if held.rounded:
        assert len(value.normalize().as_tuple().digits) > 18
        assert abs(held.fee - value) <= abs(value) * Decimal("1e-17")
    else:
        assert held.fee == value


def test_an_event_counts_once_in_a_run_and_across_runs(tmp_path: Path) -> None:
    first = begin(tmp_path, 7)
    assert first.fill(fill(UUID))
    assert not first.fill(fill(UUID))
    assert first.funding(payment("1", "2"))
    first.journal.close()
    second = begin(tmp_path, 8)
    assert not second.fill(fill(UUID), recovered=True)
    assert not second.funding(payment("1", "2"), recovered=True)
    assert second.fill(fill("late"), recovered=True)
    assert second.funding(payment("1", "2", 1_790_000_000_000 + 3_600_000))
    second.journal.close()
    held = read_accounts(tmp_path)
    assert [(one.trade_id, one.run, one.recovered) for one in held.fills] == [
        (UUID, 7, False), ("late", 8, True),
    ]  # fmt: skip
    assert [one.run for one in held.fundings] == [7, 8]


def test_the_same_event_in_two_files_is_read_once(tmp_path: Path) -> None:
    for run in (7, 8):
        account = begin(tmp_path / str(run), run)
        account.fill(fill(UUID))
        account.journal.close()
    for path in (tmp_path / "7").iterdir():
        path.rename(tmp_path / "8" / path.name)
    assert [one.run for one in read_accounts(tmp_path / "8").fills] == [7]
    assert [one.run for one in read_accounts(tmp_path / "8", [8]).fills] == [8]


def test_money_of_another_kind_is_another_event(tmp_path: Path) -> None:
    for run, mode in ((7, "demo"), (8, "live")):
        account = begin(tmp_path, run, mode=mode)
        assert account.fill(fill("1"))
        account.journal.close()
    assert [one.mode for one in read_accounts(tmp_path).fills] == ["demo", "live"]


def test_a_contract_of_an_earlier_run_is_named_when_it_is_needed(tmp_path: Path) -> None:
    account = begin(tmp_path, 7)
    for symbol in ("ETHUSDT", "SOLUSDT", "ETHUSDT"):
        account.fill(fill(f"{symbol}-{account.journal.count}", symbol=symbol), recovered=True)
    account.journal.close()
    symbols = [one.symbol for one in read_accounts(tmp_path).fills]
    assert symbols == ["ETHUSDT", "SOLUSDT", "ETHUSDT"]


def test_a_long_id_is_hashed_and_still_known(tmp_path: Path) -> None:
    account = begin(tmp_path, 7)
    assert account.fill(fill("x" * 40))
    assert not account.fill(fill("x" * 40))
    assert account.fill(fill("x" * 41))
    account.journal.close()
    ids = [one.trade_id for one in read_accounts(tmp_path).fills]
    assert len(set(ids)) == 2
    assert all(one.startswith("#") and len(one) == 36 for one in ids)


def test_what_finds_no_room_waits_and_comes_in_order(tmp_path: Path) -> None:
    account = begin(tmp_path, 7, capacity=5)  # run, two contracts, two fills
    for number in range(5):
        account.fill(fill(str(number)))
    assert account.behind == 3
    assert account.journal.tend(lambda part: tmp_path / f"account-000000007-{part:05d}.journal")
    assert account.fill(fill("5"))
    assert account.behind == 0
    account.journal.close()
    assert [one.trade_id for one in read_accounts(tmp_path).fills] == list("012345")


@settings(max_examples=60, deadline=None)
@given(count=st.integers(0, 20), data=st.data())
def test_every_truncation_leaves_a_valid_prefix(
    tmp_path_factory: pytest.TempPathFactory, count: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("account")
    account = begin(folder, 7)
    for number in range(count):
        account.fill(fill(str(number)))
    account.journal.close()
    (path,) = folder.iterdir()
    size = data.draw(st.integers(HEADER, path.stat().st_size))
    os.truncate(path, size)
    whole = max(0, (size - HEADER) // RECORD - 3)
    held = read_accounts(folder)
    assert [one.trade_id for one in held.fills] == [str(number) for number in range(whole)]
    assert held.notes == []
    # and the next run counts again exactly what was lost
    again = begin(folder, 8)
    assert [again.fill(fill(str(n))) for n in range(count)] == [n >= whole for n in range(count)]
    again.journal.close()


def test_damage_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    for run in (7, 8):
        account = begin(tmp_path, run)
        account.fill(fill(f"{run}-1"))
        account.fill(fill(f"{run}-2"))
        account.journal.close()
    path = tmp_path / "account-000000007-00000.journal"
    data = bytearray(path.read_bytes())
    data[HEADER + 3 * RECORD + 60] ^= 1
    path.write_bytes(data)
    held = read_accounts(tmp_path)
    assert {one.trade_id for one in held.fills} == {"8-1", "8-2"}
    assert held.notes == ["the account of run 7 is damaged: 1 whole records lie behind its end"]


def test_the_commands_know_accounts(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as state:
        for run in (7, 8):
            Journal.create(state.journal_path(run), 8, run).close()
            account = begin(tmp_path, run)
            account.fill(fill(UUID, client_id=make_client_id(run, 1, Leg.ENTRY_BUY, 0)))
            account.funding(payment("1", "-0.25", 1_790_000_000_000 + run * 3_600_000))
            account.journal.close()
    at = ["--state-dir", str(tmp_path)]

    def run_command(*args: str) -> str:
        return CliRunner().invoke(command, [*args, *at]).output

    shown = run_command("show", "7", "--account")
    assert f"fee 1.155001375  id {UUID}  mode live" in shown
    assert "execution  buy  0.025 BTC at 84000.1" in shown
    assert "funding  0.25  id 1" in shown
    assert "account of run 7: 5 records in 1 file" in run_command("verify")
    assert "        5  whole" in run_command("list")
    assert run_command("export", "7", "--account", "--type", "funding", "--json", "-").count(
        '"amount":"0.25"'
    ) == 1
    assert "run 7: 1 file gone" in run_command("prune", "--keep", "1")
    assert sorted(read_accounts(tmp_path).runs) == [7, 8], "what was earned stays"
    assert "run 7: 1 file gone" in run_command("prune", "--keep", "1", "--account-too")
    assert read_accounts(tmp_path).runs == [8]
