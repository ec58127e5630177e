"""Small checks of what clients send, shared by both venues."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from decimal import Decimal
from typing import NoReturn
from urllib.parse import parse_qsl


def same(left: str, right: str) -> bool:
    """Compare secrets without telling where they differ."""
    return hmac.compare_digest(left.encode(), right.encode())


def query_of(
    query: str, allowed: frozenset[str], refuse: Callable[[str], NoReturn]
) -> dict[str, str]:
    """Query parameters; a name outside ``allowed`` is refused."""
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    for name in pairs:
        if name not in allowed:
            refuse(name)
    return pairs


def to_steps(text: str, step: Decimal) -> int | None:
    """Number of steps in a decimal text; None when it is no number or off the grid."""
    if not text or len(text) > 24 or not text.replace(".", "", 1).isdigit() or not text.isascii():
        return None
    steps = Decimal(text) / step
    whole = int(steps)
    return whole if whole == steps else None
