"""What is shown of rows: lines for a person, one array of JSON, the table of README."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from arbitrage.errors import ArbitrageError, ConfigError
from benchmarks.harness import Row

__all__ = ["Bar", "show", "write_json", "write_readme"]

BEGIN, END = "<!-- arb bench: begin -->", "<!-- arb bench: end -->"
REFRESH_S = 0.25


class Bar:
    """Progress on a terminal's stderr; elsewhere a line a question.

    It is drawn on the measuring thread, between two rounds, never by a thread of its own.
    """

    def __init__(self, total: int) -> None:
        self._on_terminal = sys.stderr.isatty()
        self._drawn_s = 0.0
        self._columns = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[said]}"),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not self._on_terminal,
        )
        self._task = self._columns.add_task("", total=total, said="")

    def __enter__(self) -> "Bar":
        self._columns.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._columns.stop()

    def begin(self, name: str, done: int, total: int) -> None:
        """Name the question that begins."""
        if not self._on_terminal:
            print(f"[{done + 1}/{total}] {name}", file=sys.stderr, flush=True)
        self._columns.update(self._task, description=name, completed=done, said="")
        self._columns.refresh()

    def say(self, text: str) -> None:
        """Show what the question says, now and then."""
        now_s = time.monotonic()
        if self._on_terminal and now_s - self._drawn_s > REFRESH_S:
            self._drawn_s = now_s
            self._columns.update(self._task, said=text)
            self._columns.refresh()

    def print(self, text: str, *, to_stderr: bool = False) -> None:
        """Write lines of text above the bar."""
        self._columns.stop()
        print(text, file=sys.stderr if to_stderr else sys.stdout, flush=True)
        self._columns.start()


def number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def show(row: Row) -> str:
    """Write one row for a person, over a few lines."""
    verdict = "" if row.holds is None else "  holds" if row.holds else "  DOES NOT HOLD"
    lines = [
        f"{row.name:<30} p50 {number(row.p50):>9}   p99 {number(row.p99):>9}   "
        f"p99.9 {number(row.p999):>9}  {row.unit}" + (f"   [{row.bar}{verdict}]" if row.bar else "")
    ]
    if row.floor:
        lines.append(
            f"    floor {number(row.floor_p50)} / {number(row.floor_p99)}: {row.floor}; "
            f"we take {number(row.ratio_to_floor)} times that"
        )
    if row.peer:
        lines.append(
            f"    peer {number(row.peer_p50)}: {row.peer}; "
            f"we are {number(row.ratio_to_peer)} times as fast"
        )
    for name, value in row.more.items():
        plain = isinstance(value, int | float)
        lines.append(f"    {name} {number(value) if plain else value}")
    if row.weather is not None:
        lines.append(f"    {row.weather.text}")
    lines.append(f"    {row.note}; n {row.n:,}")
    return "\n".join(lines)


# ---- files ---------------------------------------------------------------------------------------


def write_json(rows: Sequence[Row], target: str) -> None:
    """Write one array of all rows to a file or, for ``-``, to stdout."""
    text = json.dumps([row.as_json() for row in rows], indent=1, allow_nan=False) + "\n"
    if target == "-":
        sys.stdout.write(text)
        return
    try:
        Path(target).write_text(text)
    except OSError as error:
        raise ArbitrageError(f"{target} could not be written: {error}") from None


def _figure(value: float | None, unit: str) -> str:
    """Write a figure as it reads best: 47 ns, 1.2 us, 7.1 M/s."""
    if value is None:
        return ""
    if unit == "ns":
        for limit, name in ((1e3, "ns"), (1e6, "us"), (1e9, "ms")):
            if value < limit:
                return f"{value / (limit / 1e3):.3g} {name}"
        return f"{value / 1e9:.3g} s"
    if unit == "1/s":
        for limit, name in ((1e6, "M"), (1e3, "k")):
            if value >= limit:
                return f"{value / limit:.3g} {name}/s"
        return f"{value:.3g} /s"
    return f"{number(value)} {unit}"


def _beside(figure: str, ratio: float | None, what: str | None) -> str:
    if not figure:
        return ""
    times = "" if ratio is None else f" (x {number(ratio)})"
    return f"{figure}{times}: {what}" if what else f"{figure}{times}"


def table(header: dict[str, Any], rows: Sequence[Row]) -> str:
    """Return the table of README."""
    lines = [
        "| row | p50 | p99 | floor (we take x of it) | peer (we are x times as fast) | promise |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        found = row.as_json()
        unit = found["unit"]
        floor = _beside(_figure(row.floor_p50, unit), row.ratio_to_floor, row.floor)
        peer = _beside(_figure(row.peer_p50, unit), row.ratio_to_peer, row.peer)
        verdict = "" if row.holds is None else ", holds" if row.holds else ", does not hold"
        if row.is_noisy and row.weather is not None:
            said = row.weather.noise  # its figures would be the machine's
            lines.append(f"| `{row.name}` | noisy: {said} | | | | {row.bar or ''} |")
            continue
        cells = [
            f"`{row.name}`",
            _figure(row.p50, unit),
            _figure(row.p99, unit),
            floor,
            peer,
            f"{row.bar}{verdict}" if row.bar else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    where = (
        f"{header['cpu']}, {len(header['usable_cores'])} cores, kernel {header['kernel']}, Python "
        f"{header['python']}, commit {header['commit']}, {header['began'][:10]}"
    )
    return "\n".join([f"Measured on {where}{_runs(rows)}.", "", *lines])


def _runs(rows: Sequence[Row]) -> str:
    """Say of how many runs the figures are the medians."""
    counts = sorted({row.runs for row in rows})
    if counts[-1] == 1:
        return ""
    return f"; medians of {' to '.join(str(count) for count in {counts[0]: 0, counts[-1]: 0})} runs"


def write_readme(path: Path, header: dict[str, Any], rows: Sequence[Row]) -> None:
    """Put the table of a run between the two marks of a document."""
    text = path.read_text()
    before, found, rest = text.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ConfigError(f"{path} has no lines {BEGIN} and {END} for the table to stand between")
    path.write_text(f"{before}{BEGIN}\n{table(header, rows)}\n{END}{after}")
