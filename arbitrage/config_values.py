"""One setting's text to its value, or an error that says what to write instead."""

import math
import re
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from arbitrage.errors import ConfigError
from arbitrage.instruments import SETTLE, canonical_base

__all__ = ["CORE_LIMIT", "accepted_words", "convert_text", "parse_cores", "parse_symbols"]

SYMBOLS_LIMIT = 2048
CORE_LIMIT = 1023


def parse_cores(text: str, *, label: str = "WEBSOCKET_CORES") -> tuple[int, ...]:
    """Read ``2-7``, ``2,3`` or a mixture; the order stays, each core once."""
    accepted = f"accepted is a range such as 2-7 or a list such as 2,3, cores 0 to {CORE_LIMIT}"
    cores: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,4})\s*(?:-\s*([0-9]{1,4})\s*)?", part, re.ASCII)
        first = int(match[1]) if match else -1
        last = int(match[2]) if match and match[2] else first
        if match is None or last < first or last > CORE_LIMIT:
            raise ConfigError(f"{label} was {text!r}; {accepted}")
        cores += [core for core in range(first, last + 1) if core not in cores]
    return tuple(cores)


def parse_symbols(text: str, *, label: str = "ARB_SYMBOLS") -> tuple[str, ...]:
    """Read canonical symbols separated by commas, each once, in the order given."""
    accepted = f"accepted is a list of canonical symbols such as BTC{SETTLE},ETH{SETTLE}"
    symbols: list[str] = []
    for part in text.split(","):
        symbol = part.strip()
        base = symbol.removesuffix(SETTLE)
        if base == symbol or not re.fullmatch(r"[A-Z0-9]{1,16}", base, re.ASCII):
            raise ConfigError(f"{label} was {text!r} and {symbol!r} is no symbol; {accepted}")
        coin, bundle = canonical_base(base)
        if bundle != 1:
            raise ConfigError(
                f"{label} was {text!r}; the canonical name of {symbol} is {coin}{SETTLE}"
            )
        if symbol not in symbols:
            symbols.append(symbol)
    if len(symbols) > SYMBOLS_LIMIT:
        raise ConfigError(f"{label} named {len(symbols)} symbols; at most {SYMBOLS_LIMIT} fit")
    return tuple(symbols)


def accepted_words(kind: Any, meta: Meta) -> str:
    """Say in words what a field accepts."""
    if get_origin(kind) is Literal:
        return "accepted values are " + ", ".join(str(value) for value in get_args(kind))
    if kind is bool:
        return "accepted values are true, false"
    if meta.pattern is not None:
        return "accepted are 1 to 31 letters, digits and . _ - after a letter or digit"
    noun = "a whole number" if kind in (int, int | None) else "a number"
    low = f"above {meta.gt:g}" if meta.gt is not None else f"from {_plain(meta.ge)}"
    return f"accepted is {noun} {low} to {_plain(meta.le)}"


def _plain(value: float | None) -> str:
    return f"{value:,.0f}".replace(",", "") if value is not None else "any"


def convert_text(name: str, text: str, kind: Any, meta: Meta) -> object:
    """Convert a variable's text to the type and range of its field."""
    value: object
    target = int if kind == int | None else kind
    cleaned = text.strip().upper() if name == "LOG_LEVEL" else text.strip()
    try:
        value = msgspec.convert(cleaned, Annotated[target, meta], strict=False)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(cleaned)
    except (msgspec.ValidationError, ValueError):
        raise ConfigError(f"{name} was {text!r}; {accepted_words(kind, meta)}") from None
    return value
