"""Funding capture decided once more, in plain Python from the words of docs/strategies.md."""

import math
from fractions import Fraction
from typing import NamedTuple

HOUR_NS = 3_600_000_000_000


class Leg(NamedTuple):
    """A venue's funding of one symbol."""

    rate: float
    interval_h: float
    next_ns: int


class Rules(NamedTuple):
    """The settings, times in ns."""

    window_ns: int
    lead_ns: int
    hold_ns: int
    min_bps: float
    min_delta: float


def is_known(leg: Leg) -> bool:
    return (
        not math.isnan(leg.rate)
        and abs(leg.rate) <= 0.1
        and not math.isnan(leg.interval_h)
        and 1 / 3600 <= leg.interval_h <= 24
        and leg.next_ns > 0
    )


def settlements(leg: Leg, now_ns: int, until_ns: int) -> list[int]:
    """Every settlement of a venue in (now, until], walked one by one."""
    step = int(leg.interval_h * HOUR_NS)
    at, found = leg.next_ns, []
    while at <= now_ns:
        at += step
    while at <= until_ns:
        found.append(at)
        at += step
    return found


def ahead_bps(buy: Leg, sell: Leg, now_ns: int, until_ns: int) -> float:
    if not (is_known(buy) and is_known(sell)):
        return math.nan
    received = len(settlements(sell, now_ns, until_ns)) * Fraction(sell.rate)
    paid = len(settlements(buy, now_ns, until_ns)) * Fraction(buy.rate)
    return float((received - paid) * 10_000)


def favourable(buy: Leg, sell: Leg, now_ns: int) -> int | None:
    """The first settlement that pays rather than costs."""
    legs = [leg for leg, pays in ((sell, sell.rate > 0), (buy, buy.rate < 0)) if pays]
    far = now_ns + 25 * HOUR_NS
    times = [
        settlements(leg, now_ns, max(far, leg.next_ns + int(leg.interval_h * HOUR_NS)))[0]
        for leg in legs
    ]
    return min(times, default=None)


def entry(
    rules: Rules, buy: Leg, sell: Leg, gross_bps: float, fees_bps: float, slippage_bps: float,
    now_ns: int,
) -> tuple[str, float]:  # fmt: skip
    """Return the verdict and the net result expected."""
    known = is_known(buy) and is_known(sell) and not math.isnan(gross_bps)
    if not known or min(buy.next_ns, sell.next_ns) <= now_ns:
        return "unknown", math.nan
    stay_until = now_ns + rules.hold_ns - rules.lead_ns
    net = ahead_bps(buy, sell, now_ns, stay_until) + gross_bps - fees_bps - slippage_bps
    delta = sell.rate * 8 / sell.interval_h - buy.rate * 8 / buy.interval_h
    if delta < rules.min_delta:
        return "small_delta", net
    waited_for = favourable(buy, sell, now_ns)
    if (
        waited_for is None
        or waited_for > stay_until
        or not rules.lead_ns < waited_for - now_ns <= rules.window_ns
    ):
        return "not_now", net
    return ("too_little" if net < rules.min_bps else "enter"), net


def leave(
    rules: Rules, buy: Leg, sell: Leg, pair_bps: float, leave_bps: float, profit_bps: float,
    now_ns: int, until_ns: int,
) -> str:  # fmt: skip
    """Return whether a pair stays, and why not."""
    seen_ns = now_ns - rules.lead_ns
    ahead = ahead_bps(buy, sell, seen_ns, until_ns - rules.lead_ns)
    if math.isnan(ahead):
        return "stay"
    if ahead <= 0:
        return "turned"
    near = favourable(buy, sell, seen_ns)
    waits = near is not None and near - now_ns <= rules.window_ns
    return "spent" if ahead < leave_bps and pair_bps >= profit_bps and not waits else "stay"
