"""What a test may do to a running venue over REST: change a contract, take a position.

``POST /admin/instrument`` with JSON such as ``{"symbol": "BTCUSDT", "tick": "0.05"}``;
``POST /admin/take`` with ``{"symbol": "BTCUSDT", "how": "adl"}``. Open only with the flag
``--admin``, which a host beyond loopback refuses.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Literal

import msgspec

from arbitrage.sim.config import SimError
from arbitrage.sim.exchange import Exchange, encode
from arbitrage.sim.instruments import STATES, Instrument, canonical_of
from arbitrage.sim.matching import Reject

PREFIX = "/admin/"
REFUSED = {
    "RESTING": "an order rests in it: cancel it first",
    "HELD": "a position is held in it: lot and contract value change only while it is flat",
}


class InstrumentChange(msgspec.Struct, forbid_unknown_fields=True):
    """Fields that are left out stay as they are."""

    symbol: str
    tick: str = ""
    lot: str = ""
    contract_value: str = ""
    state: str = ""
    funding_hours: int = 0


class Taking(msgspec.Struct, forbid_unknown_fields=True):
    """A position that the venue closes by itself; ``qty`` in its own units, empty: all of it."""

    symbol: str
    how: Literal["liquidation", "adl"] = "liquidation"
    qty: str = ""


def positive(name: str, text: str) -> Decimal:
    """Read a decimal above 0; SimError says which field was something else."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise SimError(f"{name} was {text!r}; accepted: a decimal above 0") from None
    if not value.is_finite() or value <= 0 or "E" in text.upper():
        raise SimError(f"{name} was {text!r}; accepted: a decimal above 0, without exponent")
    return value


def changed(item: Instrument, form: InstrumentChange) -> Instrument:
    """Return the contract that ``form`` makes of ``item``."""
    for name in ("tick", "lot", "contract_value"):
        if getattr(form, name):
            positive(name, getattr(form, name))
    if form.state and form.state not in STATES:
        raise SimError(f"state was {form.state!r}; accepted: {', '.join(STATES)}")
    if form.funding_hours and form.funding_hours not in (1, 2, 4, 8):
        raise SimError(f"funding_hours was {form.funding_hours}; accepted: 1, 2, 4, 8")
    new = item
    if form.tick or form.lot:
        new = item.with_grid(form.tick or item.tick_text, form.lot or item.qty_text(1))
    return replace(
        new,
        contract_value=Decimal(form.contract_value) if form.contract_value else item.contract_value,
        state=form.state or item.state,
        funding_hours=form.funding_hours or item.funding_hours,
    )


def answer(exchange: Exchange, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    """Carry out one call; return (HTTP status, JSON)."""
    calls = {f"{PREFIX}instrument": _change, f"{PREFIX}take": _take}
    if method != "POST" or path not in calls:
        return 404, encode({"error": f"no such call: {method} {path}; known: POST {PREFIX}"
                                     f"instrument, POST {PREFIX}take, POST GET DELETE "
                                     f"{PREFIX}faults"})
    try:
        return 200, encode(calls[path](exchange, body))
    except Reject as reject:
        return 409, encode({"error": REFUSED.get(reject.reason, reject.reason)})
    except (msgspec.MsgspecError, SimError) as error:
        return 400, encode({"error": str(error)})


def _change(exchange: Exchange, body: bytes) -> dict[str, str]:
    form = msgspec.json.decode(body, type=InstrumentChange)
    exchange.change_instrument(changed(_item(exchange, form.symbol), form))
    return {}


def _take(exchange: Exchange, body: bytes) -> dict[str, str]:
    form = msgspec.json.decode(body, type=Taking)
    item = _item(exchange, form.symbol)
    lots = int(positive("qty", form.qty) / item.lot) if form.qty else 0
    taken = exchange.take_position(item.index, lots, form.how)
    return {"taken": item.qty_text(taken)}


def _item(exchange: Exchange, symbol: str) -> Instrument:
    canonical = canonical_of(symbol)
    found = [item for item in exchange.instruments if item.canonical == canonical]
    if not found:
        raise SimError(f"{exchange.venue} was not started with {canonical}")
    return found[0]
