"""A journal's records in a person's words: names, prices and quantities, not rows and lots."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from arbitrage.core.journal import JournalRecord
from arbitrage.core.messages import (
    PAIR_KINDS,
    Adopted,
    Contract,
    ControlWords,
    Execution,
    FillEntry,
    FundingEntry,
    Order,
    PairPhase,
    PositionEntry,
    RunBegun,
    RunTaken,
)
from arbitrage.core.records import ExecKind, Leg, OrderAction, Side, Venue, split_client_id
from arbitrage.core.risk import KILLS
from arbitrage.core.strategy import EXIT_REASONS, PHASES
from arbitrage.instruments import SETTLE
from arbitrage.trading.accounts import MODES, RECOVERED, join_decimal
from arbitrage.trading.run_journal import RunJournal, decode
from arbitrage.wording import counted

__all__ = ["COLUMNS", "Row", "RowReader", "rows", "sentence"]

COLUMNS = (
    "sequence", "time", "type", "pair", "leg", "attempt", "client_id", "venue", "symbol", "what",
    "side", "qty", "px", "cum_qty", "unit", "fee_bps", "code", "phase", "reason", "opportunity_id",
    "mono_ns", "trade_id", "fee", "amount", "venue_time", "mode", "kind", "tag",
)  # fmt: skip
Row = dict[str, Any]
_WORDS = (
    ("cum_qty", "in all"), ("fee_bps", "fee bps"), ("code", "code"), ("fee", "fee"), ("amount", ""),
    ("trade_id", "id"), ("mode", "mode"),
)  # fmt: skip
_REDUCE_ONLY = 1  # ARB_ORDER_REDUCE_ONLY


def iso_time(wall_ns: int) -> str:
    """Write a UTC epoch in nanoseconds with its microseconds."""
    seconds, ns = divmod(wall_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns // 1000:06d}Z"


def plain(value: Decimal) -> str:
    """Write a decimal without exponent and without needless zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def name_of(kinds: Any, value: int) -> str:
    """Return an enum's name in lower case; the number of one that this build does not know."""
    return kinds(value).name.lower() if value in set(kinds) else str(value)


def rows(journal: RunJournal) -> Iterator[Row]:
    """Yield a row a record, in order: values by column, only those that the record has."""
    reader = RowReader()
    for record in journal:
        yield reader.read(record)


class RowReader:
    """Read a run's records one by one, from its first: contracts come before what names them."""

    def __init__(self) -> None:
        self._contracts: dict[int, Contract] = {}

    def read(self, record: JournalRecord) -> Row:
        """Return the row of the next record, and remember a contract."""
        row = _head(record)
        held = decode(record)
        if isinstance(held, Contract):
            self._contracts[held.row] = held
        row.update(_body(held, self._contracts))
        return row


def _head(record: JournalRecord) -> Row:
    return {
        "sequence": record.sequence,
        "time": iso_time(record.wall_ns),
        "mono_ns": record.mono_ns,
        "type": record.type.lower(),
    }


def _body(held: Any, contracts: dict[int, Contract]) -> Row:
    if isinstance(held, Order):
        return _order(held, contracts)
    if isinstance(held, Execution):
        return _execution(held, contracts)
    if isinstance(held, PairPhase):
        return {
            "pair": held.pair,
            "symbol": _symbol(held.symbol_index, contracts),
            "phase": PHASES[held.phase] if held.phase < len(PHASES) else str(held.phase),
            "reason": (
                EXIT_REASONS[held.reason] if held.reason < len(EXIT_REASONS) else str(held.reason)
            ),
            "what": f"holds {_held(held.long_lots, held.buy_row, contracts)} long, "
            f"{_held(held.short_lots, held.sell_row, contracts)} short",
            "opportunity_id": held.opportunity_id,
            "kind": PAIR_KINDS[held.kind] if held.kind < len(PAIR_KINDS) else str(held.kind),
            "tag": held.tag,
        }
    if isinstance(held, ControlWords):
        words = [name for name, value in held._asdict().items() if value and name != "kill"]
        if held.kill:
            reason = KILLS[held.kill] if held.kill < len(KILLS) else str(held.kill)
            words.insert(0, f"killed ({reason})")
        return {"what": ", ".join(words) or "trading"}
    if isinstance(held, Adopted):
        return {
            "pair": held.pair,
            "symbol": _symbol(held.symbol_index, contracts),
            "phase": PHASES[held.phase] if held.phase < len(PHASES) else str(held.phase),
            "what": f"taken over from run {held.from_run} pair {held.from_pair}, holds "
            f"{_held(held.long_lots, held.buy_row, contracts)} long, "
            f"{_held(held.short_lots, held.sell_row, contracts)} short",
            "opportunity_id": held.opportunity_id,
        }
    if isinstance(held, RunTaken):
        source = f"run {held.from_run}" if held.from_run else "nothing"
        return {"what": f"goes on from {source}, {counted(held.pair_count, 'pair')} taken over"}
    if isinstance(held, RunBegun):
        return {"what": f"process {held.pid}"}
    if isinstance(held, FillEntry | FundingEntry | PositionEntry):
        return _account(held, contracts)
    return {
        "venue": name_of(Venue, held.venue),
        "symbol": held.symbol,
        "what": f"{held.venue_symbol}, tick {held.tick}, lot {held.lot}",
    }


def _ids(client_id: int) -> Row:
    parts = split_client_id(client_id)
    return {
        "client_id": client_id,
        "pair": parts.pair,
        "leg": name_of(Leg, parts.leg),
        "attempt": parts.attempt,
    }


def _order(order: Order, contracts: dict[int, Contract]) -> Row:
    contract = contracts.get(order.row)
    found = _ids(order.client_id) | {
        "venue": name_of(Venue, order.venue),
        "symbol": contract.symbol if contract else f"row {order.row}",
        "what": name_of(OrderAction, order.action)
        + (" reduce-only" if order.flags & _REDUCE_ONLY else ""),
        "side": name_of(Side, order.side),
        "qty": _lots(order.qty_lots, order.row, contracts),
        "opportunity_id": order.opportunity_id,
    }
    if contract:
        found["px"] = plain(order.px_ticks * Decimal(contract.tick))
        found["unit"] = _unit(contract)
    else:
        found["px"] = f"{order.px_ticks} ticks"
    return found


def _execution(told: Execution, contracts: dict[int, Contract]) -> Row:
    contract = contracts.get(told.row)
    found: Row = {} if told.kind == ExecKind.VENUE else _ids(told.client_id)  # no order of ours
    found |= {
        "venue": name_of(Venue, told.venue),
        "symbol": contract.symbol if contract else f"row {told.row}",
        "what": name_of(ExecKind, told.kind),
    }
    if told.kind in (ExecKind.FILL, ExecKind.VENUE):
        found["side"] = name_of(Side, told.side)
        found["qty"] = _lots(told.last_qty_lots, told.row, contracts)
        found["px"] = f"{told.px:.10g}"
        found["fee_bps"] = round(told.fee_bps, 4)
    if told.cum_qty_lots >= 0 and told.kind in (ExecKind.FILL, ExecKind.DONE):
        found["cum_qty"] = _lots(told.cum_qty_lots, told.row, contracts)
    if contract and ("qty" in found or "cum_qty" in found):
        found["unit"] = _unit(contract)
    if told.venue_code:
        found["code"] = told.venue_code
    return found


def _account(
    held: FillEntry | FundingEntry | PositionEntry, contracts: dict[int, Contract]
) -> Row:
    contract = contracts.get(held.row)
    symbol = contract.symbol if contract else f"row {held.row}"
    coin = symbol.removesuffix(SETTLE)
    found: Row = {
        "venue": name_of(Venue, held.venue),
        "symbol": symbol,
        "venue_time": iso_time(held.wall_ns),
        "mode": MODES[held.mode] if held.mode < len(MODES) else str(held.mode),
    }
    if isinstance(held, FundingEntry):
        amount = -join_decimal(held.amount, held.amount_exponent)
        return found | {
            "what": "funding" + (" recovered" if held.flags & RECOVERED else ""),
            "amount": plain(amount),
            "trade_id": held.payment_id,
        }
    if isinstance(held, PositionEntry):
        return found | {
            "what": "told by the venue" if held.source else "counted",
            "qty": plain(join_decimal(held.qty, held.qty_exponent)),
            "px": plain(join_decimal(held.entry_px, held.entry_exponent)),
            "unit": coin,
        }
    ids = _ids(held.client_id) if held.client_id else {}
    return found | ids | {
        "what": "execution" + (" recovered" if held.flags & RECOVERED else ""),
        "side": name_of(Side, held.side),
        "qty": plain(join_decimal(held.qty, held.qty_exponent)),
        "px": plain(join_decimal(held.px, held.px_exponent)),
        "unit": coin,
        "fee": plain(join_decimal(held.fee, held.fee_exponent)),
        "trade_id": held.trade_id,
    }


def _lots(lots: int, row: int, contracts: dict[int, Contract]) -> str:
    contract = contracts.get(row)
    return plain(lots * Decimal(contract.lot)) if contract else f"{lots} lots"


def _held(lots: int, row: int, contracts: dict[int, Contract]) -> str:
    contract = contracts.get(row)
    text = _lots(lots, row, contracts)
    return f"{text} {_unit(contract)}" if contract else text


def _unit(contract: Contract) -> str:
    """Name what a venue counts quantities in: OKX contracts, Bybit coins or bundles of them."""
    if contract.venue == Venue.OKX:
        return "contracts"
    return contract.venue_symbol.removesuffix(SETTLE)


def _symbol(symbol_index: int, contracts: dict[int, Contract]) -> str:
    for contract in contracts.values():
        if contract.symbol_index == symbol_index:
            return contract.symbol
    return f"symbol {symbol_index}"


def sentence(row: Row) -> str:
    """Write a row as one line of text."""
    text = f"{row['sequence']:>8}  {row['time']}  {row['type']:<8}"
    if "pair" in row:
        leg = f" {row['leg']}#{row['attempt']}" if "leg" in row else ""
        text += f"  pair {row['pair']}{leg}"
    for key in ("venue", "symbol", "phase", "what", "side", "qty"):
        if key in row:
            text += f"  {row[key]}"
    if "qty" in row and "unit" in row:
        text += f" {row['unit']}"
    if "px" in row:
        text += f" at {row['px']}"
    for key, word in _WORDS:
        if key in row:
            text += f"  {word} {row[key]}" if word else f"  {row[key]}"
    if row.get("reason", "none") != "none":
        text += f"  ({row['reason']})"
    return text
