"""What a fault plan's fields accept, in words, and the first thing in a table that does not fit."""

from __future__ import annotations

import math
import types
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from arbitrage.sim.bybit import PRIVATE_TOPICS
from arbitrage.sim.config import SimError
from arbitrage.sim.instruments import CANONICAL_SYMBOLS, canonical_of
from arbitrage.sim.okx_private import PRIVATE_CHANNELS
from arbitrage.sim.okx_public import CHANNELS as OKX_CHANNELS

# (venue, role) -> channels by the venue's name
CHANNELS: dict[tuple[str, str], tuple[str, ...]] = {
    ("bybit", "public"): ("orderbook.1", "orderbook.50", "tickers"),
    ("bybit", "private"): PRIVATE_TOPICS,
    ("okx", "public"): tuple(OKX_CHANNELS),
    ("okx", "private"): tuple(PRIVATE_CHANNELS),
}
ANSWERS = ("ack", "pong", "reply")
ENDLESS = ("until_s", "for_s")  # these may be infinite
_WORDS = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}


def said(value: Any) -> str:
    """A value as an error shows it: short, on one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def accepted(kind: Any) -> str:
    """What a field of this type accepts, in words."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return ", ".join(part for part in parts if part)
    if origin in (Union, types.UnionType):
        return accepted(next(part for part in parts if part is not type(None)))
    if origin is tuple:
        return "[[rule]] tables" if parts[0] is not float else "a list of numbers"
    return _WORDS[kind]


def form_problem(form: type[msgspec.Struct], table: dict[str, Any]) -> str:
    """Say which field of ``table`` is unknown, missing or of another type; empty when none is."""
    fields = {field.name: field for field in msgspec.structs.fields(form)}
    for name, value in table.items():
        if name == form.__struct_config__.tag_field:  # the caller has looked at it
            continue
        if name not in fields:
            return f"{name} is no field here; accepted: {', '.join(fields)}"
        try:
            made = msgspec.convert(value, fields[name].type)
        except msgspec.ValidationError:
            return f"{name} was {said(value)}; accepted: {accepted(fields[name].type)}"
        numbers = made if isinstance(made, tuple) else (made,)
        if any(isinstance(number, float) and (
                math.isnan(number) or (math.isinf(number) and name not in ENDLESS))
               for number in numbers):
            return f"{name} was {said(value)}; accepted: finite numbers"
    for name, field in fields.items():
        if field.required and name not in table:
            return f"{name} is missing; accepted: {accepted(field.type)}"
    return ""


def where_problem(rule: Any) -> str:
    """Say which of venue, role, channel and symbol no frame can match; empty when all can."""
    role, symbol = getattr(rule, "role", ""), getattr(rule, "symbol", "")
    if rule.venue == "okx" and role == "trade":
        return "role was 'trade', which okx has not; accepted: public, private (with its orders)"
    if symbol:
        try:
            canonical_of(symbol)
        except SimError:
            return f"symbol was {said(symbol)}; accepted: {', '.join(CANONICAL_SYMBOLS)}"
    return _channel_problem(rule, role)


def _channel_problem(rule: Any, role: str) -> str:
    channel = getattr(rule, "channel", "")
    if not channel:
        return ""
    known = [name for (venue, of_role), names in CHANNELS.items()
             if rule.venue in ("", venue) and role in ("", of_role) for name in names]
    if hasattr(rule, "probability"):  # a rule about single frames: answers are frames too
        known += ANSWERS
    if channel in known:
        return ""
    places = " of ".join(part for part in (f"{role} lines" if role else "", rule.venue) if part)
    return (f"channel was {said(channel)}; accepted{' for ' + places if places else ''}: "
            f"{', '.join(known)}")


def with_values(problem: str, form: type[msgspec.Struct], table: dict[str, Any]) -> str:
    """Put the given values of the fields that a problem names before it."""
    if not problem or " was " in problem:
        return problem
    words = problem.replace(",", " ").replace(";", " ").split()
    named = [f"{field} was {said(table[field])}" for field in form.__struct_fields__
             if field in table and field in words]
    return f"{', '.join(named)}; {problem}" if named else problem


def unknown_symbol(venue: str, symbol: str, known: list[str]) -> str:
    """Say that a venue was started without a rule's symbol."""
    return (f"symbol was {said(symbol)}, which {venue} was not started with; accepted: "
            f"{', '.join(known)}")
