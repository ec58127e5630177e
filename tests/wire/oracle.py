"""What a frame means, by json and float alone: the specification that the C parsers are held to."""

import json
import math
import re
from typing import Any

Fields = tuple[Any, ...]
NUMBER = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
SEQ_MAX = 2**48 - 1
WALL_MS_MAX = (2**63 - 1) // 1_000_000


class Malformed(Exception):
    """The frame must not be applied."""


class NotAQuote(Exception):
    """control or other_topic."""


class Raw(str):
    """A JSON number as it was written."""


def load(frame: bytes) -> Any:
    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        return json.loads(
            frame.decode("utf-8", "surrogateescape"),
            object_pairs_hook=lambda pairs: tuple(pairs),
            parse_int=Raw,
            parse_float=Raw,
            parse_constant=refuse,
        )
    except (ValueError, RecursionError) as error:
        raise Malformed("json") from error


def need(condition: bool, what: str) -> None:
    if not condition:
        raise Malformed(what)


def is_object(value: Any) -> bool:
    return isinstance(value, tuple)


def pick(value: Any, key: str, optional: bool = False) -> Any:
    need(is_object(value), "object")
    found = [item for name, item in value if name == key]
    need(len(found) <= 1, f"duplicate {key}")
    need(optional or len(found) == 1, f"missing {key}")
    return found[0] if found else None


def is_string(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Raw)


def whole(value: Any, top: int, quoted: bool = False) -> int:
    need(is_string(value) if quoted else isinstance(value, Raw), "whole")
    need(re.fullmatch("0|[1-9][0-9]{0,17}", value, re.ASCII) is not None, "whole")
    need(int(value) <= top, "range")
    return int(value)


def amount(value: Any) -> float:
    need(is_string(value) and NUMBER.fullmatch(value) is not None, "number")
    number = float(value)
    need(math.isfinite(number), "infinite")
    return number


def side(levels: Any, bid: bool, extras: bool) -> tuple[float | None, float | None, list[float]]:
    need(isinstance(levels, list), "levels")
    live: list[tuple[float, float]] = []
    gone: list[float] = []
    for level in levels:
        need(isinstance(level, list), "level")
        need(len(level) >= 2 if extras else len(level) == 2, "level")
        px, qty = amount(level[0]), amount(level[1])
        need(px > 0, "price")
        if qty == 0:
            gone.append(px)
        else:
            live.append((px, qty))
    need(len(gone) <= 2, "deletions")
    if not live:
        return None, None, gone
    best = max(px for px, _ in live) if bid else min(px for px, _ in live)
    need(sum(px == best for px, _ in live) == 1 and best not in gone, "tie")
    return best, dict(live)[best], gone


def symbol_of(value: Any) -> str:
    need(is_string(value), "symbol")
    need(1 <= len(value.encode("utf-8", "surrogateescape")) <= 28, "symbol")
    return str(value)


def uncrossed(bid: float | None, ask: float | None) -> None:
    need(bid is None or ask is None or bid <= ask, "crossed")


def bybit(frame: bytes) -> Fields:
    top = load(frame)
    need(is_object(top), "object")
    for key in ("type", "ts", "cts", "data"):
        pick(top, key, optional=True)
    if not any(key == "topic" for key, _ in top):
        raise NotAQuote("control")
    topic = next(value for key, value in top if key == "topic")
    need(is_string(topic), "topic")
    prefix = "orderbook.1."
    if not topic.startswith(prefix) or topic == prefix:
        raise NotAQuote("other_topic")
    pick(top, "topic")
    kind, data = pick(top, "type"), pick(top, "data")
    need(is_string(kind) and kind in ("snapshot", "delta"), "type")
    ts = whole(pick(top, "ts"), WALL_MS_MAX)
    cts = pick(top, "cts", optional=True)
    symbol = symbol_of(pick(data, "s"))
    need(topic[len(prefix) :] == symbol, "mismatch")
    bid_px, bid_qty, _ = side(pick(data, "b"), True, False)
    ask_px, ask_qty, _ = side(pick(data, "a"), False, False)
    uncrossed(bid_px, ask_px)
    update_id, seq = whole(pick(data, "u"), SEQ_MAX), whole(pick(data, "seq"), SEQ_MAX)
    wall_ms = ts if not any(key == "cts" for key, _ in top) else whole(cts, WALL_MS_MAX)
    return (
        "bybit", symbol, kind, bid_px, ask_px, bid_qty, ask_qty, wall_ms * 1_000_000, seq, update_id
    )  # fmt: skip


def okx(frame: bytes) -> Fields:
    if frame == b"pong":
        raise NotAQuote("control")
    top = load(frame)
    need(is_object(top), "object")
    for key in ("arg", "action", "data"):
        pick(top, key, optional=True)
    if any(key in ("event", "op") for key, _ in top) or not any(key == "arg" for key, _ in top):
        raise NotAQuote("control")
    arg = pick(top, "arg")
    pick(arg, "instId", optional=True)
    channel = pick(arg, "channel")
    need(is_string(channel), "channel")
    if channel != "bbo-tbt":
        raise NotAQuote("other_topic")
    if any(key == "action" for key, _ in top):
        need(is_string(pick(top, "action")) and pick(top, "action") == "snapshot", "action")
    symbol = symbol_of(pick(arg, "instId"))
    data = pick(top, "data")
    need(isinstance(data, list) and len(data) == 1, "data")
    ask_px, ask_qty, _ = side(pick(data[0], "asks"), False, True)
    bid_px, bid_qty, _ = side(pick(data[0], "bids"), True, True)
    uncrossed(bid_px, ask_px)
    wall_ms = whole(pick(data[0], "ts"), WALL_MS_MAX, quoted=True)
    seq = whole(pick(data[0], "seqId"), SEQ_MAX)
    return (
        "okx", symbol, "snapshot", bid_px, ask_px, bid_qty, ask_qty, wall_ms * 1_000_000, seq, seq
    )  # fmt: skip


def read(venue: str, frame: bytes) -> Fields | str:
    """Return the quote's fields, or "control", "other_topic", "malformed"."""
    try:
        return (bybit if venue == "bybit" else okx)(frame)
    except Malformed:
        return "malformed"
    except NotAQuote as error:
        return str(error)


def ours(venue: str, frame: bytes) -> Fields | str:
    """Return the same of the compiled parser."""
    from arbitrage.core.frames import parse_frame

    try:
        quote = parse_frame(venue, frame)
    except ValueError as error:
        text = str(error)
        if "control frame" in text:
            return "control"
        return "other_topic" if "another topic" in text else "malformed"
    return (
        quote.venue, quote.symbol, quote.kind, *(
            None if math.isnan(value) else value
            for value in (quote.bid_px, quote.ask_px, quote.bid_qty, quote.ask_qty)
        ), quote.exch_wall_ns, quote.seq, quote.update_id,
    )  # fmt: skip


# An escape in a text that we point to in place (topic, symbol, number) is refused, not resolved.
ESCAPED = re.compile(rb'"(topic|s|instId)"\s*:\s*"[^"]*\\|\[\s*"[^"]*\\|,\s*"[^"]*\\[^"]*"\s*[],]')


def agree(venue: str, frame: bytes) -> bool:
    """Do both say the same? Our parser stops at a foreign topic: what follows may be broken."""
    expected, found = read(venue, frame), ours(venue, frame)
    if expected == found or (found == "other_topic" and expected == "malformed"):
        return True
    return found == "malformed" and (
        len(frame) > 4096 or b"[" * 60 in frame or ESCAPED.search(frame) is not None
    )
