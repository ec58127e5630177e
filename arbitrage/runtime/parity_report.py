"""What parity found, for a terminal, for programs and as one page."""

from collections import Counter
from html import escape

import msgspec

from arbitrage.runtime.parity_backtest import BacktestParity
from arbitrage.runtime.parity_result import Parity, ParityOrder, Wait
from arbitrage.wording import counted

__all__ = ["to_html", "to_json", "to_text"]

Found = Parity | BacktestParity

SHOWN = 20
_COLUMNS = (
    "time", "pair", "leg", "venue", "symbol", "side", "qty", "px", "is_found", "time_diff_ns",
    "qty_diff_lots", "px_diff_ticks", "unexplained_ns", "reason",
)  # fmt: skip
_STYLE = """
body{font:14px/1.5 system-ui,sans-serif;margin:2rem;color:#1c2330;background:#fff}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .6rem;text-align:right;
border-bottom:1px solid #dde1e8}th{background:#f3f5f8}td:last-child,th:last-child{text-align:left}
.bad td{background:#fdecec}.ok{color:#12703a}.not{color:#b02a2a}
@media(prefers-color-scheme:dark){body{background:#14171c;color:#d9dee7}th{background:#1f242c}
td,th{border-color:#2c323c}.bad td{background:#40201f}.ok{color:#6fcf97}.not{color:#ff8a80}}
"""


def headline(found: Found) -> str:
    """Say in one line how it came out."""
    if isinstance(found, BacktestParity):
        return _backtest_headline(found)
    orders = counted(len(found.judged), "order")
    outside = len(found.orders) - len(found.judged)
    more = f"; {outside} more lie outside of the recording" if outside else ""
    if found.is_well:
        return f"all of {orders} came out again, every difference is explained to zero{more}"
    explained = sum(order.is_explained for order in found.judged)
    return (
        f"{found.found} of {orders} came out again, {explained} of them explained to zero, "
        f"{len(found.extra)} besides{more}"
    )


def _backtest_headline(found: BacktestParity) -> str:
    orders = counted(len(found.orders), "order")
    if found.is_well:
        return f"the backtest sent all of {orders}, every difference is explained to zero"
    explained = sum(order.is_explained for order in found.orders)
    return (
        f"the backtest sent {found.found} of {orders}, {explained} of them explained to zero, "
        f"and {len(found.extra)} besides"
    )


def _backtest_facts(found: BacktestParity) -> list[tuple[str, str]]:
    return [
        ("run", str(found.run)),
        ("orders found", f"{found.found} of {len(found.orders)}"),
        ("only in the backtest", str(len(found.extra))),
        ("differences in quantity", str(sum(one.qty_diff_lots != 0 for one in found.orders))),
        ("differences in price", str(sum(one.px_diff_ticks != 0 for one in found.orders))),
        ("differences in time", _times(found.orders)),
        ("filled the same quantity", f"{found.filled_qty_alike} of {found.found}"),
        ("at the same price, too", f"{found.filled_alike} of {found.found}"),
        ("net of the backtest", f"{found.net_usd:,.2f} USD"),
    ]


def _facts(found: Found) -> list[tuple[str, str]]:
    if isinstance(found, BacktestParity):
        return _backtest_facts(found)
    facts = [
        ("session", f"{found.trader}, run {found.run}, mode {found.mode}"),
        ("recorded", "from its first decision" if found.from_start else "from a later moment on"),
        ("turns that did something", f"{found.turns:,}"),
        ("orders found", f"{found.found} of {len(found.judged)}"),
        ("outside of the recording", str(len(found.orders) - len(found.judged))),
        ("only decided again", str(len(found.extra))),
        ("differences in quantity", str(sum(one.qty_diff_lots != 0 for one in found.orders))),
        ("differences in price", str(sum(one.px_diff_ticks != 0 for one in found.orders))),
        ("differences in time", _times(found.orders)),
        ("changes of pairs", f"{found.equal_changes} of {found.changes} the same"),
        ("answers of the venues", str(found.answers)),
        ("detector otherwise", str(found.detector_differences)),
    ]
    if found.stopped:
        facts.append(("ended early", found.stopped))
    return facts


def _times(orders: list[ParityOrder]) -> str:
    differing = [one for one in orders if one.time_diff_ns]
    if not differing:
        return "0"
    sizes = sorted(abs(one.time_diff_ns) for one in differing)
    left = max(abs(one.unexplained_ns) for one in orders)
    return (
        f"{len(differing)}, half of them below {sizes[len(sizes) // 2]} ns, at most {sizes[-1]} "
        f"ns; {left} ns of them not explained"
    )


def _kind(reason: str) -> str:
    """Return a reason without its figures, to count it by."""
    return "".join("n" if letter.isdigit() else letter for letter in reason).replace("nn", "")


def to_text(found: Found) -> str:
    """Return the report for a terminal."""
    lines = [headline(found), ""]
    lines += [f"{name:<26}{value}" for name, value in _facts(found)]
    if isinstance(found, Parity) and found.waits:
        lines += ["", f"{'own latencies, us':<26}{'count':>7}{'p50':>12}{'p99':>12}{'max':>12}"]
        lines += [
            f"{wait.venue + ', ' + wait.what:<26}{wait.count:>7}{wait.p50_us:>12,.1f}"
            f"{wait.p99_us:>12,.1f}{wait.max_us:>12,.1f}"
            for wait in found.waits
        ]
    judged = found.judged if isinstance(found, Parity) else found.orders
    open_ones = [one for one in judged if not one.is_explained]
    for title, rows in (("not explained", open_ones), (_only(found), found.extra)):
        if rows:
            lines += ["", f"{title}:", *(f"  {_line(one)}" for one in rows[:SHOWN])]
        if len(rows) > SHOWN:
            lines.append(f"  and {len(rows) - SHOWN} more")
    return "\n".join(lines) + "\n"


def _only(found: Found) -> str:
    return "only decided again" if isinstance(found, Parity) else "only in the backtest"


def _line(one: ParityOrder) -> str:
    unit = f" {one.unit}" if one.unit else ""
    return (
        f"{one.time} pair {one.pair} {one.leg} {one.venue} {one.symbol} {one.side} {one.qty}{unit} "
        f"at {one.px}: {one.reason}"
    )


def to_json(found: Found) -> str:
    """Return everything as one JSON object."""
    reasons = Counter(_kind(one.reason) for one in found.orders if one.reason)
    summary = {
        "is_well": found.is_well,
        "headline": headline(found),
        "orders_found": found.found,
        "orders_explained": sum(one.is_explained for one in found.orders),
        "reasons": dict(reasons.most_common()),
    }
    return msgspec.json.encode(summary | msgspec.to_builtins(found)).decode() + "\n"


def to_html(found: Found) -> str:
    """Return a page that needs nothing else."""
    facts = "".join(f"<tr><th>{escape(n)}<td>{escape(v)}" for n, v in _facts(found))
    waits = _waits(found.waits) if isinstance(found, Parity) else ""
    mark = "ok" if found.is_well else "not"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>parity</title>'
        f"<style>{_STYLE}</style><h1>Parity of run {found.run}</h1>"
        f'<p class="{mark}">{escape(headline(found))}</p><table>{facts}</table>'
        f"{waits}<h2>Orders</h2>{_table(found.orders)}"
        + (f"<h2>{_only(found).capitalize()}</h2>{_table(found.extra)}" if found.extra else "")
        + "</html>\n"
    )


def _waits(waits: list[Wait]) -> str:
    rows = "".join(
        f"<tr><td>{escape(w.venue)}<td>{escape(w.what)}<td>{w.count}<td>{w.p50_us:,.1f}"
        f"<td>{w.p99_us:,.1f}<td>{w.max_us:,.1f}"
        for w in waits
    )
    return (
        "<h2>The session's own latencies, &micro;s from the intent</h2><table><tr><th>venue"
        f"<th>what<th>count<th>p50<th>p99<th>max</tr>{rows}</table>"
    )


def _table(orders: list[ParityOrder]) -> str:
    head = "".join(f"<th>{name.replace('_', ' ')}" for name in _COLUMNS)
    rows = []
    for one in orders:
        cells = "".join(f"<td>{escape(_cell(getattr(one, name)))}" for name in _COLUMNS)
        is_bad = not (one.is_explained or one.is_outside)
        rows.append(f"<tr{' class=bad' if is_bad else ''}>{cells}")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _cell(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
