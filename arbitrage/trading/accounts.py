"""The accounts of all runs read back: executions, settlements and positions, each once.

What is written is `arbitrage.trading.account_journal`.
"""

import hashlib
import logging
import time
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec

from arbitrage.core.messages import Contract, FillEntry, FundingEntry, PositionEntry
from arbitrage.errors import JournalError
from arbitrage.fills import Fill, FundingPayment
from arbitrage.instruments import VENUES
from arbitrage.trading.run_journal import RunJournal, decode
from arbitrage.trading.runs import journal_parts

__all__ = [
    "MODES",
    "AccountFill",
    "AccountFunding",
    "AccountPosition",
    "Accounts",
    "entries",
    "fill_identity",
    "funding_identity",
    "join_decimal",
    "known_identities",
    "read_accounts",
    "recent_runs",
]

MODES = ("unknown", "paper", "demo", "testnet", "live", "simulator")  # whose money it is
ROUNDED, RECOVERED = 1, 2  # ARB_JOURNAL_*
_ID_ROOM = {"FILL": 36, "FUNDING": 48}
_KNOWN_DAYS = 30  # further back than either venue tells executions to a start-up
_NS_A_DAY = 86_400_000_000_000
_log = logging.getLogger(__name__)

Identity = tuple[str, ...]


class AccountFill(Fill, frozen=True, kw_only=True):
    """One execution as the account's journal holds it.

    Attributes
    ----------
    run : int
        Run that wrote it down; the one that ordered it is in the client id.
    mode : str
        Whose money it is, one of `MODES`.
    recovered : bool
        Found at the venue after the run that traded it.
    rounded : bool
        A number had more digits than a record holds.
    """

    run: int
    mode: str
    recovered: bool = False
    rounded: bool = False


class AccountFunding(FundingPayment, frozen=True, kw_only=True):
    """One settlement as the account's journal holds it; see `AccountFill`."""

    run: int
    mode: str
    recovered: bool = False
    rounded: bool = False


class AccountPosition(msgspec.Struct, frozen=True, kw_only=True):
    """What was held of one contract at one moment; `entry_px` is None when flat or not told."""

    run: int
    mode: str
    venue: str
    symbol: str
    qty_base: Decimal
    entry_px: Decimal | None
    wall_ms: int
    by_venue: bool


AccountEntry = AccountFill | AccountFunding | AccountPosition


def fill_identity(mode: str, fill: Fill) -> Identity:
    """Return what makes an execution the same one, whenever and by whomever it is told.

    The order belongs to it: simulators begin their trade ids again, and on OKX both sides of one
    trade carry the same id.
    """
    trade_id = _id_text(fill.trade_id, "FILL")
    return ("fill", mode, fill.venue, fill.symbol, str(fill.client_id), trade_id)


def funding_identity(mode: str, payment: FundingPayment) -> Identity:
    """Return what makes a settlement the same one; its hour is part of it, for simulators' sake."""
    hour = str(payment.wall_ms // 3_600_000)
    payment_id = _id_text(payment.payment_id, "FUNDING")
    return ("funding", mode, payment.venue, payment.symbol, hour, payment_id)


def _id_text(text: str, kind: str) -> str:
    """Return a venue's id as a record holds it."""
    room = _ID_ROOM[kind]
    if text.isascii() and len(text) <= room:
        return text
    return "#" + hashlib.sha256(text.encode()).hexdigest()[: room - 1]


def join_decimal(mantissa: int, exponent: int) -> Decimal:
    """Return the decimal that a record holds as mantissa and exponent."""
    return Decimal((mantissa < 0, tuple(map(int, str(abs(mantissa)))), exponent))


class Accounts(msgspec.Struct):
    """What the account journals of a folder hold, each event once, in the venues' order of time.

    Attributes
    ----------
    runs : list of int
        Runs that were read.
    notes : list of str
        What could not be read, a line each.
    """

    fills: list[AccountFill]
    fundings: list[AccountFunding]
    positions: list[AccountPosition]
    runs: list[int]
    notes: list[str]


def entries(journal: RunJournal) -> Iterator[AccountEntry]:
    """Yield one run's account records in the order they were appended."""
    symbols: dict[int, str] = {}
    for record in journal:
        held = decode(record)
        if isinstance(held, Contract):
            symbols[held.row] = held.symbol
        elif isinstance(held, FillEntry | FundingEntry | PositionEntry):
            symbol = symbols.get(held.row, f"row {held.row}")
            yield _entry(held, symbol, record.run)


def _entry(held: FillEntry | FundingEntry | PositionEntry, symbol: str, run: int) -> AccountEntry:
    mode = MODES[held.mode] if held.mode < len(MODES) else MODES[0]
    venue, wall_ms = VENUES[held.venue], held.wall_ns // 1_000_000
    rounded, recovered = bool(held.flags & ROUNDED), bool(held.flags & RECOVERED)
    if isinstance(held, FillEntry):
        return AccountFill(
            run=run, mode=mode, venue=venue, symbol=symbol, client_id=held.client_id,
            trade_id=held.trade_id, side=held.side, px=join_decimal(held.px, held.px_exponent),
            qty_base=join_decimal(held.qty, held.qty_exponent),
            fee=join_decimal(held.fee, held.fee_exponent), wall_ms=wall_ms,
            recovered=recovered, rounded=rounded,
        )  # fmt: skip
    if isinstance(held, FundingEntry):
        return AccountFunding(
            run=run, mode=mode, venue=venue, symbol=symbol, payment_id=held.payment_id,
            amount=join_decimal(held.amount, held.amount_exponent), wall_ms=wall_ms,
            recovered=recovered, rounded=rounded,
        )  # fmt: skip
    return AccountPosition(
        run=run, mode=mode, venue=venue, symbol=symbol, by_venue=held.source == 1,
        qty_base=join_decimal(held.qty, held.qty_exponent), wall_ms=wall_ms,
        entry_px=join_decimal(held.entry_px, held.entry_exponent) if held.entry_px else None,
    )  # fmt: skip


def read_accounts(folder: Path, runs: Iterable[int] | None = None) -> Accounts:
    """Read the account journals of all runs of a state folder, or of some; traders may be running.

    A journal ends at its first record that is not whole, as after a power cut; a file that cannot
    be read at all is told in `notes`.
    """
    found = journal_parts(folder, "account")
    wanted = sorted(found) if runs is None else [run for run in sorted(set(runs)) if run in found]
    accounts = Accounts([], [], [], wanted, [])
    seen: set[Identity] = set()
    for run in wanted:
        try:
            with RunJournal(found[run]) as journal:
                for entry in entries(journal):
                    _take(accounts, seen, entry)
                stray = journal.verify().stray
        except JournalError as error:
            accounts.notes.append(str(error))
            continue
        if stray:
            accounts.notes.append(
                f"the account of run {run} is damaged: {stray} whole records lie behind its end"
            )
    for events in (accounts.fills, accounts.fundings, accounts.positions):
        events.sort(key=lambda event: event.wall_ms)
    return accounts


def _take(accounts: Accounts, seen: set[Identity], entry: AccountEntry) -> None:
    if isinstance(entry, AccountPosition):
        accounts.positions.append(entry)
        return
    identity = _identity(entry)
    if identity in seen:
        return
    seen.add(identity)
    if isinstance(entry, AccountFill):
        accounts.fills.append(entry)
    else:
        accounts.fundings.append(entry)


def _identity(entry: AccountFill | AccountFunding) -> Identity:
    if isinstance(entry, AccountFill):
        return fill_identity(entry.mode, entry)
    return funding_identity(entry.mode, entry)


def recent_runs(folder: Path, up_to_run: int) -> list[int]:
    """Return the runs whose accounts were written to in the last 30 days."""
    oldest_ns = time.time_ns() - _KNOWN_DAYS * _NS_A_DAY
    return [
        run
        for run, paths in journal_parts(folder, "account").items()
        if run <= up_to_run and paths[-1].stat().st_mtime_ns >= oldest_ns
    ]


def known_identities(folder: Path, before_run: int) -> set[Identity]:
    """Return the identity of every event in the accounts that were written to lately."""
    accounts = read_accounts(folder, recent_runs(folder, before_run - 1))
    for note in accounts.notes:
        _log.warning("%s; what it holds may be counted again", note)
    return {*map(_identity, accounts.fills), *map(_identity, accounts.fundings)}
