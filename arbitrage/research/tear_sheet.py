"""The tear sheet: a backtest on one page of HTML that needs nothing else, not even scripts.

The plots lie in the page as SVG, in the page's own colours, so they follow its light or dark
ground. Equal backtests make equal pages.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from html import escape
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arbitrage.core.strategy import EXIT_REASONS
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES
from arbitrage.research import plots, result_text, result_words
from arbitrage.research.extras import needed
from arbitrage.research.figures import bps, duration, rough_usd, share, usd, utc
from arbitrage.research.plot_style import THEMES, themed

if TYPE_CHECKING:
    from arbitrage.research.results import Backtest

__all__ = ["tear_sheet", "write_tear_sheet"]

SPREADS_SHOWN = 4  # symbols with a plot of their own
PAIRS_SHOWN = 8  # best and worst
WIDE_IN, HALF_IN = 11.6, 5.7  # of plots: so that letters are as large as those beside them
LATENCIES_US = (0, 100, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 100_000, 1_000_000)


def write_tear_sheet(found: "Backtest", path: Path, title: str | None = None) -> Path:
    """Write the page; see `Backtest.report`."""
    text = tear_sheet(found, title)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"report {path} could not be written: {reason}") from None
    return path


def tear_sheet(found: "Backtest", title: str | None = None) -> str:
    """Return the page as text."""
    css = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
    symbols = result_text.symbols_of(found)
    heading = title if title is not None else f"Backtest: {found.strategy} on {symbols}"
    span_s = (found.end_ns - found.start_ns) / 1e9
    about = (
        f"{symbols}, {utc(found.start_ns, 'seconds')} to {utc(found.end_ns, 'seconds')} "
        f"({duration(span_s)}), seed {found.seed}"
    )
    with themed("page", WIDE_IN):
        body = [*_account(found), *_market(found), *_tables(found), _settings(found)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(heading)}</title><style>\n{css}</style></head>\n<body><main>"
        f"<header><h1>{escape(heading)}</h1><p>{escape(about)}</p></header>\n"
        + "\n".join([_cards(found), _notes(found), *body])
        + f"\n<footer>arbitrage backtest, result sha256 {found.sha256}. Money stands as it changed "
        "the equity: costs are negative. Times are UTC.</footer></main></body></html>\n"
    )


# ---- parts of the page -------------------------------------------------------------------------


def _cards(found: "Backtest") -> str:
    of = found.summary()
    tone = "good" if of["net_usd"] >= 0 else "bad"
    naked = "none stood alone"
    if of["naked_pairs"]:
        naked = f"of {of['naked_pairs']:,} pairs; median {duration(of['naked_ms_p50'] / 1e3)}"
    longest = duration(of["naked_ms_max"] / 1e3) if of["naked_pairs"] else "0 s"
    size = of["opportunity_size_usd_p50"]
    cards = [
        ("Net", usd(of["net_usd"], signed=True), "USD, all costs taken", tone),
        ("Of the volume", f"{bps(of['net_bps_of_volume'])} bps",
         f"{rough_usd(of['volume_usd'])} USD traded", ""),
        ("Max drawdown", usd(of["max_drawdown_usd"]), "USD below its best", ""),
        ("Pairs", f"{of['pairs']:,}", f"{share(of['won_share'])} won, held "
         f"{duration(of['hold_s_p50'])} (median)", ""),
        ("Longest leg alone", longest, naked, ""),
        ("Opportunities", f"{of['opportunities']:,}",
         f"lived {duration(_seconds(of['opportunity_life_ms_p50']))}, "
         f"{rough_usd(size)} USD (medians)", ""),
    ]  # fmt: skip
    return (
        '<div class="cards">'
        + "".join(
            f'<div class="card"><div class="what">{escape(what)}</div>'
            f'<div class="figure {kind}">{escape(figure)}</div>'
            f'<div class="about">{escape(about)}</div></div>'
            for what, figure, about, kind in cards
        )
        + "</div>"
    )


def _notes(found: "Backtest") -> str:
    """Say how it was run and what to know, where nobody can miss it."""
    rows = "".join(
        f"<dt{_kind(name)}>{escape(name)}</dt><dd{_kind(name)}>{escape(text)}</dd>"
        for name, text in result_words.run_rows(found)
    )
    return f'<dl class="panel run">{rows}</dl>'


def _kind(name: str) -> str:
    return ' class="note"' if name == "note" else ""


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1e3


def _account(found: "Backtest") -> Iterable[str]:
    yield _wide(_svg("equity", lambda: plots.equity(found), "equity, drawdown and exposure"))
    yield "<h2>Where the money went</h2>"
    yield (
        "<p>Gross is what the fills would have earned at the touch each order was decided on; "
        "slippage is what their own prices made of it.</p>"
    )
    yield '<div class="grid">'
    by = "symbol" if len(found.symbols) > 1 else "direction"
    with themed("page", HALF_IN):
        total = _svg("costs", lambda: plots.costs(found), "profit from gross to net")
        parts = _svg("groups", lambda: plots.costs(found, by), f"profit and costs by {by}")
    yield _panel(total) + _panel(parts) + "</div>"
    yield "<h2>What was expected</h2>"
    yield _wide(_svg("expectation", lambda: plots.expectation(found), "expected and realised"))


def _market(found: "Backtest") -> Iterable[str]:
    yield "<h2>What the market offered</h2>"
    names = found.symbols[:SPREADS_SHOWN]
    try:
        data = found.data()
        drawn = [
            _svg(
                f"spread-{name}",
                partial(plots.spread, found, name, data=data),
                f"spread of {name} over time",
            )
            for name in names
        ]
        yield '<div class="stack">' + "".join(map(_wide, drawn)) + "</div>"
        if len(found.symbols) > len(names):
            yield f"<p>Spreads of {len(names)} of {len(found.symbols)} symbols.</p>"
    except ConfigError as error:
        yield f"<p>No spread is shown: {escape(str(error))}.</p>"
    yield '<div class="stack" style="margin-top:14px">'
    yield _wide(_svg("lives", lambda: plots.opportunities(found), "life and width"))
    yield _wide(_svg("latency", lambda: plots.latency(found), "what a latency leaves"))
    rows = found.caught(LATENCIES_US)
    yield _panel(
        _table(
            "What a latency leaves of the opportunities",
            ("latency", "still there", "share", "mean net edge, bps", "edge left, USD"),
            [
                (
                    duration(float(row["latency_us"]) / 1e6),
                    f"{int(row['count']):,}",
                    share(float(row["share"])),
                    bps(float(row["net_bps"])),
                    usd(float(row["edge_usd"])),
                )
                for row in rows
            ],
        )
    )
    yield "</div>"


def _tables(found: "Backtest") -> Iterable[str]:
    if not len(found.pairs):
        return
    yield "<h2>Pairs</h2>"
    yield '<div class="stack">'
    days = len(found.daily)
    for by in ("symbol", "direction", "reason", *(("day",) if 1 < days <= 31 else ())):
        head = (by, "pairs", "gross", "slippage", "fees", "funding", "net")
        rows = [
            (
                str(name).replace("_", " "),
                f"{int(of['pairs']):,}",
                *(
                    usd(of[f"{each}_usd"], signed=True)
                    for each in ("gross", "slippage", "fees", "funding", "net")
                ),
            )
            for name, of in found.costs(by).items()
        ]
        yield _panel(_table(f"By {by}, USD", head, rows))
    yield _panel(_pairs(found))
    yield "</div>"


def _pairs(found: "Backtest") -> str:
    order = np.argsort(found.pairs["net_usd"], kind="stable")
    worst = order[: min(PAIRS_SHOWN, len(order) // 2)]
    chosen = [*order[::-1][: min(PAIRS_SHOWN, len(order) - len(worst))], *worst[::-1]]
    rows = []
    for pair in found.pairs[np.array(chosen, np.intp)]:
        held = (int(pair["closed_ns"]) - int(pair["opened_ns"])) / 1e9
        rows.append(
            (
                utc(int(pair["opening_ns"])).replace("T", " ").rstrip("Z"),
                found.symbols[pair["symbol"]],
                f"{VENUES[pair['buy_venue']]} > {VENUES[pair['sell_venue']]}",
                bps(float(pair["expected_net_bps"])),
                *(
                    usd(float(pair[f"{each}_usd"]), signed=True)
                    for each in ("gross", "slippage", "fees", "funding", "net")
                ),
                duration(held) if pair["opened_ns"] and pair["closed_ns"] else "-",
                duration(int(pair["naked_ns"]) / 1e9),
                EXIT_REASONS[pair["reason"]].replace("_", " "),
            )
        )
    head = "opened,symbol,bought > sold,expected (bps),gross,slippage,fees,funding,net,held,naked"
    return _table("Best and worst pairs, USD", [*head.split(","), "left for"], rows)


def _settings(found: "Backtest") -> str:
    parts: list[tuple[str, Any]] = [
        ("Settings", found.config),
        ("Latency", found.latency),
        ("Counts", found.counts),
        ("Data", found.source or {"source": "in memory"}),
        ("Contracts", {" ".join(key): value for key, value in found.contracts.items()}),
    ]
    tables = "".join(
        _table(title, (title.lower(), ""), list(_flat(value)), words=True)
        for title, value in parts
        if value
    )
    return (
        '<h2>How it was run</h2><details class="panel"><summary>Settings, latency, counts, data '
        f"and contracts</summary>{tables}</details>"
    )


def _flat(value: Any, name: str = "") -> Iterable[tuple[str, str]]:
    """Yield each value within mappings under its whole name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        yield name, text if len(text) <= 400 else text[:400] + " ..."


# ---- pieces ------------------------------------------------------------------------------------


def _panel(inside: str) -> str:
    return f'<div class="panel">{inside}</div>'


def _wide(inside: str) -> str:
    return f'<div class="panel wide">{inside}</div>'


def _table(
    title: str, head: Sequence[str], rows: Sequence[Sequence[str]], words: bool = False
) -> str:
    heads = "".join(f'<th scope="col">{escape(each)}</th>' for each in head)
    kind = ' class="word"' if words else ""
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td{kind}>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f"<table><caption>{escape(title)}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


_LONG = re.compile(r"-?\d+\.\d+")


def _short(number: "re.Match[str]") -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def _svg(name: str, draw: Callable[[], Any], label: str) -> str:
    """Return a plot as SVG for the page: its colours, its font, no name that another one has."""
    matplotlib = needed("matplotlib", "research", "plots")
    out = StringIO()
    figure = draw()
    # ids are made of their content and this salt: equal pages, and no two plots share one
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    needed_ids = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda name: name[0] if name[1] in needed_ids else "", text)
    text = re.sub(r'(<svg[^>]*?) (?:width)="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) (?:height)="[^"]*"', r"\1", text, count=1)
    text = text.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)
    # the hundredth of a point is enough for any line
    text = re.sub(r' d="[^"]*"', lambda path: _LONG.sub(_short, path[0]), text)
    for word in ("text", "quiet", "line"):
        text = text.replace(THEMES["page"][word], f"var(--{word})")
    return text.replace("'DejaVu Sans'", "var(--font)")
