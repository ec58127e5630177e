"""Figures as people read them: money with a sign, times in a unit that fits, shares in percent."""

from datetime import UTC, datetime
from math import isnan

__all__ = ["bps", "duration", "rough_usd", "share", "usd", "utc"]

_UNITS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
NOTHING = "-"


def usd(value: float | None, *, signed: bool = False) -> str:
    """Return an amount with two digits behind the point, ``-`` for none."""
    if value is None or isnan(value):
        return NOTHING
    sign = "+" if signed else "-"
    text = f"{value:{sign},.2f}"
    return "0.00" if float(text.replace(",", "")) == 0 else text


def rough_usd(value: float | None) -> str:
    """Return an amount whose cents do not matter: three digits, then whole thousands."""
    if value is None or isnan(value):
        return NOTHING
    for scale, name in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if abs(value) >= scale * 0.9995:
            return f"{value / scale:,.3g}{name}" if abs(value) < scale * 1000 else f"{value:,.0f}"
    return f"{value:.3g}"


def bps(value: float | None) -> str:
    """Return basis points with one digit, two below 10."""
    if value is None or isnan(value):
        return NOTHING
    return f"{value:.2f}" if abs(value) < 10 else f"{value:,.1f}"


def share(value: float | None) -> str:
    """Return a fraction in percent."""
    if value is None or isnan(value):
        return NOTHING
    percent = value * 100
    return f"{percent:.1f} %" if 0 < abs(percent) < 10 or 99 < percent < 100 else f"{percent:.0f} %"


def duration(seconds: float | None) -> str:
    """Return a time with about two digits, in days, hours, minutes, seconds, ms or µs."""
    if seconds is None or isnan(seconds):
        return NOTHING
    if seconds == 0:
        return "0 s"
    for unit_s, name in _UNITS:
        if abs(seconds) >= unit_s * 0.9995 or name == "µs":
            number = seconds / unit_s
            return f"{number:.3g} {name}" if number < 1000 else f"{number:,.0f} {name}"
    raise AssertionError(seconds)


def utc(ns: int, timespec: str = "milliseconds") -> str:
    """Return UTC epoch nanoseconds as ISO text, such as ``2026-11-22T07:00:00.000Z``."""
    moment = datetime.fromtimestamp(ns // 1_000_000 / 1e3, UTC)
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")
