"""What the commands to a trader say, in words."""

import math
from typing import Any

from arbitrage.core.risk import LIMITS, REASON_TEXTS
from arbitrage.errors import ConfigError
from arbitrage.wording import counted, listed

__all__ = [
    "flatten_text",
    "kill_text",
    "limit_lines",
    "limit_value",
    "off_text",
    "resume_text",
    "screen_of",
]

STILL_FLAT = "every pair is being closed and none is opened: arb resume all ends that\n"
# A limit that 0 switches off: what nothing holds back any more.
OFF = {
    "max_symbol_usd": "a symbol may stand at both venues up to their own limits",
    "max_venue_usd": "all symbols of a venue together may stand up to max_gross_usd",
    "max_one_sided_symbol_usd": "a symbol is entered again however much of it stands unhedged",
    "max_one_sided_usd": "pairs are opened however much stands unhedged, all symbols together",
    "max_day_loss_usd": "no loss of a day, however large, kills the trader or holds pairs back",
    "entry_band_bps": "an entry's limit may be any distance from the venues' mid prices",
    "exit_band_bps": "an exit's limit may be any distance from the mid prices",
    "max_basis_bps": "pairs are opened however far apart the venues' mid prices lie",
    "max_signal_age_ms": "pairs are opened on a tick of any age",
    "max_book_age_ms_bybit": "pairs are opened on a book of Bybit of any age",
    "max_book_age_ms_okx": "pairs are opened on a book of OKX of any age",
}


def kill_text(done: dict[str, Any]) -> str:
    """Say what a kill came to: what leaves now, and what stood before."""
    first = "killed"
    if done["was_killed"]:
        first = f"it was {done['was']}\nstill" if done["was"] else "still"
    does = "no order leaves any more"
    if done["flatten"]:
        does = "what is open is being closed; only reducing orders leave"
    return f"{first}: {does}, every gateway has seen it after {done['acknowledged_ms']:g} ms\n"


def resume_text(done: dict[str, Any]) -> str:
    """Say what holds pairs back after a resume, and that a flatten has ended."""
    text = f"resumed {', '.join(done['resumed'])}\n" if done["resumed"] else ""
    if done["paused"] or not text:
        text += paused_text(done["paused"])
    if done["flatten_ended"]:
        state = done["state"]
        then = "new pairs may open now" if state.startswith("trading") else f"but {state}"
        text += f"the flatten ended: {then}\n"
    if done["killed"]:
        text += "the kill switch still stands: arb kill --clear takes it back\n"
    elif done["flatten"]:
        text += STILL_FLAT
    return text


def paused_text(paused: dict[str, list[str]]) -> str:
    """Name the symbols that are paused, and why."""
    lines = [f"{symbol} is paused: {', '.join(reasons)}\n" for symbol, reasons in paused.items()]
    return "".join(lines) or "no symbol is paused\n"


def flatten_text(found: dict[str, Any]) -> str:
    """Say which pairs are being closed, and which go on by themselves."""
    closing, broken = found["closing"], found["broken"]
    text = "no pair is open"
    if closing:
        text = f"closing {counted(len(closing), 'pair')}: {listed(closing)}"
    elif broken:
        text = "no other pair is open"
    if broken:
        head = f"{counted(len(broken), 'pair')} BROKEN, what is left is reduced on at the widest "
        text = f"{head}slip: {listed(broken)}\n{text}"
    return f"{text}\nnone is opened until arb resume all\n"


def limit_value(name: str, text: str) -> float:
    """Read a limit's value; one outside its range is refused before anybody is asked.

    Raises
    ------
    ConfigError
        It is no number, or outside its range.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    _, least, most = LIMITS[name]
    if not least <= value <= most:
        low = "above 0" if 0 < least < 1 else f"from {least:g}"  # the least is there to keep 0 out
        off = ", 0: off" if name in OFF else ""
        raise ConfigError(f"{name} was {text!r}; accepted is a number {low} to {most:.0f}{off}")
    return value


def off_text(name: str, value: float) -> str:
    """Say what nothing holds back any more, now that a limit is 0; empty where one holds."""
    return f"{name} is off: {OFF[name]}\n" if value == 0 and name in OFF else ""


def limit_lines(limits: dict[str, float], used_pct: dict[str, float]) -> list[str]:
    """Lay limits out as a table; how much of one is used stands beside it."""
    lines = []
    for key, number in limits.items():
        used = used_pct.get(key, 0)
        text = "off" if number == 0 and key in OFF else f"{number:,g}"
        lines.append(f"{key:<26}{text:>10}" + (f"{used:>8.0f} % used" if used else ""))
    return lines


def screen_of(found: dict[str, Any]) -> str:
    """Lay a status out for a person."""
    hours, rest = divmod(int(found["uptime_s"]), 3600)
    lines = [
        f"{found['name']}: mode {found['mode']}, run {found['run']}, process {found['pid']}, "
        f"up {hours}:{rest // 60:02d}:{rest % 60:02d}",
        f"  state    {found['state']}",
    ]
    if found["kill"] is not None:
        for venue, each in found["kill"]["cancels"].items():
            lines.append(f"  cancels  {venue}: {each['state']}")
    lines += [f"  WARNING  {line}" for line in found["strangers"]]
    for symbol, reasons in found["paused"].items():
        lines.append(f"  paused   {symbol}: {', '.join(reasons)}")
    for venue, rows in found["rows"].items():
        links = found["links"].get(venue, {})
        told = [f"{line} {'up' if up else 'DOWN'}" for line, up in links.items()]
        told.append(f"{rows['live']} of {rows['all']} books live")
        lines.append(f"  {venue:<8} {', '.join(told)}")
    for pair in found["open_pairs"]:
        legs = ", ".join(pair["legs"]) or "nothing filled yet"
        lines.append(f"  pair     {pair['symbol']} {pair['phase']}: {legs}")
    counts = found["pairs"]
    told = [f"{number} {word}" for word, number in counts.items()]
    lines.append(f"  pairs    {', '.join(told)}; {counted(found['orders'], 'order')}")
    label = "refused"
    for reason, count in sorted(found["refused"].items(), key=lambda item: -item[1]):
        text = f"{reason}: {REASON_TEXTS.get(reason, '')}"
        early = found.get("refused_at_start", {}).get(reason, 0)  # an older trader does not say
        if early:
            text += f" ({'all' if early == count else f'{early:,}'} at the start)"
        lines.append(f"  {label:<8} {count:>8,} {text}")
        label = ""
    lines.append(
        f"  day      {found['day_result_usd']:+.2f} USD of pairs that ended; "
        f"{found['gross_usd']:,.2f} USD stand"
    )
    label = "limits"
    for line in limit_lines(found["limits"], found["limits_used_pct"]):
        lines.append(f"  {label:<8} {line}")
        label = ""
    return "\n".join(lines) + "\n"
