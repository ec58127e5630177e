"""Numbers as a person reads them: short, with their unit, and nothing where nothing is known."""

import math
from datetime import UTC, datetime
from typing import TypeGuard

__all__ = [
    "NOTHING",
    "bps",
    "chart",
    "clock_time",
    "count",
    "duration",
    "gauge",
    "latency",
    "printable",
    "quantity",
    "resampled",
    "span",
    "spark",
    "usd",
]

NOTHING = "-"
BLOCKS = " ▁▂▃▄▅▆▇█"
EIGHTHS = 8


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def printable(text: str) -> str:
    """Return a text of elsewhere without what a terminal would obey instead of show."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def bps(value: float | None) -> str:
    """Basis points with one decimal: ``12.3``."""
    if not _known(value):
        return NOTHING
    text = f"{value:.1f}"
    return "0.0" if text == "-0.0" else text


def usd(value: float | None, *, is_signed: bool = False) -> str:
    """Dollars to the cent, whole ones from 100,000 on: ``1,234.50``."""
    if not _known(value):
        return NOTHING
    if abs(value) < 0.005:
        return "0.00"
    digits = 0 if abs(value) >= 100_000 else 2
    return f"{value:+,.{digits}f}" if is_signed else f"{value:,.{digits}f}"


def quantity(value: float | None) -> str:
    """A quantity in base coins, six digits at most."""
    return f"{value:.6g}" if _known(value) else NOTHING


def count(value: float | None) -> str:
    """A count: whole up to 99,999, then ``123k``, ``1.2M``, ``3.4G``."""
    if not _known(value):
        return NOTHING
    if abs(value) < 100_000:
        return f"{value:.0f}"
    for size, mark in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            scaled = value / size
            return f"{scaled:.1f}{mark}" if abs(scaled) < 100 else f"{scaled:.0f}{mark}"
    return f"{value:.0f}"


def span(milliseconds: float | None) -> str:
    """How long something lasts: ``850µs``, ``12ms``, ``3.4s``, ``2m05s``, ``4h12m``, ``3d04h``."""
    if not _known(milliseconds):
        return NOTHING
    if milliseconds < 1:
        return f"{max(0.0, milliseconds) * 1e3:.0f}µs"
    if milliseconds < 1000:
        return f"{milliseconds:.0f}ms"
    seconds = milliseconds / 1e3
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h{minutes:02d}m"
    return f"{hours // 24}d{hours % 24:02d}h"


def duration(seconds: float) -> str:
    """An age of a process: ``1:02:03``, with days before it from the second on."""
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{f'{days}d ' if days else ''}{hour}:{minute:02d}:{second:02d}"


def latency(nanoseconds: float | None) -> str:
    """A latency: ``420ns``, ``1.7µs``, ``23µs``, ``4.1ms``, ``2.0s``."""
    if not _known(nanoseconds):
        return NOTHING
    if nanoseconds < 1000:
        return f"{nanoseconds:.0f}ns"
    for size, unit in ((1e3, "µs"), (1e6, "ms")):
        scaled = nanoseconds / size
        if scaled < 999.5:
            return f"{scaled:.1f}{unit}" if scaled < 9.95 else f"{scaled:.0f}{unit}"
    return f"{nanoseconds / 1e9:.1f}s"


def clock_time(wall_ns: int) -> str:
    """Time of day, UTC: ``13:05:09``."""
    return f"{datetime.fromtimestamp(wall_ns // 1_000_000_000, UTC):%H:%M:%S}"


def resampled(values: list[float], width: int) -> list[float]:
    """Return at most `width` values: each the farthest of its stretch from the last."""
    if len(values) <= width or width < 1:
        return values[-width:] if width >= 1 else []
    found = values[:1]
    for index in range(1, width):
        part = values[index * len(values) // width : (index + 1) * len(values) // width]
        found.append(max(part, key=lambda value: abs(value - found[-1])))
    found[-1] = values[-1]
    return found


def spark(values: list[float | None], width: int) -> str:
    """Draw the newest `width` values as one line of blocks, from 0 up; gaps stay blank."""
    shown = values[-width:] if width > 0 else []
    top = max((value for value in shown if _known(value)), default=0.0)
    line = ""
    for value in shown:
        if not _known(value):
            line += " "
        elif top > 0:
            line += BLOCKS[max(1, round(EIGHTHS * value / top))]
        else:
            line += BLOCKS[1]
    return line.rjust(width)


def chart(values: list[float], width: int, height: int) -> list[str]:
    """Draw a curve as `height` lines of blocks between its least and its largest value."""
    shown = resampled(values, width)
    if not shown or height < 1:
        return []
    low, high = min(shown), max(shown)
    reach = (high - low) or 1.0
    steps = [1 + round((height * EIGHTHS - 1) * (value - low) / reach) for value in shown]
    lines = []
    for row in range(height - 1, -1, -1):
        parts = (BLOCKS[max(0, min(EIGHTHS, step - row * EIGHTHS))] for step in steps)
        lines.append("".join(parts))
    return lines


def gauge(fraction: float | None, width: int) -> str:
    """Draw how full something is, 0 to 1, as a bar of `width` places."""
    if not _known(fraction):
        return NOTHING.ljust(width)
    filled = min(1.0, max(0.0, fraction)) * width
    whole = int(filled)
    part = "·▏▎▍▌▋▊▉"[int((filled - whole) * EIGHTHS)] if whole < width else ""
    return ("█" * whole + part).ljust(width, "·")
