"""What to do with what an earlier run left: decided from its journal and the venues' words alone.

Nothing here asks or sends anything. The journal says what was meant and what was heard of; the
venues say what came of it. What both explain together is taken over as a pair; what they do not
explain is for a person, and then nothing is taken over at all.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from arbitrage.core.records import split_client_id
from arbitrage.errors import OrderError
from arbitrage.fills import BUY, SELL, signed
from arbitrage.instruments import Instrument, steps_exact
from arbitrage.trading.past import ZERO, Key, Past, PastLeg, PastOrder, PastPair

__all__ = [
    "AdoptLeg",
    "AdoptPair",
    "Fate",
    "Mismatch",
    "Plan",
    "Traded",
    "VenueWord",
    "from_journal_alone",
    "make_plan",
]


class Fate(msgspec.Struct, frozen=True):
    """What a venue says became of an order; `filled` None: it does not know the order."""

    client_id: int
    filled: Decimal | None


class Traded(msgspec.Struct, frozen=True, kw_only=True):
    """One execution as a venue lists it; `client_id` 0: no order of ours.

    `by_venue` tells those that the venue made itself: a liquidation, a deleveraging.
    """

    key: Key
    client_id: int
    side: int
    qty: Decimal
    px: Decimal
    wall_ms: int
    by_venue: bool = False


class VenueWord(msgspec.Struct, frozen=True, kw_only=True):
    """What both venues say now.

    Parameters
    ----------
    held : mapping
        Contract -> signed quantity in the venue's units, flat ones left out.
    fates : mapping
        Client id -> what became of an order whose end the journal does not know.
    traded : sequence of Traded
        Executions since `Past.since_wall_ns` or a little before, oldest first.
    """

    held: Mapping[Key, Decimal]
    fates: Mapping[int, Fate] = {}
    traded: Sequence[Traded] = ()


class AdoptLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One leg to take over: lots of now's grid, counted in the direction of its entry."""

    venue: str
    lots: int
    entry_px: float | None
    fee_bps: float | None


class AdoptPair(msgspec.Struct, frozen=True, kw_only=True):
    """A pair to take over; the strategy opens, levels or unwinds it by what its legs hold."""

    symbol: str
    legs: tuple[AdoptLeg, AdoptLeg]
    run: int
    number: int
    opportunity_id: int
    started_wall_ns: int
    opened_wall_ns: int
    funding_bps: float
    kind: int
    tag: int


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """A position that journal and executions do not explain, or that cannot be taken over.

    `symbol` is the canonical one where the last run traded it, else empty. `is_left_out`: it is
    explained, and its symbol is not traded any more.
    """

    venue: str
    venue_symbol: str
    told: Decimal
    expected: Decimal
    why: str
    symbol: str = ""
    is_left_out: bool = False

    def __str__(self) -> str:
        return (
            f"{self.venue} says {self.told:f} {self.venue_symbol}, expected were "
            f"{self.expected:f}: {self.why}"
        )


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to take over; or, when anything is unexplained, only that."""

    adopt: tuple[AdoptPair, ...] = ()
    mismatches: tuple[Mismatch, ...] = ()
    notes: tuple[str, ...] = ()
    late_fills: tuple[Traded, ...] = ()  # of our orders, which the journal did not know


def from_journal_alone(past: Past) -> VenueWord:
    """Return what a venue without a memory would say: that of paper trading.

    What its gateway held died with it: an order that had not filled by then never does.
    """
    fates = {
        order.client_id: Fate(order.client_id, order.filled) for order in past.open_orders
    }
    return VenueWord(held=past.standing, fates=fates)


def make_plan(
    past: Past, word: VenueWord, instruments: Mapping[Key, Instrument]
) -> Plan:
    """Decide what of an earlier run is taken over.

    Parameters
    ----------
    past : Past
        The last run that traded; an empty one when there was none.
    word : VenueWord
        Asked for after everything that rested was cancelled.
    instruments : mapping
        Contract -> what is traded now.
    """
    held, late, unknown = _with_fates(past, word)
    mismatches: list[Mismatch] = []
    notes: list[str] = []
    truth: dict[Key, Decimal] = {}
    flat = _flat_symbols(past, word)
    for key in sorted(set(held) | set(word.held)):
        told, expected = word.held.get(key, ZERO), held.get(key, ZERO)
        if key not in instruments and key not in past.symbols:
            continue  # of a contract that was never ours
        why, note = _explain(past, word, unknown, key, told - expected)
        if why and past.symbols.get(key) in flat:
            why = ""
            note = (
                f"{key[0]}: {expected:f} {key[1]} were left and are gone: closed by somebody else"
            )
        is_left_out = not why and bool(told) and key not in instruments
        if is_left_out:
            why = "it is not among the traded symbols any more"
        if why:
            mismatches.append(
                Mismatch(
                    venue=key[0], venue_symbol=key[1], told=told, expected=expected, why=why,
                    symbol=past.symbols.get(key, ""), is_left_out=is_left_out,
                )
            )
        elif note:
            notes.append(note)
        truth[key] = told
    if mismatches:
        return Plan(mismatches=tuple(mismatches), notes=tuple(notes))
    try:
        adopt = tuple(_pairs(past, truth, late, instruments))
    except OrderError as error:
        key = _off_grid(truth, instruments)
        found = Mismatch(
            venue=key[0], venue_symbol=key[1], told=truth[key], expected=held.get(key, ZERO),
            why=f"it does not lie on the lot grid of now ({error}); close it by hand",
            symbol=past.symbols.get(key, ""),
        )
        return Plan(mismatches=(found,), notes=tuple(notes))
    return Plan(adopt=adopt, notes=tuple(notes), late_fills=tuple(late))


# ---- what was held -------------------------------------------------------------------------------


def _with_fates(
    past: Past, word: VenueWord
) -> tuple[dict[Key, Decimal], list[Traded], dict[Key, list[PastOrder]]]:
    """Bring the journal's positions up to what the venues know of its open orders.

    Returns positions, fills that the journal had not, and orders that no venue knows any more.
    """
    held = dict(past.held)
    late: list[Traded] = []
    unknown: dict[Key, list[PastOrder]] = {}
    for order in past.open_orders:
        trades = [one for one in word.traded if one.client_id == order.client_id]
        fate = word.fates.get(order.client_id)
        listed = sum((one.qty for one in trades), ZERO)
        filled = max(order.filled, listed, fate.filled if fate and fate.filled else ZERO)
        if (fate is None or fate.filled is None) and listed < order.qty:
            unknown.setdefault(order.key, []).append(order)
        more = min(filled, order.qty) - order.filled
        if more > 0:
            held[order.key] = held.get(order.key, ZERO) + signed(order.side, more)
            late.append(_late(order, trades, more))
    return held, late, unknown


def _late(order: PastOrder, trades: Sequence[Traded], more: Decimal) -> Traded:
    """Return what an order filled beyond the journal as one execution, at the average of all."""
    listed = sum((one.qty for one in trades), ZERO)
    value = sum((one.px * one.qty for one in trades), ZERO)
    px = value / listed if listed else Decimal(repr(order.limit_px))
    wall_ms = max((one.wall_ms for one in trades), default=order.wall_ns // 1_000_000)
    return Traded(
        key=order.key, client_id=order.client_id, side=order.side, qty=more, px=px, wall_ms=wall_ms
    )


def _flat_symbols(past: Past, word: VenueWord) -> set[str]:
    """Return the symbols of which no venue holds anything."""
    standing = {past.symbols.get(key) for key, qty in word.held.items() if qty}
    return {symbol for symbol in past.symbols.values() if symbol not in standing}


def _explain(
    past: Past, word: VenueWord, unknown: Mapping[Key, list[PastOrder]], key: Key, gap: Decimal
) -> tuple[str, str]:
    """Say why a gap between venue and journal is not to be traded on; or what has made it."""
    if gap == 0:
        return "", ""
    foreign = [one for one in word.traded if one.key == key and not _is_ours(past, one)]
    total = ZERO
    for index in range(len(foreign) - 1, -1, -1):
        total += signed(foreign[index].side, foreign[index].qty)
        if total != gap:
            continue
        if all(one.by_venue for one in foreign[index:]):
            return "", f"{key[0]}: the venue itself traded {gap:+f} {key[1]}"
        return "traded from outside", ""
    room = sum((order.qty - order.filled for order in unknown.get(key, ())
                if order.side == (BUY if gap > 0 else SELL)), ZERO)
    if room >= abs(gap):
        # older than what the venues can be asked for: their positions tell what it filled
        return "", f"{key[0]}: an order that is no longer listed filled {gap:+f} {key[1]}"
    return "no execution explains it", ""


def _is_ours(past: Past, trade: Traded) -> bool:
    """Whether an execution is of an order of this run, or of an earlier one that it has settled."""
    if trade.client_id == 0 or trade.client_id in past.orders:
        return trade.client_id != 0
    return split_client_id(trade.client_id).run < past.run


# ---- what to take over ---------------------------------------------------------------------------


def _off_grid(truth: Mapping[Key, Decimal], instruments: Mapping[Key, Instrument]) -> Key:
    return next(
        key for key, qty in truth.items()
        if qty and qty % instruments[key].lot != 0
    )


def _pairs(
    past: Past,
    truth: Mapping[Key, Decimal],
    late: Sequence[Traded],
    instruments: Mapping[Key, Instrument],
) -> list[AdoptPair]:
    standing: dict[str, dict[Key, Decimal]] = {}
    for key, qty in truth.items():
        if qty:
            standing.setdefault(instruments[key].symbol, {})[key] = qty
    found = []
    for symbol, held in sorted(standing.items()):
        keys = [key for key, item in instruments.items() if item.symbol == symbol]
        pair = past.pairs.get(symbol) or _orphan(past, symbol, held, keys)
        for fill in late:
            for leg in pair.legs:
                if (leg.venue, leg.venue_symbol) == fill.key:
                    is_entry = past.orders[fill.client_id].is_entry
                    leg.count(float(fill.qty), float(fill.px), float("nan"), is_entry=is_entry)
        legs = [
            AdoptLeg(
                venue=leg.venue,
                lots=_lots(held.get((leg.venue, leg.venue_symbol), ZERO), sign, instruments, leg),
                entry_px=leg.entry_px,
                fee_bps=leg.fee_bps,
            )
            for leg, sign in zip(pair.legs, (1, -1), strict=True)
        ]
        found.append(
            AdoptPair(
                symbol=symbol,
                legs=(legs[0], legs[1]),
                run=pair.run,
                number=pair.number,
                opportunity_id=pair.opportunity_id,
                started_wall_ns=pair.started_wall_ns,
                opened_wall_ns=pair.opened_wall_ns,
                funding_bps=pair.funding_bps,
                kind=pair.kind,
                tag=pair.tag,
            )
        )
    return found


def _lots(qty: Decimal, sign: int, instruments: Mapping[Key, Instrument], leg: PastLeg) -> int:
    """Count a signed quantity in lots of now, in the direction of the leg's entry."""
    instrument = instruments[leg.venue, leg.venue_symbol]
    lots = steps_exact(abs(qty), instrument.lot)
    return lots * sign * (1 if qty > 0 else -1)


def _orphan(
    past: Past, symbol: str, held: Mapping[Key, Decimal], keys: Sequence[Key]
) -> PastPair:
    """Make a pair around what is left of one that was over: the long leg is taken for the first."""
    longs = [key for key in keys if held.get(key, ZERO) > 0]
    shorts = [key for key in keys if held.get(key, ZERO) < 0]
    first = longs[0] if longs else next(key for key in keys if key not in shorts[:1])
    second = next(key for key in keys if key != first)
    legs = [PastLeg(venue=venue, venue_symbol=name) for venue, name in (first, second)]
    return PastPair(
        run=past.run,
        number=0,
        symbol=symbol,
        legs=(legs[0], legs[1]),
        started_wall_ns=past.last_wall_ns,
    )
