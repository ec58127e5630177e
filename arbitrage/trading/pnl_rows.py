"""Profit and loss as rows for people and programs: one set of columns for every grouping."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from arbitrage.trading.history import History, PairHistory
from arbitrage.trading.pair_of_fill import NO_PAIR, PairKey
from arbitrage.trading.pnl import DAY_MS, Book, Flows, Marks, PairBook
from arbitrage.trading.positions import Units

__all__ = [
    "GROUPS",
    "KEYS",
    "Row",
    "columns_of",
    "day_text",
    "money_of",
    "pnl_rows",
    "position_rows",
]

Row = dict[str, Any]
GROUPS = ("pair", "venue", "symbol", "day", "total")
KEYS = {
    "pair": ("run", "pair", "symbol"),
    "venue": ("venue",),
    "symbol": ("symbol",),
    "day": ("day",),
    "total": (),
}
MONEY = ("fills", "volume", "realised", "fees", "funding", "net", "unrealised")
PAIR_FACTS = (
    "buy_venue", "sell_venue", "state", "reason", "qty", "buy_px", "sell_px", "buy_exit_px",
    "sell_exit_px", "started", "ended", "hold_s", "naked_ms",
)  # fmt: skip


def day_text(day: int) -> str:
    """Write a UTC day counted from the epoch."""
    return f"{datetime.fromtimestamp(day * DAY_MS / 1000, UTC):%Y-%m-%d}"


def time_text(wall_ms: int) -> str:
    """Write a UTC time in milliseconds from the epoch."""
    moment = datetime.fromtimestamp(wall_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{wall_ms % 1000:03d}Z"


def pnl_rows(
    book: Book, by: str, marks: Marks, histories: dict[int, History] | None = None
) -> list[Row]:
    """Return one row a group, in the groups' order; none where no money moved.

    `unrealised` is None where a mark is missing, and absent from days: what stands stands now.
    """
    groups: dict[tuple[Any, ...], Flows] = {}
    for (venue, symbol, day, key), flows in book.flows.items():
        names = {"venue": venue, "symbol": symbol, "day": day, "run": key[0], "pair": key[1]}
        place = tuple(names[name] for name in KEYS[by])
        groups.setdefault(place, Flows()).add(flows)
    told = _told(histories or {}) if by == "pair" else {}
    rows = []
    for place in sorted(groups):
        row: Row = {"mode": book.mode} | dict(zip(KEYS[by], place, strict=True))
        if by == "pair":
            pair = book.pairs[(row["run"], row["pair"]), row["symbol"]]
            row |= _pair_facts(pair, told.get(pair.key, []))
        row |= money_of(groups[place])
        if by != "day":
            row["unrealised"] = _unrealised(book, row, marks)
        else:
            row["day"] = day_text(row["day"])
        rows.append(row)
    return rows


def money_of(flows: Flows) -> Row:
    """Return the columns of some flows."""
    return {
        "fills": flows.fills,
        "volume": flows.volume.value,
        "realised": flows.realised.value,
        "fees": flows.fees.value,
        "funding": flows.funding.value,
        "net": flows.net,
    }


def _unrealised(book: Book, row: Row, marks: Marks) -> Decimal | None:
    """Return what stands of a row's group would bring; None where a mark is missing."""
    total = Units()
    for (key, symbol), pair in book.pairs.items():
        if "pair" in row and (key, symbol) != ((row["run"], row["pair"]), row["symbol"]):
            continue
        if row.get("symbol", symbol) != symbol:
            continue
        for venue, account in pair.accounts.items():
            if row.get("venue", venue) != venue:
                continue
            part = account.unrealised(marks.get((venue, symbol)))
            if part is None:
                return None
            total.add_decimal(part)
    return total.value


def _told(histories: dict[int, History]) -> dict[PairKey, list[PairHistory]]:
    """Return what the journals know of each pair, run by run, under the key that opened it."""
    found: dict[PairKey, list[PairHistory]] = {}
    for run in sorted(histories):
        for pair in histories[run].pairs.values():
            found.setdefault(pair.adopted_from or (run, pair.number), []).append(pair)
    return found


def _pair_facts(pair: PairBook, told: list[PairHistory]) -> Row:
    if pair.key == NO_PAIR:
        return {"state": "of no pair"}
    buy, sell = pair.venue_of(1), pair.venue_of(-1)
    entered = [side.qty.value for side in pair.entries.values()]
    state = "closed" if pair.is_flat else "open"
    facts: Row = {
        "buy_venue": buy or None,
        "sell_venue": sell or None,
        "state": state,
        "qty": min(entered) if len(entered) == 2 else None,
        "buy_px": _px(pair, "entries", buy),
        "sell_px": _px(pair, "entries", sell),
        "buy_exit_px": _px(pair, "exits", buy),
        "sell_exit_px": _px(pair, "exits", sell),
        "started": time_text(pair.started_ms),
        "ended": time_text(pair.ended_ms) if pair.is_flat else None,
        "hold_s": (pair.ended_ms - pair.started_ms) / 1000 if pair.is_flat else None,
    }
    if told:
        facts["naked_ms"] = round(max(one.naked_ns_max for one in told) / 1e6, 3)
        reasons = [entry.reason for one in told for entry in one.phases if entry.reason != "none"]
        facts["reason"] = reasons[-1] if reasons else None
        if not pair.is_flat:
            facts["state"] = told[-1].state.phase
    return facts


def _px(pair: PairBook, kind: str, venue: str) -> Decimal | None:
    side = getattr(pair, kind).get(venue)
    return None if side is None else side.px


def position_rows(book: Book, marks: Marks) -> list[Row]:
    """Return what stands: a row a contract; `mark_px` and `unrealised` are None where unknown."""
    rows = []
    for (venue, symbol), accounts in sorted(book.positions().items()):
        qty, cost = Units(), Units()
        unrealised: Units | None = Units()
        mark = marks.get((venue, symbol))
        for account in accounts:
            qty.add(account.qty.units, account.qty.exponent)
            cost.add(account.cost.units, account.cost.exponent)
            part = account.unrealised(mark)
            if part is None or unrealised is None:
                unrealised = None
            else:
                unrealised.add_decimal(part)
        entry = Decimal(f"{cost.value / qty.value:.12g}") if qty.units else None
        rows.append(
            {
                "mode": book.mode,
                "venue": venue,
                "symbol": symbol,
                "qty": qty.value,
                "entry_px": entry,
                "mark_px": mark,
                "unrealised": None if unrealised is None else unrealised.value,
            }
        )
    return rows


def columns_of(by: str) -> Iterable[str]:
    """Return the columns of a grouping, in order."""
    facts = PAIR_FACTS if by == "pair" else ()
    money = tuple(name for name in MONEY if by != "day" or name != "unrealised")
    return ("mode", *KEYS[by], *facts, *money)
