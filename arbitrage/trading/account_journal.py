"""The account's journal: every execution and settlement, exact, kept for good beside the orders'.

A run's account lies in ``account-RUN-PART.journal``, files of the same format as the orders'. The
orders' journal is the strategy's and holds lots and floating prices; this one holds the money:
the venues' own decimals, trade ids and times, appended by the gateways' loop when the ledger counts
them. Nothing is counted twice: what an earlier run or an earlier push has brought is known by its
identity, see `arbitrage.trading.accounts.fill_identity`.
"""

import logging
import time
from collections import deque
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal

from arbitrage.core.journal import TYPE_NAMES, Journal
from arbitrage.core.messages import Contract, FillEntry, FundingEntry, PositionEntry
from arbitrage.fills import Fill, FundingPayment
from arbitrage.instruments import VENUES
from arbitrage.trading.accounts import (
    MODES,
    RECOVERED,
    ROUNDED,
    Identity,
    fill_identity,
    funding_identity,
)

__all__ = ["AccountJournal"]

_DIGITS = Context(prec=18, rounding=ROUND_HALF_EVEN)  # what 63 bits hold of any number
_ROW_LAST = 0x1FFE  # rows of contracts that this run does not trade, counted down
_CODES = {name: TYPE_NAMES.index(name) for name in ("CONTRACT", "FILL", "FUNDING", "POSITION")}
_log = logging.getLogger(__name__)


class AccountJournal:
    """Append what the ledger counts.

    Threads: one appends (the gateways' loop; before it starts, the main thread); a keeper tends
    and syncs `journal`.

    Parameters
    ----------
    journal : Journal
        This run's, just made.
    mode : str
        One of `MODES`.
    known : iterable of Identity, optional
        What earlier runs have written down, see `known_identities`.
    """

    def __init__(self, journal: Journal, mode: str, known: Iterable[Identity] = ()) -> None:
        if mode not in MODES:
            raise ValueError(f"mode was {mode!r}; accepted values are {', '.join(MODES)}")
        self.journal = journal
        self.mode = mode
        self._known = set(known)
        self._rows: dict[tuple[str, str], int] = {}
        self._untraded = 0  # contracts that this run does not trade
        self._waiting: deque[tuple[int, bytes]] = deque()

    @property
    def behind(self) -> int:
        """Records that found no room yet; they are appended as soon as there is some."""
        return len(self._waiting)

    def add_contract(
        self, row: int, venue: str, symbol: str, venue_symbol: str, tick: str, lot: str
    ) -> None:
        """Write down which contract a row is, before any record names the row."""
        index = VENUES.index(venue)
        self._rows[venue, symbol] = row
        record = Contract(row, 0, index, symbol, venue_symbol, tick[:16], lot[:16])
        self._append("CONTRACT", record.pack())

    def fill(self, fill: Fill, *, recovered: bool = False) -> bool:
        """Write down one execution; False when it is known, from this run or an earlier one."""
        identity = fill_identity(self.mode, fill)
        if identity in self._known:
            return False
        px, qty, fee = _split(fill.px), _split(fill.qty_base), _split(fill.fee)
        rounded = px[2] or qty[2] or fee[2]
        record = FillEntry(
            client_id=fill.client_id,
            wall_ns=fill.wall_ms * 1_000_000,
            px=px[0],
            qty=qty[0],
            fee=fee[0],
            trade_id=identity[-1],
            row=self._row(fill.venue, fill.symbol),
            venue=VENUES.index(fill.venue),
            side=fill.side,
            px_exponent=px[1],
            qty_exponent=qty[1],
            fee_exponent=fee[1],
            mode=MODES.index(self.mode),
            flags=_flags(rounded, recovered),
        )
        self._known.add(identity)
        self._append("FILL", record.pack())
        return True

    def funding(self, payment: FundingPayment, *, recovered: bool = False) -> bool:
        """Write down one settlement; False when it is known."""
        identity = funding_identity(self.mode, payment)
        if identity in self._known:
            return False
        amount, exponent, rounded = _split(payment.amount)
        record = FundingEntry(
            wall_ns=payment.wall_ms * 1_000_000,
            amount=amount,
            payment_id=identity[-1],
            row=self._row(payment.venue, payment.symbol),
            venue=VENUES.index(payment.venue),
            amount_exponent=exponent,
            mode=MODES.index(self.mode),
            flags=_flags(rounded, recovered),
        )
        self._known.add(identity)
        self._append("FUNDING", record.pack())
        return True

    def position(
        self,
        venue: str,
        symbol: str,
        qty_base: Decimal,
        entry_px: Decimal | None,
        *,
        by_venue: bool,
        wall_ms: int | None = None,
    ) -> None:
        """Write down what is held: counted by the ledger, or as the venue told it."""
        qty, entry = _split(qty_base), _split(entry_px or Decimal(0))
        record = PositionEntry(
            wall_ns=time.time_ns() if wall_ms is None else wall_ms * 1_000_000,
            qty=qty[0],
            entry_px=entry[0],
            row=self._row(venue, symbol),
            venue=VENUES.index(venue),
            source=int(by_venue),
            qty_exponent=qty[1],
            entry_exponent=entry[1],
            mode=MODES.index(self.mode),
            flags=_flags(qty[2], False),
        )
        self._append("POSITION", record.pack())

    def retry(self) -> int:
        """Append what found no room before; return how many records still wait."""
        while self._waiting and self.journal.append(*self._waiting[0]):
            self._waiting.popleft()
        return len(self._waiting)

    def _append(self, kind: str, payload: bytes) -> None:
        if self.retry() == 0 and self.journal.append(_CODES[kind], payload):
            return
        if not self._waiting:
            _log.error(
                "%s has no room: executions wait in memory until its next file can be made; no "
                "pair is opened any more, make room and start again",
                self.journal.path,
            )
        self._waiting.append((_CODES[kind], payload))

    def _row(self, venue: str, symbol: str) -> int:
        row = self._rows.get((venue, symbol))
        if row is None:
            # what an earlier run traded and this one does not
            row = _ROW_LAST - self._untraded
            self._untraded += 1
            self.add_contract(row, venue, symbol, symbol, "", "")
        return row


def _flags(rounded: bool, recovered: bool) -> int:
    return (ROUNDED if rounded else 0) | (RECOVERED if recovered else 0)


def _split(value: Decimal) -> tuple[int, int, bool]:
    """Return a decimal as (mantissa, exponent, whether it had to be rounded for that)."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is no number that a journal can hold")
    mantissa = int("".join(map(str, digits)))
    while mantissa and mantissa % 10 == 0:
        mantissa, exponent = mantissa // 10, exponent + 1
    if mantissa >= 1 << 63:
        rounded = _split(_DIGITS.plus(value))
        return rounded[0], rounded[1], True
    if mantissa == 0:
        exponent = 0
    if not -128 <= exponent <= 127:
        raise ValueError(f"{value} is no number that a journal can hold")
    return -mantissa if sign else mantissa, exponent, False
