"""Profit and loss from the accounts: groupings that agree, pairs told apart, days kept."""

import csv
import io
import json
import os
import time
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.cli_pnl import pnl as command
from arbitrage.config import load_settings
from arbitrage.core.journal import TYPE_NAMES, Journal, JournalRecord
from arbitrage.core.messages import Order, PairPhase
from arbitrage.core.records import Leg, make_client_id
from arbitrage.core.strategy import PHASES
from arbitrage.errors import ConfigError
from arbitrage.runtime.state import open_state
from arbitrage.trading.account_journal import AccountJournal
from arbitrage.trading.accounts import (
    AccountFill,
    AccountFunding,
    Accounts,
    known_identities,
    read_accounts,
)
from arbitrage.trading.history import History
from arbitrage.trading.pair_of_fill import NO_PAIR
from arbitrage.trading.pnl import DAY_MS, Book, day_result

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


def test_a_pair_is_both_legs_their_fees_and_funding() -> None:
    held = book(*entry(), funding(1000, "bybit", "0.3"), funding(1000, "okx", "-0.5"), *leave())
    pair = held.pairs[(7, 1), "BTCUSDT"]
    assert pair.is_flat
    assert (pair.venue_of(1), pair.venue_of(-1)) == ("bybit", "okx")
    assert pair.entries["bybit"].px == 100
    assert pair.exits["okx"].px == Decimal("100.75")
    assert held.total.net == Decimal("1.5") - Decimal("0.2") + Decimal("0.2")
    assert held.total.realised.value == Decimal("1.5")
    assert held.total.funding.value == Decimal("0.2")
    assert held.positions() == {}
    assert held.unrealised({}) == 0


def test_a_late_bill_lands_in_its_own_day_and_pair() -> None:
    next_day = funding(60_500, "okx", "0.25")  # the pair had left the position half a second ago
    held = book(*entry(), *leave(), next_day, funding(3_600_000, "okx", "1"))
    place = ("okx", "BTCUSDT", DAY)
    assert held.flows[(*place, (7, 1))].funding.value == Decimal("-0.25")
    assert held.flows[(*place, NO_PAIR)].funding.value == Decimal(-1)
    held = book(*entry(), funding(DAY_MS // 2 + 5, "okx", "2"), *leave(DAY_MS))
    assert held.day(DAY).net == Decimal("-0.1")
    assert held.day(DAY + 1).net == Decimal("1.5") - Decimal("0.1") - 2


def test_a_settlement_of_the_entry_s_own_millisecond_is_the_pair_s() -> None:
    held = book(funding(1, "okx", "0.5"), *entry(), *leave())
    assert {key for key, _ in held.pairs} == {(7, 1)}


def test_two_holders_share_a_settlement_by_quantity_and_to_the_last_digit() -> None:
    sold = fill(10, "okx", SELL, "101", "1", ids=(8, 5, Leg.ENTRY_SELL))
    histories = {8: told_by_journal(sold)}
    held = book(*entry(), sold, funding(1000, "okx", "0.10"), histories=histories)
    shares = {
        key: flows.funding.value for (*_, key), flows in held.flows.items() if flows.funding.units
    }
    assert shares == {(7, 1): Decimal("-0.06"), (8, 5): Decimal("-0.04")}


def told_by_journal(one: AccountFill) -> History:
    """Return a history that knows the order of this execution."""
    history = History()
    order = Order(**dict.fromkeys(Order._fields, 0) | {"client_id": one.client_id, "qty_lots": 1})
    history.take(JournalRecord(1, 1, 1, 8, "INTENT", order.pack()))
    return history


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_order_in_which_events_are_told_does_not_matter(shuffled: bool) -> None:
    events = [*entry(), funding(1000, "okx", "0.5"), *leave()]
    held = book(*(reversed(events) if shuffled else events))
    assert held.total.net == Decimal("1.5") - Decimal("0.2") - Decimal("0.5")
    assert list(held.pairs) == [((7, 1), "BTCUSDT")]


def test_what_a_later_run_closes_belongs_to_the_pair_that_stood() -> None:
    held = book(*entry(), *leave(run=8, pair=1), *entry(90_000, 8, 2), *leave(120_000, 8, 2))
    assert sorted(key for key, _ in held.pairs) == [(7, 1), (8, 2)]
    assert all(pair.is_flat for pair in held.pairs.values())


def test_what_a_venue_or_a_person_closed_belongs_to_the_pair_that_held_it() -> None:
    taken = fill(5000, "okx", BUY, "110", "2", client_id=0)
    held = book(*entry(), taken, fill(6000, "bybit", SELL, "99", "2", ids=(7, 1, Leg.UNWIND_SELL)))
    assert list(held.pairs) == [((7, 1), "BTCUSDT")]
    assert held.total.realised.value == Decimal(2 * (101 - 110) + 2 * (99 - 100))
    assert book(taken).pairs[NO_PAIR, "BTCUSDT"].accounts["okx"].qty_base == 2


def test_what_stands_is_valued_only_with_a_mark() -> None:
    held = book(*entry())
    assert held.unrealised({}) is None
    marks = {("bybit", "BTCUSDT"): Decimal("100.2"), ("okx", "BTCUSDT"): Decimal("100.6")}
    assert held.unrealised(marks) == Decimal("0.4") + Decimal("0.8")
    assert held.unrealised({("okx", "BTCUSDT"): Decimal(1)}) is None


def test_only_the_time_and_the_run_asked_for_count() -> None:
    events = [*entry(), *leave(), *entry(90_000, 8, 1, "1"), *leave(120_000, 8, 1, "1")]
    assert book(*events).total.fills == 8
    assert book(*events, run=8).total.net == Decimal("0.75") - Decimal("0.2")
    assert book(*events, until_ms=NOON + 60_000).total.fills == 2
    late = book(*events, since_ms=NOON + 60_000, until_ms=NOON + 90_000)
    assert late.total.realised.value == Decimal("1.5"), "the entry's price is known all the same"
    assert late.total.fills == 2


def test_money_of_another_mode_is_never_added_up() -> None:
    paper = fill(0, "okx", BUY, "100", "50", mode="paper")
    assert book(*entry(), *leave(), paper).total.net == Decimal("1.3")


places = st.tuples(st.sampled_from(["bybit", "okx"]), st.sampled_from(["BTCUSDT", "ETHUSDT"]))
amounts = st.decimals("-5", "5", places=9)
coins = st.decimals("0.001", "9", places=4).map(abs).filter(bool)
prices = st.decimals("0.01", "500", places=3).map(abs).filter(bool)
trades = st.tuples(
    places, st.integers(0, 1), prices, coins, amounts, st.integers(0, 3), st.sampled_from(list(Leg))
)
events_of = st.lists(st.one_of(trades, st.tuples(places, amounts)), max_size=25)


@settings(max_examples=150, deadline=None)
@given(told=events_of, gaps=st.lists(st.integers(0, DAY_MS // 3), min_size=25, max_size=25))
def test_every_grouping_adds_up_to_the_wallets(told: list, gaps: list[int]) -> None:
    events: list[AccountFill | AccountFunding] = []
    cash: Fraction = Fraction(0)
    held: dict[tuple[str, str], Fraction] = {}
    at_ms = 0
    for number, (event, gap) in enumerate(zip(told, gaps, strict=False)):
        at_ms += gap
        if len(event) == 2:
            (venue, symbol), amount = event
            events.append(funding(at_ms, venue, str(amount), symbol))
            cash -= Fraction(amount)
            continue
        (venue, symbol), side, px, qty, fee, pair, leg = event
        ids = {"client_id": 0} if pair == 0 else {"ids": (7, pair, leg)}
        events.append(
            fill(at_ms, venue, side, str(px), str(qty), symbol=symbol, fee=fee,
                 trade_id=str(number), **ids)
        )  # fmt: skip
        change = Fraction(qty) * (-1 if side else 1)
        cash -= change * Fraction(px) + Fraction(fee)
        held[venue, symbol] = held.get((venue, symbol), Fraction(0)) + change
    whole = book(*events)
    marks = {place: Decimal("123.456") for place in held}
    standing = whole.unrealised(marks)
    assert standing is not None
    worth = cash + sum((qty * Fraction("123.456") for qty in held.values()), Fraction(0))
    assert Fraction(whole.total.net) + Fraction(standing) == worth
    first = min((event.wall_ms for event in events), default=0) // DAY_MS
    by_day = sum((Fraction(whole.day(first + n).net) for n in range(12)), Fraction(0))
    assert by_day == Fraction(whole.total.net)
    by_pair: Fraction = Fraction(0)
    for pair in whole.pairs.values():
        for account in pair.accounts.values():
            parts = (account.realised, account.fees.value, account.funding.value)
            by_pair += sum(map(Fraction, parts), Fraction(0))
    assert by_pair == Fraction(whole.total.net)
    coins_held: dict[tuple[str, str], Fraction] = {}
    for place, accounts in whole.positions().items():
        coins_held[place] = sum((Fraction(a.qty_base) for a in accounts), Fraction(0))
    assert {k: v for k, v in coins_held.items() if v} == {k: v for k, v in held.items() if v}


class Gate:
    """A risk gate that remembers what it was told."""

    told: tuple[float, int]

    def begin_day(self, result_usd: float, wall_ns: int) -> None:
        self.told = (result_usd, wall_ns)


def test_a_start_tells_the_gate_what_the_day_has_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: (NOON + 120_000) * 1_000_000)
    write(tmp_path, 7, *entry(), *leave(), mode="paper")
    for path in tmp_path.iterdir():
        os.utime(path, ns=((NOON + 60_000) * 1_000_000,) * 2)
    settings = load_settings(
        overrides={"ARB_STATE_DIR": str(tmp_path), "ARB_MODE": "paper"}, needs_keys=False
    )
    state = open_state(settings)
    gate = Gate()
    state.begin_day(gate)  # type: ignore[arg-type]
    assert gate.told == (pytest.approx(1.3), (NOON + 120_000) * 1_000_000)
    known = entry()[0]
    assert not state.account.fill(known), "what an earlier run counted is not counted again"
    state.close()
    assert read_accounts(tmp_path).notes == []


# ---- the command ---------------------------------------------------------------------------------


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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    state = tmp_path / "state"
    write(state, 6, fill(0, "okx", BUY, "5", "1", ids=(6, 1, 0)), mode="paper")
    write(state, 7, *entry(), funding(1000, "okx", "0.5"), *leave(), *entry(DAY_MS, 7, 2, "1"))
    journal = Journal.create(state / f"orders-{7:09d}-00000.journal", 64, 7)
    zeros = dict.fromkeys(Order._fields, 0) | {"qty_lots": 2}
    for leg in (Leg.ENTRY_BUY, Leg.ENTRY_SELL):
        client_id = make_client_id(7, 1, leg, 0)
        order = Order(**zeros | {"client_id": client_id, "row": int(leg), "side": int(leg)})
        assert journal.append(TYPE_NAMES.index("INTENT"), order.pack())
    phase = PairPhase(**dict.fromkeys(PairPhase._fields, 0) | {"pair": 1, "sell_row": 1})
    for name, reason in (("opening", 0), ("closed", 7)):
        told = phase._replace(phase=PHASES.index(name), reason=reason)
        assert journal.append(TYPE_NAMES.index("PAIR"), told.pack())
    journal.close()
    return state


def run(folder: Path, *args: str) -> Result:
    return CliRunner().invoke(command, [*args, "--state-dir", str(folder)])


def test_the_table_says_what_was_earned_and_what_stands(folder: Path) -> None:
    lines = run(folder, "--by", "day").output.splitlines()
    assert lines[0].startswith("money of mode live, USDT")
    assert lines[2].split()[:3] == ["2026-09-04", "4", "804.5000"]
    assert lines[2].split()[3:] == ["+1.5000", "-0.2000", "-0.5000", "+0.8000"]
    assert lines[3].split()[0] == "2026-09-05"
    assert lines[4].split()[:3] == ["total", "6", "1,005.5000"]
    assert lines[4].split()[3:] == ["+1.5000", "-0.3000", "-0.5000", "+0.7000"]
    assert lines[5] == (
        "standing: 1 BTCUSDT at bybit, entered at 100, mark unknown: its unrealised result is not "
        "in these figures"
    )
    assert lines[6].startswith("standing: -1 BTCUSDT at okx, entered at 101")
    assert lines[7] == "other money in this folder: --mode paper"


def test_a_pair_s_row_has_both_legs_and_what_its_journal_knows(folder: Path) -> None:
    found = json.loads(run(folder, "--by", "pair", "--json", "-").output)
    first, second = found["rows"]
    assert (first["run"], first["pair"]) == (7, 1)
    assert (first["state"], first["reason"]) == ("closed", "missed")
    assert (first["buy_venue"], first["buy_px"], first["buy_exit_px"]) == ("bybit", "100", "100.5")
    assert (first["sell_venue"], first["sell_px"]) == ("okx", "101")
    assert first["sell_exit_px"] == "100.75"
    assert (first["hold_s"], first["qty"], first["net"]) == (60.002, "2", "0.8")
    assert (second["state"], second["ended"], second["unrealised"]) == ("open", None, None)
    assert found["totals"]["net"] == "0.7"
    assert [row["qty"] for row in found["standing"]] == ["1", "-1"]


@pytest.mark.parametrize("by", ["pair", "venue", "symbol", "day", "total"])
def test_csv_is_exact_and_adds_up(folder: Path, by: str) -> None:
    rows = list(csv.DictReader(io.StringIO(run(folder, "--by", by, "--csv", "-").output)))
    assert sum(Decimal(row["net"]) for row in rows) == Decimal("0.7")
    assert sum(int(row["fills"]) for row in rows) == 6
    assert {row["mode"] for row in rows} == {"live"}
    assert not any("E" in row["volume"] for row in rows)


@pytest.mark.parametrize("by", ["pair", "day", "total"])
def test_parquet_holds_the_same_exact_decimals(folder: Path, tmp_path: Path, by: str) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "pnl.parquet"
    assert run(folder, "--by", by, "--parquet", str(path)).exit_code == 0
    table = parquet.read_table(path)
    assert str(table.schema.field("net").type).startswith("decimal128(38")
    told = list(csv.DictReader(io.StringIO(run(folder, "--by", by, "--csv", "-").output)))
    for row, same in zip(table.to_pylist(), told, strict=True):
        assert row["net"] == Decimal(same["net"])
        assert row["volume"] == Decimal(same["volume"])


def test_without_pyarrow_one_line_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    real: Callable[..., Any] = importlib.import_module

    def lacking(name: str, *args: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(importlib, "import_module", lacking)
    result = run(folder, "--parquet", "x.parquet")
    assert isinstance(result.exception, ConfigError)
    assert "--parquet needs pyarrow, which is not installed: pip install pyarrow" in str(
        result.exception
    )


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--csv", "-", "--json", "-"], "give one of --json, --csv and --parquet"),
        (["--parquet", "-"], "Parquet is no text, name a file"),
        (["--since", "yesterday"], "--since was 'yesterday'; accepted are UTC days"),
        (["--marks", "nobody-of-this-name"], "nobody-of-this-name"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(folder: Path, args: list[str], says: str) -> None:
    assert says in str(run(folder, *args).exception)


def test_a_folder_without_an_account_is_told(tmp_path: Path) -> None:
    assert "holds no account" in str(run(tmp_path).exception)


def test_since_until_run_and_mode_choose(folder: Path) -> None:
    def net(*args: str) -> str:
        return str(json.loads(run(folder, "--json", "-", *args).output)["totals"]["net"])

    assert net("--until", "2026-09-05") == "0.8"
    assert net("--since", "2026-09-05T00:00:00Z") == "-0.1"
    assert net("--run", "6", "--mode", "paper") == "-0.05"
    assert net("--run", "6") == "0"


def test_the_day_so_far_is_what_its_ended_pairs_brought_whole(folder: Path) -> None:
    at_ns = (DAY + 1) * DAY_MS * 1_000_000
    assert day_result(folder, at_ns - 1, "live") == Decimal("0.8")
    assert day_result(folder, at_ns, "live") == 0, "the pair that stands counts when it ends"
    assert day_result(folder, at_ns - 1, "demo") == 0
    write(folder, 8, *leave(DAY_MS + 60_000, 7, 2, "1"))
    assert day_result(folder, at_ns, "live") == Decimal("0.75") - Decimal("0.2")
