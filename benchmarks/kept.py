"""The files that keep what was measured, and one table of runs that were made apart.

A machine that is quiet for minutes only is measured in parts: a few rows now, others later, each as
often as there is time. What the parts have in common is the machine, the commit, and the options
that say how long a question may take.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from arbitrage.errors import ArbitrageError, ConfigError
from benchmarks.harness import FIGURES, Row
from benchmarks.noise import Weather

__all__ = ["join", "keep", "row_of"]

# of two runs that may be joined: the machine, the code, and how it was asked
SAME = ("cpu", "usable_cores", "kernel", "python", "commit", "asked")


def keep(header: Mapping[str, Any], rows: Sequence[Row], folder: Path) -> None:
    """Append a run to the day's file: what host it was, then a row a line."""
    lines = [header, *(row.as_json() for row in rows)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / f"{time.strftime('%Y-%m-%d')}.jsonl", "a") as out:
            out.write("".join(json.dumps(line) + "\n" for line in lines))
    except OSError as error:
        raise ArbitrageError(f"results could not be written: {error}") from None


def row_of(found: Mapping[str, Any]) -> Row:
    """Return the row that was written as this object."""
    of, is_rate = found["of"], found["unit"] == "1/s"
    unit = f"{of or 1}/s" if is_rate else "/".join(filter(None, (found["unit"], of)))
    more = dict(found["more"])
    if found["p90"] is not None:
        more["p90"] = found["p90"]
    return Row(
        name=found["name"], unit=unit, floor=found["floor"], bar=found["bar"],
        holds=found["holds"], more=more,
        weather=Weather(**found["weather"]) if "weather" in found else None,
        **{name: found[name] for name in FIGURES},
    )  # fmt: skip


def join(header: Mapping[str, Any], folder: Path) -> list[list[Row]]:
    """Return all kept runs of this machine and commit that were asked so; oldest first.

    Raises
    ------
    ConfigError
        A file holds something else, or there are none.
    """
    runs: list[list[Row]] = []
    for path in sorted(folder.glob("*.jsonl")):
        is_same = False
        for number, line in enumerate(path.read_text().splitlines(), 1):
            try:
                found = json.loads(line)
                if "host" in found:
                    is_same = all(found.get(name) == header[name] for name in SAME)
                    runs.append([])
                elif is_same:
                    runs[-1].append(row_of(found))
            except (ValueError, TypeError, LookupError):
                raise ConfigError(f"line {number} of {path} is no row of arb bench") from None
    if not any(runs):
        raise ConfigError(
            f"{folder} keeps no run of commit {header['commit']} on this machine; "
            "measure some first: arb bench --only NAME"
        )
    return [rows for rows in runs if rows]
